"""The order of the past: what became known when, when somebody looked, what was done by hand or came of messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.errors import Fault

# At each, what somebody is known to have looked for, or that something became known. A poll that follows a
# long quiet shows that somebody is there again.
_MOMENTS = text("""
WITH sign AS (
    SELECT at, at - lag(at) OVER (ORDER BY at) > cast(:awake AS interval) AS is_rising FROM (
        SELECT started_at AS at FROM poll UNION SELECT at FROM alert_step UNION SELECT created_at FROM notice
    ) s WHERE at <= :until
)
SELECT at, array_agg(DISTINCT look) AS looks FROM (
    SELECT at, 'judge' AS look FROM alert_step WHERE author IS NULL
    UNION ALL SELECT unnest(ARRAY[opened_at, stopped_at]), 'judge' FROM reminder
    UNION ALL SELECT created_at, CASE WHEN reminder_id IS NULL THEN 'tell' ELSE 'remind' END FROM notice
    UNION ALL SELECT started_at, 'send' FROM attempt
    UNION ALL SELECT unnest(ARRAY[valid_from, valid_to]), 'fact' FROM tenure
    UNION ALL SELECT first_seen_at, 'fact' FROM app_version
    UNION ALL SELECT unnest(ARRAY[first_seen_at, approval_since, deleted_at]), 'fact' FROM app
    UNION ALL SELECT min(started_at), 'fact' FROM poll WHERE app_id IS NOT NULL AND outcome = 'complete'
        GROUP BY app_id
    UNION ALL SELECT created_at, 'fact' FROM silence
    UNION ALL SELECT at, 'fact' FROM alert_step WHERE author IS NOT NULL
    UNION ALL SELECT at, 'fact' FROM event WHERE type IN ('contact.opted_out', 'contact.opted_in')
    UNION ALL SELECT at, 'fact' FROM sign WHERE is_rising
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
# A message to several addresses is one telling. That a receiver has heard enough is no group's.
_TELLINGS = text("""
SELECT DISTINCT n.receiver, g.source_id, g.app_id, g.kind, n.reason, n.created_at AS at
FROM notice n LEFT JOIN notice_group g ON g.id = n.group_id
WHERE n.created_at <= :until AND (n.group_id IS NOT NULL OR n.reason = 'capped') ORDER BY n.created_at
""")
# The evaluation that took a step of these kinds had followed the rollout, too.
_JUDGED = text("""
SELECT app_id, at, bool_or(follows) AS follows FROM (
    SELECT a.app_id, s.at, a.kind IN ('rollout_behind_target', 'rollout_stalled', 'version_regressed',
        'tenant_disconnected_after_release', 'approval_overdue') AS follows
    FROM alert_step s JOIN alert a ON a.id = s.alert_id WHERE s.author IS NULL AND a.kind <> 'data_stale'
    UNION ALL SELECT app_id, unnest(ARRAY[opened_at, stopped_at]), false FROM reminder
) j WHERE app_id IS NOT NULL AND at <= :until GROUP BY app_id, at ORDER BY at
""")
_STIRS = text("""
SELECT DISTINCT a.source_id, a.app_id, a.kind, s.at FROM alert_step s JOIN alert a ON a.id = s.alert_id
WHERE s.at <= :until ORDER BY s.at
""")
_SILENCES = text("""
SELECT greatest(starts_at, created_at) AS at, source, app, kind FROM silence
WHERE created_at <= :until AND ends_at > greatest(starts_at, created_at)
""")


@dataclass(frozen=True, slots=True)
class Moment:
    """An instant: what is recorded to have been looked for (judge, tell, remind, send) or a fact; or nothing is."""

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
class Telling:
    """A receiver was told of a group of alerts; no source: that it has heard enough for now."""

    receiver: str
    source_id: int | None
    app_id: int | None
    kind: str | None
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Judged:
    """An app was judged, and something came of it; *follows*: of its rollout as a whole, too."""

    app_id: int
    at: datetime
    follows: bool


@dataclass(frozen=True, slots=True)
class Stir:
    """An alert of a group took a step, or somebody held it."""

    source_id: int
    app_id: int | None
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Silenced:
    """When a silence began, and of what; in each text, * stands for anything."""

    at: datetime
    source: str
    app: str
    kind: str


@dataclass(frozen=True, slots=True)
class Past:
    """The order of what is recorded, until a given instant."""

    moments: Sequence[Moment]
    sleeps: Sequence[tuple[datetime, datetime]]  # in between nothing at all is recorded, so nobody looked
    deeds: Sequence[Deed]
    tries: Sequence[Try]
    tellings: Sequence[Telling]
    judged: Sequence[Judged]
    stirs: Sequence[Stir]
    silences: Sequence[Silenced]
    polls_since: datetime | None


def recorded(session: Session, *, until: datetime, awake: timedelta) -> Past:
    """What is recorded *until* then; nobody looked where nothing is for longer than *awake*."""
    bound = {"until": until, "awake": awake}
    return Past(
        [Moment(**row) for row in session.execute(_MOMENTS, bound).mappings()],
        [(row.begins, row.ends) for row in session.execute(_SLEEPS, bound)],
        [Deed(**row) for row in session.execute(_DEEDS, bound).mappings()],
        [Try(**row) for row in session.execute(_TRIES, bound).mappings()],
        [Telling(**row) for row in session.execute(_TELLINGS, bound).mappings()],
        [Judged(**row) for row in session.execute(_JUDGED, bound).mappings()],
        [Stir(**row) for row in session.execute(_STIRS, bound).mappings()],
        [Silenced(**row) for row in session.execute(_SILENCES, bound).mappings()],
        session.scalar(text("SELECT min(started_at) FROM poll")),
    )
