"""Organizations, tenants and their API clients: what must exist before the first call can be made."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from sqlalchemy import Connection, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert

from portal.clock import Clock
from portal.credentials import hashed, new_app_key, new_client_id, new_secret
from portal.fields import HomePage, Name, TenantId, Username
from portal.people import hashed_password, new_password
from portal.tables import client, organization, tenant
from portal.tables import connection as connection_table
from portal.tables import person as person_table

ORGANIZATION_SCOPES = (
    "dp.app.apps:r",
    "dp.app.apps:w",
    "dp.app.connections:r",
    "dp.app.credentials:w",
    "dp.app.versions:r",
    "dp.app.versions:w",
)
TENANT_SCOPES = ("tn.int.appaccess:r", "tn.int.appaccess:w")
OPERATOR_SCOPES = ("op.app.approvals:r", "op.app.approvals:w")
SCOPES = {"organization": ORGANIZATION_SCOPES, "tenant": TENANT_SCOPES, "operator": OPERATOR_SCOPES}

LOCK = 0x626F6F74


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, frozen=True)


class NewClient(_Entry):
    """An API client; without *scopes* it holds all that its kind may hold."""

    name: Name
    scopes: tuple[str, ...] = ()
    # Who may sign in to the pages as this client; the password is made for them, and told once.
    username: Username | None = None


class NewOrganization(_Entry):
    """A developer's company; *faithful* makes its connections as poor as the real portal's."""

    name: Name
    id: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    home_page_url: HomePage = "https://example.com"
    faithful: bool = False
    clients: tuple[NewClient, ...] = (NewClient(name="developer"),)


class NewTenant(_Entry):
    """A customer's account; tenants that name the same *customer* belong together."""

    id: TenantId
    name: Name
    customer: Name | None = None
    clients: tuple[NewClient, ...] = (NewClient(name="admin"),)


class Bootstrap(_Entry):
    """The whole file."""

    organizations: tuple[NewOrganization, ...] = ()
    tenants: tuple[NewTenant, ...] = ()
    operators: tuple[NewClient, ...] = ()


def install(connection: Connection, wanted: Bootstrap, clock: Clock) -> dict[str, Any]:
    """Make what is *wanted* and not there yet; the answer holds the credentials of new clients, this once."""
    # Two files at once would each make an organization that neither found by its name.
    connection.execute(select(func.pg_advisory_xact_lock(LOCK)))
    return {
        "organizations": [_organization(connection, entry, clock) for entry in wanted.organizations],
        "tenants": _tenants(connection, wanted.tenants, clock),
        "operators": _clients(connection, "operator", [(None, entry) for entry in wanted.operators], clock),
    }


def _organization(connection: Connection, entry: NewOrganization, clock: Clock) -> dict[str, Any]:
    values = {"name": entry.name, "home_page_url": entry.home_page_url, "faithful": entry.faithful}
    number = entry.id if entry.id is not None else _called(connection, entry.name)
    statement = insert(organization).values(
        **values, **({} if number is None else {"id": number}), created_at=clock.now()
    )
    # What the file does not say stays as it is.
    said = {name: value for name, value in values.items() if name in entry.model_fields_set}
    row = connection.execute(
        statement.on_conflict_do_update(index_elements=["id"], set_=said).returning(organization)
    ).one()
    if entry.id is not None:
        _skip_taken_ids(connection)
    made = _clients(connection, "organization", [(row.id, item) for item in entry.clients], clock)
    return {"id": str(row.id), "name": row.name, "faithful": row.faithful, "clients": made}


def _called(connection: Connection, name: str) -> int | None:
    """The organization of this *name*, for a file that gives no id."""
    found = connection.execute(select(organization.c.id).where(organization.c.name == name)).scalars().all()
    if len(found) > 1:
        raise ValueError(f"several organizations are called {name!r}: say by `id` which one is meant")
    return found[0] if found else None


def _skip_taken_ids(connection: Connection) -> None:
    """An id from a file must not be given out a second time by the sequence."""
    sequence = func.pg_get_serial_sequence("portal.organization", "id")
    top = select(func.greatest(func.max(organization.c.id), 1000)).scalar_subquery()
    connection.execute(select(func.setval(sequence, top)))


