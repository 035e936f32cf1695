"""Who may see and do what, and what was done: as `uptake user list`, `token list` and `audit` tell it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.account import Role, Scope

_ACCOUNTS = text("""
SELECT a.name, a.role, a.sources, a.password_hash IS NOT NULL AS has_password, a.subject IS NOT NULL AS has_provider,
    a.created_at, a.disabled_at, (SELECT max(s.seen_at) FROM sign_in s WHERE s.account_id = a.id) AS seen_at
FROM account a ORDER BY a.name
""")
_TOKENS = text("""
SELECT id, name, scope, sources, created_by, created_at, expires_at, last_used_at, revoked_at FROM token
WHERE revoked_at IS NULL OR :all ORDER BY name, id
""")
_AUDIT = text("""
SELECT id, at, who, by_way_of, what, about, data FROM audit
WHERE (cast(:who AS text) IS NULL OR who = :who) AND (cast(:about AS text) IS NULL OR about = :about)
  AND (cast(:before AS int8) IS NULL OR id < :before)
ORDER BY id DESC LIMIT :most
""")
_BROKEN = text("""
SELECT count(*),
    min(id) FILTER (WHERE hash <> audit_digest(before, id, at, who, by_way_of, what, about, data))
FROM (SELECT a.*, lag(hash) OVER (ORDER BY id) AS before FROM audit a) chained
""")
_SOURCES = text("SELECT name FROM source ORDER BY name")


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account, without anything secret."""

    name: str
    role: Role
    sources: list[str] | None  # None: all of them
    has_password: bool
    has_provider: bool  # the identity provider has named them
    created_at: datetime
    disabled_at: datetime | None
    seen_at: datetime | None  # in a session that has not ended; to the minute


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One token, without the secret, which nobody has but who made it."""

    id: int
    name: str
    scope: Scope
    sources: list[str] | None  # None: all of them
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One thing that somebody did."""

    id: int
    at: datetime
    who: str
    by_way_of: str
    what: str
    about: str
    data: dict[str, Any]


def accounts(session: Session) -> list[AccountRow]:
    """Everybody who has an account, by name."""
    return [AccountRow(**{**row, "role": Role(row["role"])}) for row in session.execute(_ACCOUNTS).mappings()]


def tokens(session: Session, *, also_revoked: bool = False) -> list[TokenRow]:
    """The tokens that have not been revoked, expired ones with them."""
    rows = session.execute(_TOKENS, {"all": also_revoked}).mappings()
    return [TokenRow(**{**row, "scope": Scope(row["scope"])}) for row in rows]


def audit(
    session: Session, *, who: str | None = None, about: str | None = None, before: int | None = None, most: int
) -> list[AuditRow]:
    """The last things that were done, or those *before* that entry, the newest first."""
    bound = {"who": who, "about": about, "before": before, "most": most}
    return [AuditRow(**row) for row in session.execute(_AUDIT, bound).mappings()]


def audit_chain(session: Session) -> tuple[int, int | None]:
    """How many entries there are, and the first that was changed or whose predecessor was changed or removed.

    That the last ones were removed, or all of it was written anew, cannot be told by this.
    """
    entries, broken = session.execute(_BROKEN).one()
    return entries, broken


def source_names(session: Session) -> Sequence[str]:
    """Every source that a worker has met, by name."""
    return session.scalars(_SOURCES).all()


def strange_sources(session: Session, named: Sequence[str]) -> list[str]:
    """Those of *named* that no worker has met; none as long as none was met at all."""
    known = set(session.scalars(_SOURCES))
    return sorted(set(named) - known) if known else []
