"""Reminder threads that are due, whom each of them may write to, and what becomes of their turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from uptake.policies import Who
from uptake.reminding import Contact, Thread

# Of a tenant t: who may be written to, in their order. A mailbox that was refused may be there again some day.
CONTACTS = """(
    SELECT coalesce(jsonb_agg(jsonb_build_array(k.id, k.email) ORDER BY k.may_accept DESC, k.rank, k.id), '[]')
    FROM contact k WHERE k.tenant_id = t.id AND k.opted_out_at IS NULL
      AND (k.refused_at IS NULL OR k.refused_at < cast(:now AS timestamptz) - interval '30 days')
)"""
_DUE = f"""
SELECT r.id, r.app_id, r.tenant_id, r.environment, r.target_version, r.opened_at, r.sent, r.last_sent_at, r.not_before,
    s.version, s.missing, s.superfluous, s.since, app.name AS app, src.name AS source, app.source_id,
    t.external_id AS tenant, t.name AS tenant_name, t.time_zone, t.locale,
    app.external_id AS app_external_id, coalesce(l.labels, '{{}}') AS labels, f.exact_at,
    {CONTACTS} AS contacts
FROM reminder r
JOIN standing s ON s.connection_id = r.connection_id AND s.lag = 'blocking' AND s.status = 'connected'
JOIN app ON app.id = r.app_id
JOIN freshness f ON f.app_id = r.app_id
JOIN source src ON src.id = app.source_id AND src.enabled
JOIN tenant t ON t.id = r.tenant_id LEFT JOIN label_set l ON l.id = t.label_set_id
WHERE r.stopped_at IS NULL AND r.due_at <= :now AND
"""  # noqa: S608 - constants only
# Each thread is locked, so another worker gets others.
_LOCKED = " ORDER BY r.due_at, r.id LIMIT :most FOR NO KEY UPDATE OF r SKIP LOCKED"
_FIRST = text(_DUE + "(cast(:app AS int8) IS NULL OR r.app_id = :app)" + _LOCKED)
_BESIDE = text(f"""{_DUE} r.id <> ALL(cast(:known AS int8[]))
    AND r.tenant_id IN (SELECT tenant_id FROM contact WHERE email = ANY(cast(:emails AS text[]))) {_LOCKED}
""")  # noqa: S608 - constants only
_HOLD = text("""
UPDATE reminder r SET due_at = h.due_at, held_reason = h.reason
FROM unnest(cast(:ids AS int8[]), cast(:due AS timestamptz[]), cast(:reasons AS text[])) AS h (id, due_at, reason)
WHERE r.id = h.id
""")
_STEPPED = text("""
UPDATE reminder r SET sent = r.sent + 1, last_sent_at = :now, due_at = s.due_at, held_reason = NULL
FROM unnest(cast(:ids AS int8[]), cast(:due AS timestamptz[])) AS s (id, due_at) WHERE r.id = s.id
""")
# Nobody is waited for: what cannot be locked now has its turns back with the next look.
_GIVE_BACK = text("""
WITH offered AS MATERIALIZED (
    SELECT id FROM notice WHERE gives_back ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), free AS MATERIALIZED (
    SELECT r.id FROM reminder r WHERE r.id IN (
        SELECT p.reminder_id FROM offered JOIN notice_reminder p ON p.notice_id = offered.id)
    ORDER BY r.id FOR NO KEY UPDATE SKIP LOCKED
), back AS (
    UPDATE notice n SET gives_back = false FROM offered o WHERE n.id = o.id AND NOT EXISTS (
        SELECT FROM notice_reminder p WHERE p.notice_id = o.id AND p.reminder_id NOT IN (SELECT id FROM free))
    RETURNING n.id, n.state
), turns AS (
    -- What was sent once more by hand took no turn. What was refused would be refused again at once, unless it was for
    -- an address that is passed over from now on.
    SELECT p.reminder_id, count(*) AS turns, bool_or(back.state = 'failed' AND NOT EXISTS (
        SELECT FROM notice n JOIN reminder r ON r.id = p.reminder_id
        JOIN contact k ON k.tenant_id = r.tenant_id AND k.email = n."to"
        WHERE n.id = back.id AND k.refused_at = n.settled_at)) AS waits
    FROM back JOIN notice_reminder p ON p.notice_id = back.id AND p.number > 0 GROUP BY p.reminder_id
)
UPDATE reminder r SET sent = greatest(0, r.sent - turns.turns), held_reason = CASE WHEN waits THEN 'refused' END,
    due_at = greatest(cast(:now AS timestamptz) + CASE WHEN waits THEN interval '1 day' ELSE '0' END, r.not_before),
    last_sent_at = (
        SELECT max(n.created_at) FROM notice_reminder p JOIN notice n ON n.id = p.notice_id
        WHERE p.reminder_id = r.id AND p.number > 0 AND n.state IN ('due', 'sending', 'sent'))
