"""What was told to whom, the newest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.app_names import APP_ID


@dataclass(frozen=True, slots=True)
class Told:
    """One message to one address, an alert's or a reminder."""

    id: int
    created_at: datetime
    receiver: str
    to: str | None
    reason: str
    subject: str
    state: str  # due | sending | sent | failed | cancelled
    settle_reason: str | None
    attempts: int
    answer: str | None  # what was said to the last try
    is_reminder: bool
    app: str | None
    app_name: str | None
    tenant: str | None
    tenant_name: str | None


# Reminders are found by what each of their turns is about, for one may speak for several apps and tenants; what
# operators were told is about an app at most. Each of the two is an index of its own, read from its end.
_TENANTS = "ANY(cast(:tenants AS int8[]))"
_REMINDERS = """
SELECT DISTINCT p.notice_id AS id FROM notice_reminder p JOIN notice n ON n.id = p.notice_id
WHERE {about} AND (cast(:state AS text) IS NULL OR n.state = :state) ORDER BY p.notice_id DESC LIMIT :most
"""
_NOTICES = """
SELECT n.id FROM notice n WHERE {about} AND {state} ORDER BY n.id DESC LIMIT :most
"""
_TOLD = """
WITH meant AS MATERIALIZED (
    SELECT id FROM ({branches}) AS found ORDER BY id DESC LIMIT :most
)
SELECT n.id, n.created_at, n.receiver, n."to", n.reason, n.subject, n.state, n.settle_reason, n.attempts,
    (SELECT answer FROM attempt x WHERE x.notice_id = n.id ORDER BY number DESC LIMIT 1) AS answer,
    n.reminder_id IS NOT NULL AS is_reminder, s.name || ':' || a.external_id AS app, a.name AS app_name,
    t.external_id AS tenant, t.name AS tenant_name
FROM meant JOIN notice n ON n.id = meant.id
LEFT JOIN app a ON a.id = n.app_id LEFT JOIN source s ON s.id = a.source_id LEFT JOIN tenant t ON t.id = n.tenant_id
ORDER BY n.id DESC
"""


def told(
    session: Session,
    *,
    app: str | None = None,
    tenants: Sequence[int] | None = None,
    state: str | None = None,
    reminders: bool | None = None,
    most: int = 20,
) -> list[Told]:
    """The last messages, about everything or one *app* and *tenants*; *reminders* wants only those, or only others.

    What operators are told is about no tenant.
    """
    branches = _branches(app, tenants, state, reminders=reminders)
    query = text(_TOLD.format(branches=" UNION ALL ".join(f"({branch})" for branch in branches)))
    bound = {"app": app, "tenants": tenants, "state": state, "most": most}
    return [Told(**row) for row in session.execute(query, bound).mappings()]


def _branches(
    app: str | None, tenants: Sequence[int] | None, state: str | None, *, reminders: bool | None
) -> list[str]:
    # Said in full, for the index of those that were not sent.
    wanted = (
        "true" if state is None else "n.state = :state AND n.state <> 'sent'" if state != "sent" else "n.state = 'sent'"
    )
    if app is None and tenants is None:
        kind = {None: "true", True: "n.reminder_id IS NOT NULL", False: "n.reminder_id IS NULL"}[reminders]
        return [_NOTICES.format(about=kind, state=wanted)]
    about = [f"p.app_id = ({APP_ID})"] * (app is not None) + [f"p.tenant_id = {_TENANTS}"] * (tenants is not None)
    of_threads = _REMINDERS.format(about=" AND ".join(about))
    of_groups = _NOTICES.format(about=f"n.app_id = ({APP_ID}) AND n.reminder_id IS NULL", state=wanted)
    return [of_threads] * (reminders is not False) + [of_groups] * (reminders is not True and tenants is None)


@dataclass(frozen=True, slots=True)
class Refused:
    """How many reminders of one receiver came to nothing, and what was said to the last."""

    receiver: str
    count: int
    last: str | None


# An address that there is not is the contact book's, and the next in it has had the turn.
_REFUSED = text("""
SELECT n.receiver, count(*) AS count, (array_agg(n.settle_reason ORDER BY n.settled_at DESC))[1] AS last
FROM notice n
WHERE n.state = 'failed' AND n.reminder_id IS NOT NULL AND n.settled_at > :since
  AND NOT EXISTS (SELECT FROM contact k WHERE k.email = n."to" AND k.refused_at = n.settled_at)
GROUP BY n.receiver ORDER BY n.receiver
""")


def refused(session: Session, *, since: datetime) -> list[Refused]:
    """Reminders that were refused, or given up, *since* then, by receiver; not those for which there is no address."""
    return [Refused(**row) for row in session.execute(_REFUSED, {"since": since}).mappings()]
