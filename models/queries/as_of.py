"""Who ran what at an instant of the past."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from models.queries.taken import Watched
from uptake.facts import Status


@dataclass(frozen=True, slots=True)
class TenantThen:
    """How one tenant stood with an app at an instant, and for how long it did."""

    tenant: str
    tenant_name: str | None
    environment: str
    status: str
    version: int | None
    scopes: Sequence[str] | None  # null: nobody knew what it grants
    not_before: datetime | None  # it came to be so after this; null: it was so when we first looked
    since: datetime  # and was seen to be by then
    until: datetime | None  # null: it is so still


# In the order in which we met the tenants, which never changes. The stretch of then is the first one not over. Who they
# are is looked up of those on the page only.
_THEN = text("""
SELECT s.tenant_id, t.external_id AS tenant, t.name AS tenant_name, s.environment, s.status, s.version,
    g.grants AS scopes, s.not_before, s.valid_from AS since, s.valid_to AS until
FROM (
    SELECT s.* FROM connection c
    CROSS JOIN LATERAL (
        (SELECT * FROM tenure WHERE tenure.connection_id = c.id AND tenure.valid_to > :at ORDER BY valid_to LIMIT 1)
        UNION ALL
        (SELECT * FROM tenure WHERE tenure.connection_id = c.id AND tenure.valid_to IS NULL)
        ORDER BY valid_to NULLS LAST LIMIT 1
    ) s
    WHERE c.app_id = :app AND c.environment = :environment AND s.valid_from <= :at
      AND (cast(:after AS int8) IS NULL OR c.tenant_id > cast(:after AS int8))
      AND (cast(:status AS text) IS NULL OR s.status = :status)
      AND (cast(:version AS int4) IS NULL OR s.version = :version)
    ORDER BY c.tenant_id LIMIT :most
) s JOIN tenant t ON t.id = s.tenant_id LEFT JOIN scope_set g ON g.id = s.scope_set_id
ORDER BY s.tenant_id
""")
# Of few: all stretches of then at once, each kind straight from the index.
_STRETCHES = """
    (SELECT * FROM tenure WHERE app_id = :app AND environment = :environment AND valid_from <= :at AND {is_on}
      AND (cast(:after AS int8) IS NULL OR tenant_id > cast(:after AS int8))
      AND {has_status}
      AND (cast(:version AS int4) IS NULL OR version = :version)
     ORDER BY tenant_id LIMIT :most)
"""
_SOME = """
SELECT s.tenant_id, t.external_id AS tenant, t.name AS tenant_name, s.environment, s.status, s.version,
    g.grants AS scopes, s.not_before, s.valid_from AS since, s.valid_to AS until
FROM (
    SELECT * FROM ({over} UNION ALL {lasting}) AS whole ORDER BY tenant_id LIMIT :most
) s JOIN tenant t ON t.id = s.tenant_id LEFT JOIN scope_set g ON g.id = s.scope_set_id
ORDER BY s.tenant_id
"""


def _some(has_status: str) -> TextClause:
    over, lasting = (
        _STRETCHES.format(is_on=is_on, has_status=has_status) for is_on in ("valid_to > :at", "valid_to IS NULL")
    )
    return text(_SOME.format(over=over, lasting=lasting))


_FEW = _some("(cast(:status AS text) IS NULL OR status = :status)")
# Stretches of those who are not connected have an index of their own, in the order of the list.
_AWAY = _some("status = :status AND status <> 'connected'")
# How many ran a version at the end of that day.
_MANY = text("""
SELECT tenants FROM adoption WHERE app_id = :app AND environment = :environment AND version = :version
    AND day <= cast(cast(:at AS timestamptz) AT TIME ZONE 'UTC' AS date) ORDER BY day DESC LIMIT 1
""")
# To walk through all that have the app until a page is full costs more for each than to read the stretches of then, of
# which an index has the version: from so many pages on it is less, however many have the app.
PAGES = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Instant:
    """Which instant is meant, and whom of then; None: whoever."""

    at: datetime
    environment: str
    status: str | None = None
    version: int | None = None


def tenants_then(
    session: Session, app: Watched, then: Instant, *, after: int | None = None, most: int | None = None
) -> list[tuple[int, TenantThen]]:
    """Everybody that is meant, each after its own place in the list; the next *most* of them *after* a place."""
    bound = {
        "app": app.id,
        "environment": then.environment,
        "at": then.at,
        "status": then.status,
        "version": then.version,
        "after": after,
        "most": most,
    }
    rows = session.execute(_way(session, then, bound), bound).mappings()
    return [(row["tenant_id"], TenantThen(**{k: v for k, v in row.items() if k != "tenant_id"})) for row in rows]


def _way(session: Session, then: Instant, bound: dict[str, Any]) -> TextClause:
    if then.status not in {None, Status.CONNECTED}:
        return _AWAY
    if then.status is None and then.version is None:
        return _THEN
    if then.status is None and bound["most"] is not None:
        many: int = session.scalar(_MANY, bound) or 0
        return _THEN if many > PAGES * int(bound["most"]) else _FEW
    return _FEW
