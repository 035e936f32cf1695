"""This week of a rollout against the one before."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from models.queries.taken import Watched
from models.verdicts import history_of
from uptake.lag import LagClass, judge
from uptake.versions import History

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class WeekFigures:
    """What was done in seven days, and how it stood at their end."""

    begins_at: datetime
    ends_at: datetime
    upgrades: int  # tenants that were seen to accept a higher version, as often as they did
    reminders: int  # that reached a mail server or whatever takes them
    latest_version: int | None  # at the end
    connected: int
    current: int  # of the connected: with the latest version of then
    blocking: int  # of the connected: lacking a scope of it
    adoption: float | None  # the share that is current; null: nobody was connected


@dataclass(frozen=True, slots=True)
class Weeks:
    """The last seven days of an app, and the seven before them."""

    environment: str
    as_of: datetime | None  # when this week ends: until when our picture is exact
    this: WeekFigures | None  # null: the app was never read to the end
    last: WeekFigures | None


_Kind = tuple[int, int]  # version and scope set, 0: not told

_NOW = text("""
SELECT version, scope_set_id, sum(tenants) AS tenants FROM tally
WHERE app_id = :app AND environment = :environment AND status = 'connected' GROUP BY 1, 2
""")
# What began since, beside what that put an end to: nothing else has changed.
_SINCE = text("""
SELECT CASE WHEN t.valid_from > :as_of THEN 0 WHEN t.valid_from > :middle THEN 1 ELSE 2 END AS week,
    t.status = 'connected' AS is_in, coalesce(t.version, 0) AS version, coalesce(t.scope_set_id, 0) AS scope_set_id,
    coalesce(p.status = 'connected', false) AS was_in, coalesce(p.version, 0) AS was_version,
    coalesce(p.scope_set_id, 0) AS was_scope_set_id,
    coalesce(t.epoch = p.epoch AND t.version > p.version, false) AS is_upgrade, count(*) AS tenants
FROM tenure t LEFT JOIN tenure p ON p.connection_id = t.connection_id AND p.valid_to = t.valid_from
WHERE t.app_id = :app AND t.environment = :environment AND t.valid_from > :since GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
""")
_GRANTS = text("SELECT id, grants FROM scope_set WHERE id = ANY(cast(:ids AS int8[]))")
_REMINDED = text("""
SELECT n.settled_at > :middle AS is_this, count(DISTINCT (p.reminder_id, p.number)) AS reminders
FROM reminder r JOIN notice_reminder p ON p.reminder_id = r.id JOIN notice n ON n.id = p.notice_id
WHERE r.app_id = :app AND r.environment = :environment AND r.last_sent_at > :since
  AND n.state = 'sent' AND n.settled_at > :since AND n.settled_at <= :as_of GROUP BY 1
""")


def weeks(session: Session, app: Watched, *, environment: str) -> Weeks:
    """The seven days that end where our picture of the app does, and the seven before.

    Who stood how at the end of a week is what stands now, less what changed since: it costs the changes of two weeks.
    """
    if app.as_of is None:
        return Weeks(environment, None, None, None)
    middle, since = app.as_of - WEEK, app.as_of - 2 * WEEK
    bound = {"app": app.id, "environment": environment, "as_of": app.as_of, "middle": middle, "since": since}
    changes = session.execute(_SINCE, bound).all()
    reminded = {row.is_this: row.reminders for row in session.execute(_REMINDED, bound)}
    held = Counter({(row.version, row.scope_set_id): int(row.tenants) for row in session.execute(_NOW, bound)})
    history = history_of(session, app.id)
    this_end = _before(held, [row for row in changes if row.week == 0])
    last_end = _before(this_end, [row for row in changes if row.week == 1])
    grants = _grants(session, this_end, last_end)

    def figures(week: int, ends_at: datetime, end: Counter[_Kind]) -> WeekFigures:
        known = tuple(version for version in history if version.released_at <= ends_at)
        upgrades = sum(row.tenants for row in changes if row.week == week and row.is_upgrade)
        return _figures(ends_at, upgrades, reminded.get(week == 1, 0), end, known, grants)

    return Weeks(environment, app.as_of, figures(1, app.as_of, this_end), figures(2, middle, last_end))


def _before(
    end: Counter[_Kind], changes: list[Row[tuple[int, bool, int, int, bool, int, int, bool, int]]]
) -> Counter[_Kind]:
    """Who was connected before these *changes* led to this *end*."""
    start = Counter(end)
    for row in changes:
        if row.is_in:
            start[row.version, row.scope_set_id] -= row.tenants
        if row.was_in:
            start[row.was_version, row.was_scope_set_id] += row.tenants
    return +start


def _grants(session: Session, *ends: Counter[_Kind]) -> dict[int, frozenset[str]]:
    ids = sorted({scope_set for end in ends for _, scope_set in end})
    return {row.id: frozenset(row.grants) for row in session.execute(_GRANTS, {"ids": ids})}


def _figures(
    ends_at: datetime,
    upgrades: int,
    reminders: int,
    end: Counter[_Kind],
    history: History,
    grants: dict[int, frozenset[str]],
) -> WeekFigures:
    classes: Counter[LagClass | None] = Counter()
    for (version, scope_set), tenants in end.items():
        held = grants.get(scope_set)
        verdict = judge(history, version=version or None, grants=held) if held is not None else None
        classes[verdict.lag if verdict else None] += tenants
    connected, current = classes.total(), classes[LagClass.CURRENT]
    return WeekFigures(
        begins_at=ends_at - WEEK,
        ends_at=ends_at,
        upgrades=upgrades,
        reminders=reminders,
        latest_version=history[-1].number if history else None,
        connected=connected,
        current=current,
        blocking=classes[LagClass.BLOCKING],
        adoption=current / connected if connected else None,
    )
