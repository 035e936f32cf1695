"""What should have happened by now and has not: polls, evaluations, messages to operators, reminders, deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.outbox import IN_TURN

# A busy portal is polled as fast as it may be; all else is a matter of seconds.
_POLLS_LATE = timedelta(minutes=30)
_LATE = timedelta(minutes=10)

# Whatever somebody works on now, or must not be touched yet, is not overdue.
_OVERDUE = text(f"""
SELECT * FROM (
    SELECT 'lists of apps' AS what, count(*) AS count, min(next_poll_at) AS since FROM source
    WHERE enabled AND next_poll_at < cast(:now AS timestamptz) - cast(:polls_late AS interval)
      AND coalesce(lease_until < :now, true) AND coalesce(circuit_open_until < :now, true)
    UNION ALL
    SELECT 'polls', count(*), min(a.next_poll_at) FROM app a JOIN source s ON s.id = a.source_id AND s.enabled
    WHERE a.deleted_at IS NULL AND a.next_poll_at < cast(:now AS timestamptz) - cast(:polls_late AS interval)
      AND coalesce(a.lease_until < :now, true) AND coalesce(s.circuit_open_until < :now, true)
    UNION ALL
    SELECT 'evaluations', count(*), min(evaluate_at) FROM app
    WHERE evaluate_at < cast(:now AS timestamptz) - cast(:late AS interval)
    UNION ALL
    SELECT 'messages to operators', count(*), min(g.flush_at)
    FROM notice_group g JOIN source s ON s.id = g.source_id AND s.enabled
    WHERE g.flush_at < cast(:now AS timestamptz) - cast(:late AS interval)
      AND g.receiver = ANY(cast(:receivers AS text[]))
    UNION ALL
    SELECT 'reminders', count(*), min(r.due_at)
    FROM reminder r JOIN app a ON a.id = r.app_id JOIN source s ON s.id = a.source_id AND s.enabled
    JOIN standing t ON t.connection_id = r.connection_id AND t.lag = 'blocking' AND t.status = 'connected'
    WHERE r.stopped_at IS NULL AND r.due_at < cast(:now AS timestamptz) - cast(:late AS interval)
    UNION ALL
    SELECT 'deliveries', count(*), min(n.due_at) FROM notice n LEFT JOIN source s ON s.id = n.source_id
    WHERE n.due_at < cast(:now AS timestamptz) - cast(:late AS interval) AND coalesce(s.enabled, true)
      AND (n.state = 'due' OR n.state = 'sending' AND n.lease_until < :now) AND {IN_TURN}
      AND n.receiver NOT IN (SELECT name FROM stopped_receiver)
      -- It is as slow as it was asked to be.
      AND n.receiver NOT IN (
          SELECT name FROM paced_receiver WHERE free_at > cast(:now AS timestamptz) - cast(:late AS interval))
) o WHERE count > 0 ORDER BY since
""")  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class Overdue:
    """Work of one kind that nobody has done, and since when the oldest of it waits."""

    what: str
    count: int
    since: datetime


def overdue(session: Session, receivers: Sequence[str], *, now: datetime) -> list[Overdue]:
    """All work that is late, the oldest first; *receivers* are those that may be told of alerts."""
    bound = {"now": now, "polls_late": _POLLS_LATE, "late": _LATE, "receivers": list(receivers)}
    return [Overdue(**row) for row in session.execute(_OVERDUE, bound).mappings()]
