"""Who signs in to the pages: a person is one of an owner's clients, with a name and a password of their own."""

import asyncio
import hashlib
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncEngine

from portal.tables import Record, client, organization, person, tenant

_hasher = PasswordHasher()
# Each verification takes 64 MB and a core for tens of milliseconds: those who come in a crowd take turns, on threads
# of their own, for the event loop's are needed to look up the names of receivers.
_turns = ThreadPoolExecutor(2, thread_name_prefix="argon2")
# Verified when there is no such person, so that a name that exists cannot be told by the time of the answer.
_NOBODY = _hasher.hash(secrets.token_urlsafe(16))

WHO = (
    select(
        person.c.id,
        person.c.username,
        person.c.password_hash,
        client.c.id.label("client_id"),
        client.c.name,
        client.c.kind,
        client.c.organization_id,
        client.c.tenant_id,
        organization.c.faithful,
        organization.c.name.label("organization_name"),
        tenant.c.name.label("tenant_name"),
    )
    .join(client, client.c.id == person.c.client_id)
    .outerjoin(organization, organization.c.id == client.c.organization_id)
    .outerjoin(tenant, tenant.c.id == client.c.tenant_id)
)
BY_NAME = WHO.where(person.c.username == bindparam("given"))


@dataclass(frozen=True, slots=True)
class Visitor:
    """A person who has signed in, and for whom they act."""

    person: int
    client: int
    name: str
    kind: str  # organization | tenant | operator
    organization: int
    tenant: str
    faithful: bool
    owner: str  # the name of the organization or the tenant
    mark: str  # changes with the password, and ends the sessions that were begun with the old one

    @classmethod
    def of(cls, row: Record) -> "Visitor":
        """The visitor that *row* describes."""
        return cls(
            person=row.id,
            client=row.client_id,
            name=row.name,
            kind=row.kind,
            organization=row.organization_id or 0,
            tenant=row.tenant_id or "",
            faithful=bool(row.faithful),
            owner=row.organization_name or row.tenant_name or "Platform",
            mark=hashlib.sha256(row.password_hash.encode()).hexdigest()[:16],
        )


def new_password() -> str:
    """A password nobody can guess, which is told once."""
    return secrets.token_urlsafe(15)


def hashed_password(password: str) -> str:
    """What is stored in place of *password*: argon2id with a salt."""
    return _hasher.hash(password)


async def signed_in(engine: AsyncEngine, username: str, password: str) -> Visitor | None:
    """Whoever has this name and *password*; None when nobody does."""
    # Let go before the wait for a turn: a crowd at the sign-in must not keep the calls from their connections.
    async with engine.connect() as connection:
        row = (await connection.execute(BY_NAME, {"given": username})).first()
    stored = _NOBODY if row is None else row.password_hash
    # Argon2 takes tens of milliseconds on purpose, which other calls must not wait for.
    fits = await asyncio.get_running_loop().run_in_executor(_turns, _fits, stored, password)
    return Visitor.of(row) if row is not None and fits else None


def _fits(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerifyMismatchError, InvalidHashError):
        return False
