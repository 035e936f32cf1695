"""All that alerts did and all that was said to whom, in a span of time: of the past, or of one tried out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

# Whom a reminder speaks for is in its payload, which outlives its threads; of old ones the first thread tells.
_MESSAGES = text("""
SELECT n.created_at AS at, n.receiver, n."to", n.reason, n.payload ->> 'kind' AS kind,
    coalesce(n.payload ->> 'app', n.payload ->> 'source') AS app,
    cast(n.payload ->> 'firing' AS int) AS firing, cast(n.payload ->> 'new' AS int) AS new,
    cast(n.payload ->> 'resolved' AS int) AS resolved,
    coalesce(n.payload -> 'asks', '[]') AS asks
FROM notice n WHERE n.created_at >= :since AND n.created_at <= :until AND n.state IN ('due', 'sending', 'sent')
ORDER BY n.created_at, n.receiver, n."to", kind, app, n.reason
""")
# What by hand was done to an alert is no step of its own, and what never fired was told to nobody.
_STEPS = text("""
SELECT s.at, coalesce(src.name || ':' || app.external_id, src.name) AS app, t.external_id AS tenant,
    t.name AS tenant_name, a.environment, a.kind, s.step, s.severity, s.reason
FROM alert_step s JOIN alert a ON a.id = s.alert_id JOIN source src ON src.id = a.source_id
LEFT JOIN app ON app.id = a.app_id LEFT JOIN tenant t ON t.id = a.tenant_id
WHERE s.at >= :since AND s.at <= :until AND s.author IS NULL AND s.step <> 'pending' AND s.severity IS NOT NULL
ORDER BY s.at, app, t.external_id, a.environment, a.kind, s.step
""")


@dataclass(frozen=True, slots=True)
class About:
    """A tenant that a reminder speaks for, and its how-manieth turn that is."""

    app: str
    tenant: str
    environment: str
    step: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was sent or is on its way."""

    at: datetime
    receiver: str
    to: str
    reason: str
    kind: str  # of the alerts that it tells of, or "reminder"
    app: str | None  # None: it is a reminder about several
    tenant: str | None  # None: it is no reminder, or one about several
    firing: int | None
    new: int | None
    resolved: int | None
    about: Sequence[About]  # whom a reminder speaks for


@dataclass(frozen=True, slots=True)
class Step:
    """A step of an alert that fires, fired or comes to fire."""

    at: datetime
    app: str
    tenant: str | None
    tenant_name: str | None
    environment: str | None
    kind: str
    step: str
    severity: str
    reason: str


def messages(session: Session, *, since: datetime, until: datetime) -> list[Message]:
    """What was sent in that span, in order; what was taken back or refused for good is not there."""
    found = []
    for row in session.execute(_MESSAGES, {"since": since, "until": until}).mappings():
        asks = sorted(row["asks"], key=lambda ask: (ask["app"], ask["tenant"], ask["environment"]))
        about = tuple(About(ask["app"], ask["tenant"], ask["environment"], ask["step"]) for ask in asks)
        apps, tenants = {one.app for one in about}, {one.tenant for one in about}
        named = {name: row[name] for name in ("at", "receiver", "to", "reason", "firing", "new", "resolved")}
        found.append(
            Message(
                **named,
                kind=row["kind"] or "reminder",
                app=row["app"] if not about else apps.pop() if len(apps) == 1 else None,
                tenant=tenants.pop() if len(tenants) == 1 else None,
                about=about,
            )
        )
    return found


def steps(session: Session, *, since: datetime, until: datetime) -> list[Step]:
    """The steps of all alerts in that span, in order."""
    return [Step(**row) for row in session.execute(_STEPS, {"since": since, "until": until}).mappings()]
