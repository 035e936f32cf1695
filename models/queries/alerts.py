"""Which alerts are open, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.quiet import ENDS, QUIET, WHY, muted
from uptake.alert_words import about
from uptake.mutes import Mute


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert with what it rests on."""

    id: int
    kind: str
    state: str
    severity: str | None
    source: str
    app: str | None  # None: it is about the source
    app_name: str | None
    tenant: str | None
    tenant_name: str | None
    environment: str | None
    since: datetime
    opened_at: datetime
    fired_at: datetime | None
    resolved_at: datetime | None
    reason: str
    resolve_reason: str | None
    data: dict[str, Any]
    acknowledged_by: str | None
    snoozed_by: str | None
    quiet: str | None  # why nobody is told of it now: acknowledged, snoozed, silenced, muted or inhibited
    quiet_until: datetime | None  # when that ends; None: when somebody says so

    @property
    def about(self) -> str:
        """What it is about, in a few words."""
        return about(self.kind, self.data, self.reason)


_ALERTS = text(
    "WITH"
    + QUIET
    + f"""
SELECT a.id, a.kind, a.state, a.severity, s.name AS source,
    CASE WHEN app.id IS NOT NULL THEN s.name || ':' || app.external_id END AS app,
    app.name AS app_name, t.external_id AS tenant, t.name AS tenant_name, a.environment, a.since, a.opened_at,
    a.fired_at, a.resolved_at, a.reason, a.resolve_reason, a.data,
    CASE WHEN a.acknowledged_at IS NOT NULL THEN a.acknowledged_by END AS acknowledged_by,
    CASE WHEN a.snoozed_until > :now THEN a.snoozed_by END AS snoozed_by, {WHY} AS quiet, {ENDS} AS quiet_until
FROM alert a JOIN source s ON s.id = a.source_id
LEFT JOIN app ON app.id = a.app_id LEFT JOIN tenant t ON t.id = a.tenant_id
WHERE a.state = ANY(cast(:states AS text[]))
  AND (cast(:key AS text) IS NULL OR s.name || ':' || app.external_id = :key)
ORDER BY array_position(ARRAY['critical', 'warning', 'info'], a.severity), a.since, a.id LIMIT :most
"""  # noqa: S608
)


def alerts(
    session: Session,
    *,
    now: datetime,
    mutes: Sequence[Mute] = (),
    states: tuple[str, ...] = ("firing",),
    app: str | None = None,
    most: int = 1000,
) -> list[AlertRow]:
    """Alerts in *states*, the most severe and oldest first; *mutes* are those of uptake.toml."""
    bound = {"states": list(states), "key": app, "most": most, "now": now, "app": None} | muted(mutes, now=now)
    return [AlertRow(**row) for row in session.execute(_ALERTS, bound).mappings()]


@dataclass(frozen=True, slots=True)
class SilenceRow:
    """One silence; each pattern is a text in which * stands for anything."""

    id: int
    source: str
    app: str
    tenant: str
    environment: str
    kind: str
    labels: dict[str, str]
    starts_at: datetime
    ends_at: datetime
    author: str
    comment: str
    created_at: datetime


_SILENCES = text("""
SELECT id, source, app, tenant, environment, kind, labels, starts_at, ends_at, author, comment, created_at
FROM silence
WHERE ends_at > cast(:since AS timestamptz) AND (cast(:silence AS int8) IS NULL OR id = :silence)
ORDER BY ends_at, id LIMIT :most
""")


def silences(session: Session, *, since: datetime, silence_id: int | None = None, most: int = 1000) -> list[SilenceRow]:
    """The silences, or the one with this id, that end after *since*, the one that ends first before the others."""
    bound = {"since": since, "silence": silence_id, "most": most}
    return [SilenceRow(**row) for row in session.execute(_SILENCES, bound).mappings()]
