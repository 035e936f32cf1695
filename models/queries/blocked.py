"""What of an app is blocked now, and for how many tenants."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.taken import Watched
from uptake.features import Feature


@dataclass(frozen=True, slots=True)
class BlockedCount:
    """For how many connected tenants a feature, or all that takes one scope, is blocked."""

    kind: str  # feature | scope
    name: str
    scopes: Sequence[str]  # that it takes
    why: str  # the app asks for them; empty: uptake.toml does not say
    tenants: int
    connected: int
    share: float | None  # of the connected; null: nobody is
    as_of: datetime | None


# A kind of connection is looked at once, however many are of it.
_LACKING = text("""
SELECT coalesce(v.missing, '{}') AS missing, sum(t.tenants) AS tenants
FROM tally t LEFT JOIN verdict v ON v.app_id = t.app_id AND v.version = t.version
    AND v.scope_set_id = t.scope_set_id AND v.lag = 'blocking'
WHERE t.app_id = :app AND t.environment = :environment AND t.status = 'connected' GROUP BY 1
""")


def blocked_counts(
    session: Session, app: Watched, name: str, features: Iterable[Feature], *, environment: str
) -> list[BlockedCount]:
    """What is blocked of the app called *name*: its *features* in their order, then each scope by name.

    A tenant counts for everything that it cannot do, so the counts do not add up to those who are blocked.
    """
    rows = session.execute(_LACKING, {"app": app.id, "environment": environment}).all()
    connected = sum(row.tenants for row in rows)
    source, _, external_id = name.partition(":")

    def counted(kind: str, named: str, scopes: Sequence[str], why: str) -> BlockedCount:
        tenants = sum(row.tenants for row in rows if set(scopes) & set(row.missing))
        share = tenants / connected if connected else None
        return BlockedCount(kind, named, list(scopes), why, tenants, connected, share, app.as_of)

    own = [one for one in features if one.match.may_be_of(source, external_id)]
    lacking = sorted({scope for row in rows for scope in row.missing})
    found = [counted("feature", one.name, one.scopes, one.why) for one in own]
    found += [counted("scope", scope, [scope], _why(own, scope)) for scope in lacking]
    return [one for one in found if one.tenants]


def _why(features: Iterable[Feature], scope: str) -> str:
    return " ".join(dict.fromkeys(one.why for one in features if one.why and scope in one.scopes))