def _tenants(connection: Connection, entries: tuple[NewTenant, ...], clock: Clock) -> list[dict[str, Any]]:
    if not entries:
        return []
    _touch_renamed(connection, {entry.id: entry.name for entry in entries}, clock)
    statement = insert(tenant)
    for names in (("name",), ("name", "customer")):
        # As of organizations: a customer is changed by who names one.
        rows = [
            {"id": entry.id, "name": entry.name, "customer": entry.customer or entry.name, "created_at": clock.now()}
            for entry in entries
            if (entry.customer is not None) is ("customer" in names)
        ]
        said = {name: statement.excluded[name] for name in names}
        if rows:
            connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=said), rows)
    made = _clients(connection, "tenant", [(entry.id, item) for entry in entries for item in entry.clients], clock)
    return [
        {"id": entry.id, "name": entry.name, "clients": [one for one in made if one["tenant"] == entry.id]}
        for entry in entries
    ]


def _touch_renamed(connection: Connection, names: Mapping[str, str], clock: Clock) -> None:
    """Connections show the name of their tenant, so they change with it, and feeds tell."""
    known = connection.execute(select(tenant.c.id, tenant.c.name).where(tenant.c.id.in_(names)))
    if renamed := [row.id for row in known if row.name != names[row.id]]:
        rows = connection_table
        changed = {"modified_at": clock.now(), "revision": rows.c.revision + 1}
        connection.execute(update(rows).where(rows.c.tenant_id.in_(renamed)).values(changed))


def _clients(
    connection: Connection, kind: str, entries: list[tuple[Any, NewClient]], clock: Clock
) -> list[dict[str, Any]]:
    """The new ones among *entries*, each with its credentials; those that exist keep theirs and are not told."""
    return [made for owner, entry in entries if (made := add_client(connection, kind, owner, entry, clock))]


def add_client(connection: Connection, kind: str, owner: Any, entry: NewClient, clock: Clock) -> dict[str, Any] | None:
    """Make a client of *owner* and whoever signs in as it, where they are missing; None when both are there.

    The answer tells what is new, secrets included, this once. ValueError says what stands in the way.
    """
    secret = new_secret()
    scopes = sorted(set(entry.scopes) or SCOPES[kind])
    if unknown := set(scopes) - set(SCOPES[kind]):
        raise ValueError(f"client {entry.name!r}: no such {kind} scope: {', '.join(sorted(unknown))}")
    shown = {"clientId": new_client_id(), "clientSecret": secret, "appKey": new_app_key()}
    statement = insert(client).values(
        client_id=shown["clientId"],
        secret_hash=hashed(secret),
        app_key=shown["appKey"],
        name=entry.name,
        kind=kind,
        scopes=scopes,
        created_at=clock.now(),
        **({} if owner is None else {f"{kind}_id": owner}),
    )
    made = connection.execute(statement.on_conflict_do_nothing().returning(client.c.id)).scalar_one_or_none()
    number, held = connection.execute(_named(kind, owner, entry.name)).one()
    if entry.username and held != sorted(SCOPES[kind]):
        # Pages do not ask for scopes one by one.
        raise ValueError(f"client {entry.name!r}: whoever signs in holds every scope; leave `scopes` out")
    person = _person(connection, number, entry.username, clock) if entry.username else {}
    if made is None and not person:
        return None
    named = {} if owner is None else {kind: str(owner)}
    return {"name": entry.name, **named, **({} if made is None else shown | {"scopes": scopes}), **person}


def _named(kind: str, owner: Any, name: str) -> Select[int, list[str]]:
    """The number and the scopes of the client of this *name*."""
    found = select(client.c.id, client.c.scopes).where(client.c.kind == kind, client.c.name == name)
    return found if owner is None else found.where(client.c[f"{kind}_id"] == owner)


def _person(connection: Connection, number: int, username: str, clock: Clock) -> dict[str, str]:
    """Let somebody sign in as the client; their name and password, or nothing when they do so already."""
    held = select(person_table.c.username).where(person_table.c.client_id == number)
    known = connection.execute(held).scalar_one_or_none()
    if known == username:
        return {}
    if known:
        raise ValueError(f"{known!r} signs in as that client already: name another client")
    password = new_password()
    values = {"username": username, "password_hash": hashed_password(password), "client_id": number}
    statement = insert(person_table).values(values | {"created_at": clock.now()}).on_conflict_do_nothing()
    if connection.execute(statement.returning(person_table.c.id)).first() is None:
        raise ValueError(f"user name {username!r} is taken: choose another")
    return {"username": username, "password": password}