FROM turns WHERE r.id = turns.reminder_id AND r.stopped_at IS NULL
""")
_PLAN_AGAIN = text("""
UPDATE reminder SET due_at = greatest(cast(:now AS timestamptz), not_before)
WHERE app_id = ANY(cast(:apps AS int8[])) AND stopped_at IS NULL AND (due_at IS NULL OR due_at > :now)
""")


@dataclass(frozen=True, slots=True)
class DueReminder:
    """A thread that is due, locked for this transaction, with what a message says."""

    id: int
    app_id: int
    tenant_id: int
    environment: str
    target_version: int
    version: int | None
    missing: Sequence[str]
    superfluous: Sequence[str]
    since: datetime
    app: str
    app_external_id: str
    source: str
    source_id: int
    tenant: str
    tenant_name: str | None
    locale: str | None
    labels: Mapping[str, str]
    thread: Thread

    @property
    def time_zone(self) -> str | None:
        """Where the tenant is."""
        return self.thread.time_zone

    @property
    def who(self) -> Who:
        """What a policy asks of it."""
        return Who(
            source=self.source,
            app=self.app_external_id,
            environment=self.environment,
            tenant=self.tenant,
            labels=self.labels,
        )


def due_reminders(session: Session, *, now: datetime, most: int, app_id: int | None = None) -> list[DueReminder]:
    """Threads (of this app) that are due and still have something to ask, the longest overdue first.

    Those of a source that is no longer watched rest: nobody would see the upgrade that ends them.
    """
    return [_due(row) for row in session.execute(_FIRST, {"now": now, "most": most, "app": app_id}).mappings()]


def due_beside(
    session: Session, emails: Sequence[str], known: Sequence[int], *, now: datetime, most: int
) -> list[DueReminder]:
    """The other threads that are due at tenants of these people, but for the *known* ones."""
    bound = {"now": now, "most": most, "emails": list(emails), "known": list(known)}
    return [_due(row) for row in session.execute(_BESIDE, bound).mappings()] if emails else []


def _due(row: RowMapping) -> DueReminder:
    found: dict[str, Any] = dict(row)
    found["contacts"] = contacts_of(found["contacts"])
    thread = Thread(**{one.name: found.pop(one.name) for one in fields(Thread)})
    return DueReminder(**found, thread=thread)


def contacts_of(found: Sequence[Sequence[Any]]) -> list[Contact]:
    """What CONTACTS found, in its order."""
    return [Contact(*one) for one in found]


def give_back(session: Session, *, now: datetime) -> None:
    """Let threads have the turns again that were taken back unsent; they are due at once, or when a version settled."""
    session.execute(_GIVE_BACK, {"now": now})


def plan_again(session: Session, apps: Sequence[int], *, now: datetime) -> None:
    """Let open threads of these apps be looked at now: another policy may have them due otherwise."""
    session.execute(_PLAN_AGAIN, {"apps": list(apps), "now": now})


def hold(session: Session, holds: Sequence[tuple[int, datetime | None, str]]) -> None:
    """Send nothing now for (thread, until when, why), and keep that for whoever asks."""
    if holds:
        ids, due, reasons = (list(column) for column in zip(*holds, strict=True))
        session.execute(_HOLD, {"ids": ids, "due": due, "reasons": reasons})


def stepped(session: Session, steps: Sequence[tuple[int, datetime | None]], *, now: datetime) -> None:
    """One more reminder of (thread, when the next is due) is on its way; None: it was the last."""
    if steps:
        ids, due = (list(column) for column in zip(*steps, strict=True))
        session.execute(_STEPPED, {"ids": ids, "due": due, "now": now})
