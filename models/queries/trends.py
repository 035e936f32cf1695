"""Trends: who ran what in the last three months, as coarsely as a small picture shows it; worked out ahead."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from pydantic import TypeAdapter
from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.adoption import Days, adoption
from models.queries.taken import Watched, watched_by_id
from models.study import Question, stored_of

DAYS, EVERY = 90, 3  # so many days, and from one point to the next
ON_THE_SPOT = 10  # so many apps, for a company that has just begun, or was given an app more
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Trend:
    """How many connected tenants ran each version (0: not told) at the end of every third day up to *last*."""

    last: date
    tenants: dict[int, list[int]] = field(default_factory=dict)  # that somebody ran; the oldest day first
    week_ago: dict[int, int] = field(default_factory=dict)  # seven days before the last, who ran any

    @property
    def first(self) -> date:
        """The day of the first point."""
        return self.last - timedelta(days=DAYS)

    def share_a_week_ago(self, version: int | None) -> float | None:
        """Of those that were connected then, the part that ran *version*; None: nobody was connected."""
        connected = sum(self.week_ago.values())
        return self.week_ago.get(version or 0, 0) / connected if connected else None


TREND = Question("trend", TypeAdapter(Trend))
_IDS = text("""
SELECT a.id, s.name || ':' || a.external_id AS app FROM unnest(cast(:apps AS text[])) AS asked (app)
JOIN source s ON s.name = split_part(asked.app, ':', 1)
JOIN app a ON a.source_id = s.id AND a.external_id = substr(asked.app, length(s.name) + 2)
""")
_RELEASED = text("""
SELECT app_id, number, released_at FROM app_version
WHERE app_id = ANY(cast(:apps AS int8[])) ORDER BY app_id, number DESC
""")


def trend(session: Session, app: Watched, *, environment: str, now: datetime) -> Trend:
    """The trend of *app* up to the day of *now*, in UTC."""
    last = now.astimezone(UTC).date()
    first, places = last - timedelta(days=DAYS), DAYS // EVERY + 1
    drawn: dict[int, list[int]] = {}
    for point in adoption(session, app, Days(first, last, EVERY), environment=environment):
        line = drawn.setdefault(point.version or 0, [0] * places)
        line[(point.day - first).days // EVERY] = point.tenants
    then = Days(last - _WEEK, last - _WEEK)
    week_ago = {point.version or 0: point.tenants for point in adoption(session, app, then, environment=environment)}
    return Trend(last, drawn, week_ago)


@dataclass(frozen=True, slots=True)
class Released:
    """One version of an app, as a mark in its picture."""

    number: int
    released_at: datetime


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the picture of one app is made of."""

    trend: Trend | None  # None: nobody has worked it out yet
    released: list[Released] = field(default_factory=list)  # the newest first


def trends(
    session: Session, apps: Collection[str], *, now: datetime, environment: str = "production"
) -> dict[str, Drawn]:
    """What there is to draw of each of these *apps* (source:external id) that there is.

    Of those that were never studied a few are worked out on the spot.
    """
    keys = {row.id: row.app for row in session.execute(_IDS, {"apps": list(apps)})}
    found = stored_of(session, TREND, list(keys), environment=environment)
    for app_id in [one for one in keys if one not in found][:ON_THE_SPOT]:
        found[app_id] = trend(session, watched_by_id(session, app_id), environment=environment, now=now)
    drawn = {key: Drawn(found.get(app_id)) for app_id, key in keys.items()}
    for row in session.execute(_RELEASED, {"apps": list(keys)}):
        drawn[keys[row.app_id]].released.append(Released(row.number, row.released_at))
    return drawn
