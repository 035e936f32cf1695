"""Which reminders worked: who upgraded soon after one, beside who does without."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.taken import Watched

SOON = timedelta(hours=72)
ENOUGH = 20  # spans of that length, together: of less waiting nobody can say what happens without a reminder


@dataclass(frozen=True, slots=True)
class StepEffect:
    """What came of the reminders that were the same step of their ladder."""

    step: int  # counted from 1
    sent: int
    watched: int  # of these, sent so long ago that the time is over
    upgraded: int  # of the watched: the tenant had the version soon after
    share: float | None  # null: none is watched


@dataclass(frozen=True, slots=True)
class ReminderEffect:
    """What came of an app's reminders within *within_seconds* of each.

    *without_share* is how many of the same tenants upgrade in a span of that length that is not soon after a reminder,
    by the time between their reminders. It is no trial: later reminders are longer apart, and go to those who hesitate.
    """

    environment: str
    as_of: datetime | None
    within_seconds: float
    steps: Sequence[StepEffect]
    without_share: float | None  # null: they have waited too little between reminders to say
    without_seconds: float  # of waiting that this rests on, of all tenants together
    without_upgraded: int


# A turn that went to several is one. It is followed by the first stretch with what it asked for, or by nothing; the
# thread goes on waiting until then, until it stopped or until our picture ends.
_TURNS = """
WITH turn AS (
    SELECT r.connection_id, r.id, p.number AS step, min(n.settled_at) AS at,
        max(coalesce(p.target_version, r.target_version)) AS target, max(r.stopped_at) AS stopped_at
    FROM reminder r JOIN notice_reminder p ON p.reminder_id = r.id JOIN notice n ON n.id = p.notice_id
    WHERE r.app_id = :app AND r.environment = :environment AND r.last_sent_at IS NOT NULL
      AND p.number > 0 AND n.state = 'sent' AND n.settled_at <= :as_of
    GROUP BY r.connection_id, r.id, p.number
), followed AS (
    SELECT turn.*, u.at AS upgraded_at, least(u.at, turn.stopped_at, :as_of) AS ends_at,
        lead(turn.at) OVER (PARTITION BY turn.id ORDER BY turn.at) AS next_at
    FROM turn LEFT JOIN LATERAL (
        SELECT min(t.valid_from) AS at FROM tenure t
        WHERE t.connection_id = turn.connection_id AND t.valid_from > turn.at AND t.version >= turn.target
          AND t.status = 'connected'
    ) u ON true
)
"""
# Of those whose time is not over only successes are known: with them the share would be too high.
_STEPS = text(f"""{_TURNS}
SELECT step, count(*) AS sent, count(*) FILTER (WHERE is_over) AS watched,
    count(*) FILTER (WHERE is_over AND is_soon) AS upgraded
FROM (
    SELECT step, at + :soon <= :as_of AS is_over, coalesce(upgraded_at <= at + :soon, false) AS is_soon FROM followed
) f
GROUP BY step ORDER BY step
""")  # noqa: S608 - constants only
_WITHOUT = text(f"""{_TURNS}
SELECT coalesce(sum(extract(epoch FROM ends - begins)), 0) AS seconds,
    count(*) FILTER (WHERE upgraded_at = ends) AS upgraded
FROM (SELECT at + :soon AS begins, least(next_at, ends_at) AS ends, upgraded_at FROM followed) g WHERE ends > begins
""")  # noqa: S608 - constants only


def reminder_effect(session: Session, app: Watched, *, environment: str) -> ReminderEffect:
    """How many of each step were sent, and after how many the tenant had the version soon; looks at every reminder."""
    bound = {"app": app.id, "environment": environment, "as_of": app.as_of, "soon": SOON}
    steps = [
        StepEffect(row.step, row.sent, row.watched, row.upgraded, row.upgraded / row.watched if row.watched else None)
        for row in session.execute(_STEPS, bound)
    ]
    without = session.execute(_WITHOUT, bound).one()
    seconds, upgraded = float(without.seconds), without.upgraded
    is_enough = seconds >= ENOUGH * SOON.total_seconds()
    share = 1 - exp(-upgraded / seconds * SOON.total_seconds()) if is_enough else None
    return ReminderEffect(environment, app.as_of, SOON.total_seconds(), steps, share, seconds, upgraded)
