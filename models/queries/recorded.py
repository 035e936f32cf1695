"""The order of the past: what became known when, when somebody looked, what was done by hand or came of messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.errors import Fault

# At each, what somebody is known to have looked for; nothing, where something only became known. A poll that follows a
# long quiet shows that somebody is there again.
_MOMENTS = text("""
WITH sign AS (
    SELECT at, at - lag(at) OVER (ORDER BY at) > cast(:awake AS interval) AS is_rising FROM (
        SELECT started_at AS at FROM poll UNION SELECT at FROM alert_step UNION SELECT created_at FROM notice
    ) s WHERE at <= :until
)
SELECT at, coalesce(array_agg(DISTINCT look) FILTER (WHERE look IS NOT NULL), '{}') AS looks FROM (
    SELECT at, 'judge' AS look FROM alert_step WHERE author IS NULL
    UNION ALL SELECT unnest(ARRAY[opened_at, stopped_at]), 'judge' FROM reminder
    UNION ALL SELECT created_at, CASE WHEN reminder_id IS NULL THEN 'tell' ELSE 'remind' END FROM notice
    UNION ALL SELECT started_at, 'send' FROM attempt
    UNION ALL SELECT unnest(ARRAY[valid_from, valid_to]), NULL FROM tenure
    UNION ALL SELECT first_seen_at, NULL FROM app_version
    UNION ALL SELECT unnest(ARRAY[first_seen_at, approval_since, deleted_at]), NULL FROM app
    UNION ALL SELECT min(started_at), NULL FROM poll WHERE app_id IS NOT NULL GROUP BY app_id
    UNION ALL SELECT created_at, NULL FROM silence
    UNION ALL SELECT at, NULL FROM alert_step WHERE author IS NOT NULL
    UNION ALL SELECT at, NULL FROM event WHERE type IN ('contact.opted_out', 'contact.opted_in')
    UNION ALL SELECT at, NULL FROM sign WHERE is_rising
) m WHERE at <= :until GROUP BY at ORDER BY at
""")
_SLEEPS = text("""
SELECT at AS begins, next_at AS ends FROM (
    SELECT at, lead(at, 1, cast(:until AS timestamptz)) OVER (ORDER BY at) AS next_at FROM (
        SELECT started_at AS at FROM poll UNION SELECT at FROM alert_step UNION SELECT created_at FROM notice
    ) s WHERE at <= :until
) g WHERE next_at - at > cast(:awake AS interval) ORDER BY at
""")
_DEEDS = text("""
SELECT s.at, s.step AS what, a.source_id, a.app_id, a.connection_id, a.environment, a.kind, s.author, s.comment,
    cast(e.data ->> 'until' AS timestamptz) AS until, cast(NULL AS int8) AS tenant_id, cast(NULL AS text) AS email
FROM alert_step s JOIN alert a ON a.id = s.alert_id
LEFT JOIN event e ON e.at = s.at AND e.type = 'alert.' || s.step AND cast(e.data ->> 'alert' AS int8) = a.id
WHERE s.step IN ('acknowledged', 'snoozed', 'unheld') AND s.at <= :until
UNION ALL
SELECT e.at, e.type, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, e.tenant_id, k.email
FROM event e JOIN contact k ON k.id = cast(e.data ->> 'contact' AS int8)
WHERE e.type IN ('contact.opted_out', 'contact.opted_in') AND e.at <= :until
ORDER BY 1
""")
_TRIES = text("""
SELECT n.receiver, n."to", n.created_at, n.payload ->> 'kind' AS kind, n.payload ->> 'app' AS app,
    t.number, t.started_at, t.outcome, t.fault, t.answer,
    lead(t.started_at) OVER (PARTITION BY n.id ORDER BY t.number) AS next_at
FROM notice n JOIN attempt t ON t.notice_id = n.id WHERE t.started_at <= :until ORDER BY t.started_at, n.id
""")


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant of which something is recorded: what was looked for (judge, tell, remind, send), or a fact."""

    at: datetime
    looks: Sequence[str]


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did by hand: took an alert on, put it off or took that back, or opted out or in."""

    at: datetime
    what: str  # acknowledged | snoozed | unheld | contact.opted_out | contact.opted_in
    source_id: int | None
    app_id: int | None
    connection_id: int | None
    environment: str | None
    kind: str | None
    author: str | None
    comment: str | None
    until: datetime | None
    tenant_id: int | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Try:
    """One try to send a message, and what came of it."""

    receiver: str
    to: str
    created_at: datetime
    kind: str | None
    app: str | None
    number: int
    started_at: datetime
    outcome: str | None
    fault: str | None
    answer: str | None
    next_at: datetime | None

    @property
    def is_refused(self) -> bool:
        """Whether there was no such address."""
        return self.outcome == "permanent" and self.fault == Fault.RECIPIENT


@dataclass(frozen=True, slots=True)
class Past:
    """The order of what is recorded, until a given instant."""

    moments: Sequence[Moment]
    sleeps: Sequence[tuple[datetime, datetime]]  # in between nothing at all is recorded, so nobody looked
    deeds: Sequence[Deed]
    tries: Sequence[Try]
    polls_since: datetime | None


def recorded(session: Session, *, until: datetime, awake: timedelta) -> Past:
    """What is recorded *until* then; nobody looked where nothing is for longer than *awake*."""
    bound = {"until": until, "awake": awake}
    return Past(
        [Moment(**row) for row in session.execute(_MOMENTS, bound).mappings()],
        [(row.begins, row.ends) for row in session.execute(_SLEEPS, bound)],
        [Deed(**row) for row in session.execute(_DEEDS, bound).mappings()],
        [Try(**row) for row in session.execute(_TRIES, bound).mappings()],
        session.scalar(text("SELECT min(started_at) FROM poll")),
    )
