"""What the portal remembers, as tables of the PostgreSQL schema `portal`."""

from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Row,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

SCHEMA = "portal"
# A row as a statement gives it; its columns are known by name.
Record: TypeAlias = Row[*tuple[Any, ...]]
metadata = MetaData(
    schema=SCHEMA,
    naming_convention={
        "pk": "%(table_name)s_pk",
        "fk": "%(table_name)s_%(column_0_name)s_fk",
        "uq": "%(table_name)s_%(column_0_name)s_uq",
        "ix": "%(table_name)s_%(column_0_name)s_ix",
        "ck": "%(table_name)s_%(constraint_name)s_ck",
    },
)


def _id(start: int) -> Column[int]:
    # Bootstrap files may choose ids, so "by default" and not "always".
    return Column("id", BigInteger, Identity(start=start), primary_key=True)


def _at(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _to(name: str, target: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, ForeignKey(f"{SCHEMA}.{target}"), nullable=nullable)


organization = Table(
    "organization",
    metadata,
    _id(1001),
    Column("name", String(120), nullable=False),
    Column("home_page_url", String(250), nullable=False),
    # Drops from connections what the real portal does not give, for every client of this organization.
    Column("faithful", Boolean, nullable=False, server_default=text("false")),
    _at("created_at"),
)

tenant = Table(
    "tenant",
    metadata,
    # A decimal string: tenants' ids are 64 bit wide and no arithmetic is ever done on them.
    Column("id", String(19), primary_key=True),
    Column("name", String(120), nullable=False),
    # A customer may have several tenants; a private app serves the tenants of one customer only.
    Column("customer", String(120), nullable=False),
    _at("created_at"),
)

client = Table(
    "client",
    metadata,
    _id(1),
    Column("client_id", String(64), nullable=False),
    # SHA-256 is enough: secrets are 256 random bits, nothing that could be guessed from a dictionary.
    Column("secret_hash", LargeBinary, nullable=False),
    Column("app_key", String(64), nullable=False),
    Column("name", String(120), nullable=False),
    Column("kind", String(16), nullable=False),
    _to("organization_id", "organization.id", nullable=True),
    _to("tenant_id", "tenant.id", nullable=True),
    Column("scopes", ARRAY(Text), nullable=False),
    _at("created_at"),
    # The token endpoint finds a client by this.
    UniqueConstraint("client_id"),
    # Every call looks its key up here.
    UniqueConstraint("app_key"),
    # A client speaks for exactly one owner, so that no token can be read two ways.
    CheckConstraint(
        "(kind = 'organization' AND organization_id IS NOT NULL AND tenant_id IS NULL)"
        " OR (kind = 'tenant' AND tenant_id IS NOT NULL AND organization_id IS NULL)"
        " OR (kind = 'operator' AND tenant_id IS NULL AND organization_id IS NULL)",
        name="one_owner",
    ),
)
# A second bootstrap with the same file makes no second client of the same name for the same owner.
Index(
    "client_owner_name_uq",
    client.c.kind,
    client.c.organization_id,
    client.c.tenant_id,
    client.c.name,
    unique=True,
    postgresql_nulls_not_distinct=True,
)

person = Table(
    "person",
    metadata,
    _id(1),
    Column("username", String(120), nullable=False, unique=True),
    # Argon2id, with its salt and parameters.
    Column("password_hash", String(200), nullable=False),
    # For whom they act, by what name, and with which scopes.
    Column("client_id", ForeignKey(f"{SCHEMA}.client.id"), nullable=False, unique=True),
    _at("created_at"),
)

session = Table(
    "session",
    metadata,
    # Of the key in the browser's cookie, as of tokens.
    Column("hash", LargeBinary, primary_key=True),
    Column("person_id", ForeignKey(f"{SCHEMA}.person.id", ondelete="CASCADE"), nullable=False),
    # By PostgreSQL's own clock: eight hours after it a session is over, whatever was done meanwhile.
    _at("began_at"),
    # Serves the removal of a person's sessions that are over.
    Index("session_person_ix", "person_id", "began_at"),
)

signing_key = Table(
    "signing_key",
    metadata,
    # One row: whoever made it first, all processes sign with it.
    Column("id", BigInteger, CheckConstraint("id = 1", name="only_one"), primary_key=True, autoincrement=False),
    # The private key in PEM. It signs what tokens say, and opens nothing: a token counts when its hash is stored.
    Column("pem", Text, nullable=False),
    _at("created_at"),
)

token = Table(
    "token",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    _to("client_id", "client.id", nullable=True),
    # A token that an app fetched with the credentials of one of its connections; its scopes are those in play.
    # Named by its client id, which ends with the access, so that the token does too.
    Column("access_id", String(64)),
    Column("scopes", ARRAY(Text), nullable=False),
    # Fetched for these scopes by name, so that it opens no others, whatever else is in play or comes into play.
    Column("narrowed", Boolean, nullable=False, server_default=text("false")),
    # By PostgreSQL's own clock, never by the demo's.
    _at("expires_at"),
    # Serves the removal of a client's expired tokens when it asks for a new one.
    Index("token_client_ix", "client_id", "expires_at"),
    Index("token_access_ix", "access_id", "expires_at"),
    # Serves the sweep of the others.
    Index("token_expires_ix", "expires_at"),
    CheckConstraint("(client_id IS NULL) <> (access_id IS NULL)", name="one_holder"),
)

app = Table(
    "app",
    metadata,
    _id(4001),
    Column("public_id", String(36), nullable=False, unique=True),
    _to("organization_id", "organization.id"),
    Column("name", String(120), nullable=False),
    Column("organization_name", String(120), nullable=False),
    Column("home_page_url", String(250), nullable=False),
    Column("distribution", String(16), nullable=False),
    Column("approval_status", String(16), nullable=False),
    _at("approved_at", nullable=True),
    # The operator's last word on it, whichever it was.
    _at("judged_at", nullable=True),
    Column("judged_by", String(120)),
    # NULL once the app is deleted: the key is gone, not merely refused.
    Column("app_key", String(64), unique=True),
    Column("credential_management", String(16), nullable=False),
    # A copy of max(version.number), written under this row's lock; lists need it on every line.
    Column("latest_version", Integer, nullable=False),
    _at("created_at"),
    Column("created_by", String(120), nullable=False),
    _at("modified_at"),
    _at("deleted_at", nullable=True),
    CheckConstraint("distribution IN ('private', 'public')", name="distribution"),
    CheckConstraint("approval_status IN ('notRequired', 'pending', 'approved', 'rejected')", name="approval_status"),
    CheckConstraint("credential_management IN ('resourceOwner', 'developer')", name="credentials"),
    # A deleted app keeps no key and a living one always has it.
    CheckConstraint("(deleted_at IS NULL) = (app_key IS NOT NULL)", name="key_of_the_living"),
    # Serves My Apps, and the proof that a key belongs to the caller's own organization.
    Index("app_organization_ix", "organization_id", "id"),
)

version = Table(
    "version",
    metadata,
    _to("app_id", "app.id"),
    Column("number", Integer, nullable=False),
    # Sorted and without repetition, so that two equal sets are equal arrays.
    Column("scopes", ARRAY(Text), nullable=False),
    _at("created_at"),
    _to("created_by_id", "client.id"),
    Column("created_by", String(120), nullable=False),
    CheckConstraint("number >= 1", name="number"),
    # Two releases at once cannot take the same number.
    PrimaryKeyConstraint("app_id", "number"),
)

availability = Table(
    "availability",
    metadata,
    _to("app_id", "app.id"),
    _to("tenant_id", "tenant.id"),
    Column("note", String(4000), nullable=False, server_default=text("''")),
    _at("created_at"),
    Column("created_by", String(120), nullable=False),
    PrimaryKeyConstraint("app_id", "tenant_id"),
    # Serves a tenant's list of the apps it may see.
    Index("availability_tenant_ix", "tenant_id", "app_id"),
)

connection = Table(
    "connection",
    metadata,
    _id(90001),
    # A copy of app.organization_id, which never changes: the organization-wide walk needs no join to page.
    _to("organization_id", "organization.id"),
    _to("app_id", "app.id"),
    _to("tenant_id", "tenant.id"),
    Column("environment", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("client_id", String(64), unique=True),
    Column("version", Integer),
    # Counts the lives of a connection: one more with each allow after a revoke.
    Column("epoch", Integer, nullable=False, server_default=text("0")),
    _at("allowed_at", nullable=True),
    _at("version_accepted_at", nullable=True),
    Column("version_accepted_by", String(120)),
    _at("created_at"),
    _at("modified_at"),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    # Set when the tenant id is withdrawn or the app deleted; the row stays for its id and for deletion feeds.
    _at("removed_at", nullable=True),
    # A relation is one row, however often it is allowed and revoked.
    UniqueConstraint("app_id", "tenant_id", "environment"),
    # Nobody runs a version that never existed.
    ForeignKeyConstraint(
        ["app_id", "version"],
        [f"{SCHEMA}.version.app_id", f"{SCHEMA}.version.number"],
        name="connection_version_fk",
    ),
    CheckConstraint("environment IN ('production', 'integration')", name="environment"),
    CheckConstraint("state IN ('notConnected', 'connected', 'disabled', 'disconnected')", name="state"),
    # Version and client id are there exactly as long as the tenant's access is.
    CheckConstraint(
        "(state IN ('connected', 'disabled')) = (version IS NOT NULL)"
        " AND (version IS NULL) = (client_id IS NULL)"
        " AND (version IS NULL) = (version_accepted_at IS NULL)",
        name="access_is_whole",
    ),
    # Serves a tenant's own list.
    Index("connection_tenant_ix", "tenant_id", "id"),
)
_listed = connection.c.removed_at.is_(None)
# The stable order of the two lists, and of the changes within them.
Index("connection_organization_ix", connection.c.organization_id, connection.c.id, postgresql_where=_listed)
Index("connection_app_ix", connection.c.app_id, connection.c.id, postgresql_where=_listed)
Index("connection_modified_ix", connection.c.organization_id, connection.c.modified_at, connection.c.id)

client_secret = Table(
    "client_secret",
    metadata,
    _id(1),
    # The client id of a connection's present life; when that ends, the secret opens nothing any more.
    Column("access_id", String(64), nullable=False),
    # As of clients: 256 random bits, hashed; the value is shown once.
    Column("hash", LargeBinary, nullable=False),
    # Enough to tell two secrets apart on a screen, and nothing like enough to guess one.
    Column("value_prefix", String(8), nullable=False),
    _at("created_at"),
    Column("created_by", String(120), nullable=False),
    Index("client_secret_access_ix", "access_id", "id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    # A client's number, or the client id of a connection whose token made the call.
    Column("owner", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    # Of method, path, query and body: a key that comes back with another request is a mistake.
    Column("request", LargeBinary, nullable=False),
    # Set before the transaction that did the work commits, so that either both are there or neither.
    Column("status", Integer),
    Column("body", LargeBinary),
    Column("location", Text),
    # By PostgreSQL's own clock: keys are kept for a day of real time.
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    PrimaryKeyConstraint("owner", "key"),
    Index("idempotency_created_ix", "created_at"),
)

sample = Table(
    "sample",
    metadata,
    _id(1),
    _to("tenant_id", "tenant.id"),
    Column("scope", String(64), nullable=False),
    Column("name", String(120), nullable=False),
    _at("created_at"),
    Index("sample_tenant_ix", "tenant_id", "scope", "id"),
)

subscription = Table(
    "subscription",
    metadata,
    _id(1),
    _to("organization_id", "organization.id"),
    Column("url", String(2000), nullable=False),
    # In the clear, for every event is signed with it.
    Column("secret", String(80), nullable=False),
    Column("types", ARRAY(Text), nullable=False),
    _at("created_at"),
    Column("created_by", String(120), nullable=False),
    Index("subscription_organization_ix", "organization_id", "id"),
)

delivery = Table(
    "delivery",
    metadata,
    _id(1),
    Column("subscription_id", ForeignKey(f"{SCHEMA}.subscription.id", ondelete="CASCADE"), nullable=False),
    # The same for every subscription and on every attempt: by this a receiver tells a repetition.
    Column("event_id", String(36), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    # By PostgreSQL's own clock; NULL once it was accepted or given up.
    _at("due_at", nullable=True),
    _at("accepted_at", nullable=True),
    Column("answer", String(200)),
    # By the same clock: what is settled is kept for a week from here.
    Column("queued_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    UniqueConstraint("subscription_id", "event_id"),
    # Serves the list of what was sent to a subscriber, the newest first.
    Index("delivery_subscription_ix", "subscription_id", "id"),
)
# What is due, one subscription after the other, and what may be swept.
Index(
    "delivery_waiting_ix",
    delivery.c.subscription_id,
    delivery.c.due_at,
    postgresql_where=delivery.c.due_at.is_not(None),
)
Index("delivery_settled_ix", delivery.c.queued_at, postgresql_where=delivery.c.due_at.is_(None))
