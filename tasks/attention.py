"""When whoever lives the past again judges apps: as they were judged then, and no more often.

A daemon looks every few seconds, and nearly always for nothing; of that nothing is recorded, and nothing comes of it.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from sqlalchemy.orm import Session as OrmSession

from models.attended import due_apps, follow_later, judge_at
from models.past import know_again, read
from models.queries.recorded import Past
from models.rollout import EVERY
from tasks.evaluate import due_in, evaluate_in
from uptake.policies import Policies

SLACK = timedelta(minutes=2)  # so late may somebody have looked who looks all the time
MOST = 100_000  # apps

Key = TypeVar("Key", bound=Hashable)


class Times(Generic[Key]):
    """When something happened to whom, in order."""

    def __init__(self, happened: Iterable[tuple[Key, datetime]]) -> None:
        self.of: dict[Key, list[datetime]] = defaultdict(list)
        for key, at in happened:
            self.of[key].append(at)

    def ahead(self, key: Key, at: datetime, within: timedelta) -> datetime | None:
        """The first time after that instant, and not later than *within*; None: there is none."""
        times = self.of.get(key, [])
        place = bisect_right(times, at)
        return times[place] if place < len(times) and times[place] - at <= within else None

    def at(self, key: Key, at: datetime) -> bool:
        """Whether it happened just then."""
        times = self.of.get(key, [])
        place = bisect_left(times, at)
        return place < len(times) and times[place] == at


class Apps:
    """Each app is judged where something is recorded to have come of it, and when time or facts make it due."""

    def __init__(self, session: OrmSession, policies: Policies, past: Past) -> None:
        self.session, self.policies, self.past = session, policies, past
        judged = past.judged
        self.judged = Times((one.app_id, one.at) for one in judged)
        self.followed = Times((one.app_id, one.at) for one in judged if one.follows)
        self.at: dict[datetime, list[tuple[int, bool]]] = defaultdict(list)
        for one in judged:
            self.at[one.at].append((one.app_id, one.follows))

    def next_due(self, *, after: datetime, until: datetime) -> datetime | None:
        """When one is to be judged next that is not recorded to have been, a moment later."""
        due = due_apps(self.session, until=until)
        return next((at for app, at in due if at > after and not self.judged.ahead(app, at, SLACK)), None)

    def judge(self, at: datetime) -> None:
        """Judge those whose time it is."""
        recorded = self.at.get(at, [])
        judge_at(self.session, recorded, at=at)
        due = [
            app
            for app in due_in(self.session, now=at, most=MOST)
            if self.judged.at(app, at) or not self.judged.ahead(app, at, SLACK)
        ]
        if not due:
            return
        read(self.session, self.past, at=at, apps=due)
        for app in due:
            # What all tenants come to was looked at every so often, and nobody knows when nothing came of it.
            if (app, True) not in recorded and (follows_at := self.followed.ahead(app, at, EVERY + SLACK)):
                follow_later(self.session, app, now=at, at=follows_at)
            evaluate_in(self.session, app, self.policies, now=at)
        know_again(self.session, at=at)
