"""Who has an app, and how each stands with it: a list in pages that stay in place while rows come and go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.orm import Session

Sort = Literal["name", "since"]

# What comes first, as texts that are compared byte by byte: an instant in UTC sorts like its digits.
_ORDER: dict[Sort, str] = {
    "name": "coalesce(t.name, t.external_id)",
    "since": "coalesce(to_char(s.since AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US'), '~')",
}
_TENANTS = """
WITH held AS (
    SELECT c.id, c.tenant_id, c.environment, c.status, c.version, c.scope_set_id, v.lag, v.missing, v.superfluous,
        v.latest, CASE WHEN v.lag IN ('blocking', 'trimming') THEN greatest(v.since, c.epoch_started_at) END AS since
    FROM app a JOIN source src ON src.id = a.source_id JOIN connection c ON c.app_id = a.id
    LEFT JOIN verdict v ON v.app_id = c.app_id AND v.version = coalesce(c.version, 0)
        AND v.scope_set_id = c.scope_set_id AND c.status IN ('connected', 'disabled')
    WHERE src.name || ':' || a.external_id = :app AND c.environment = :environment
      AND (cast(:status AS text) IS NULL OR c.status = :status)
      AND (cast(:version AS int4) IS NULL OR c.version = :version)
      AND (cast(:lag AS text) IS NULL OR c.status = 'connected' AND coalesce(v.lag, 'unknown') = :lag)
      AND (cast(:missing AS text) IS NULL OR c.status = 'connected' AND NOT EXISTS (
          SELECT FROM scope_set g WHERE g.id = c.scope_set_id AND g.grants @> ARRAY[cast(:missing AS text)]))
), page AS (
    SELECT s.*, t.external_id AS tenant, t.name AS tenant_name, {order} COLLATE "C" AS place
    FROM held s JOIN tenant t ON t.id = s.tenant_id
    WHERE (cast(:letters AS text) IS NULL OR t.name ILIKE :letters OR t.external_id ILIKE :letters)
      AND (cast(:after AS text) IS NULL OR ({order} COLLATE "C", s.id) > (cast(:after AS text) COLLATE "C",
          cast(:after_id AS int8)))
    ORDER BY {order} COLLATE "C", s.id LIMIT :most
)
SELECT p.id AS connection_id, p.place, p.tenant, p.tenant_name, p.environment, p.status, p.version,
    p.latest AS latest_version, p.lag,
    coalesce(p.missing, '{{}}') AS missing, coalesce(p.superfluous, '{{}}') AS superfluous, p.since,
    al.id AS alert_id, al.state AS alert, al.severity, coalesce(r.sent, 0) AS reminders_sent,
    r.last_sent_at AS last_reminder_at, r.due_at AS next_reminder_at, r.held_reason
FROM page p JOIN connection c ON c.id = p.id
LEFT JOIN alert al ON al.app_id = c.app_id AND al.connection_id = c.id AND al.resolved_at IS NULL
    AND al.kind = CASE p.lag WHEN 'blocking' THEN 'tenant_lagging' WHEN 'trimming' THEN 'tenant_overgranted' END
LEFT JOIN reminder r ON r.app_id = c.app_id AND r.connection_id = c.id AND r.stopped_at IS NULL
ORDER BY p.place, p.id
"""
_SORTED = {sort: text(_TENANTS.format(order=order)) for sort, order in _ORDER.items()}


@dataclass(frozen=True, slots=True)
class TenantOf:
    """How one tenant stands with an app in one environment."""

    connection_id: int
    place: str  # what it is sorted by
    tenant: str
    tenant_name: str | None
    environment: str
    status: str
    version: int | None
    latest_version: int | None
    lag: str | None  # the class of a connected tenant; None: not judged, or not connected
    missing: Sequence[str]
    superfluous: Sequence[str]
    since: datetime | None  # since when it is blocked, or holds too much
    alert_id: int | None
    alert: str | None  # pending | firing
    severity: str | None
    reminders_sent: int
    last_reminder_at: datetime | None
    next_reminder_at: datetime | None
    held_reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which of an app's tenants are meant; None: whichever."""

    environment: str = "production"
    status: str | None = None
    lag: str | None = None
    version: int | None = None
    missing: str | None = None  # connected, and not granting this scope
    letters: str | None = None  # of the name or the id, in any case


def tenants_of(
    session: Session,
    app: str,
    wanted: Wanted,
    *,
    sort: Sort = "since",
    after: tuple[str, int] | None = None,
    most: int = 100,
) -> list[TenantOf]:
    """The next tenants of *app* by name, or the longest blocked first, *after* the place and id of the last one.

    Whoever did not change between two pages is on exactly one of them.
    """
    place, last = after or (None, None)
    bound = {
        "app": app,
        "environment": wanted.environment,
        "status": wanted.status,
        "lag": wanted.lag,
        "version": wanted.version,
        "missing": wanted.missing,
        "letters": None if wanted.letters is None else f"%{_escaped(wanted.letters)}%",
        "after": place,
        "after_id": last,
        "most": most,
    }
    return [TenantOf(**row) for row in session.execute(_SORTED[sort], bound).mappings()]


def _escaped(letters: str) -> str:
    """*letters* as LIKE takes them for themselves."""
    return "".join(f"\\{letter}" if letter in "\\%_" else letter for letter in letters)
