"""What happened to a tenant, in plain words and day by day, with what was sent to whom."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby

from sqlalchemy.orm import Session

from dashboard.access import Caller
from dashboard.discreet import discreet
from dashboard.words import kind
from models.queries.said import Said, said
from models.queries.tenant_apps import TimelineRow
from tasks.story import happened
from uptake.wording import day

_WORDS = {
    "tenant.connected": "Connected",
    "tenant.upgraded": "Upgraded",
    "version.regressed": "Went back to an older version",
    "tenant.scopes_changed": "Grants other scopes",
    "tenant.disconnected": "Disconnected",
    "tenant.withdrawn": "Withdrew what it had granted",
    "tenant.disabled": "Paused",
    "tenant.enabled": "Goes on after a pause",
    "tenant.invited": "May use the app, and has not connected it",
    "alert.raised": "Alert",
    "alert.firing": "Alert",
    "alert.escalated": "Alert, more severe",
    "alert.eased": "Alert, less severe",
    "alert.acknowledged": "Alert acknowledged",
    "alert.snoozed": "Alert snoozed",
    "alert.unheld": "Acknowledgement or snooze taken back",
    "alert.resolved": "Alert is over",
    "reminder.opened": "To be reminded",
    "reminder.stopped": "Reminders stopped",
    "reminder.sent": "Reminder sent",
    "reminder.failed": "Reminder could not be sent",
    "reminder.cancelled": "Reminder taken back",
    "contact.opted_out": "A contact wants no more reminders",
    "contact.opted_in": "A contact wants reminders again",
}
_KINDS = {"alert": "alerts", "reminder": "reminders", "contact": "reminders"}


@dataclass(frozen=True, slots=True)
class Happening:
    """One event in words."""

    event_id: int
    at: datetime
    kind: str  # versions | alerts | reminders
    what: str
    details: str
    app: str | None
    app_name: str | None
    environment: str | None
    alert_id: int | None
    message: Said | None  # what was sent, or should have been


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on one day, the last first."""

    on: date
    named: str
    happenings: Sequence[Happening]


def days(caller: Caller, session: Session, events: Sequence[TimelineRow]) -> Sequence[Day]:
    """The *events*, which are in order, by their days in UTC, as the caller may be told of them."""
    found = said(session, [one.data["notice"] for one in events if one.data.get("notice")])
    messages = {number: discreet(caller, one) for number, one in found.items()}
    return [
        Day(on, day(rows[0].at), [_in_words(row, messages.get(row.data.get("notice", 0))) for row in rows])
        for on, rows in _by_day(events)
    ]


def _by_day(events: Sequence[TimelineRow]) -> Iterator[tuple[date, Sequence[TimelineRow]]]:
    for on, rows in groupby(events, key=lambda one: one.at.date()):
        yield on, list(rows)


def _in_words(row: TimelineRow, message: Said | None) -> Happening:
    about = row.type.partition(".")[0]
    return Happening(
        event_id=row.event_id,
        at=row.at,
        kind=_KINDS.get(about, "versions"),
        what=_WORDS.get(row.type, row.type.replace(".", " ").replace("_", " ")),
        details=happened(row, kind=kind),
        app=row.app,
        app_name=row.app_name,
        environment=row.environment,
        alert_id=row.data.get("alert"),
        message=message,
    )
