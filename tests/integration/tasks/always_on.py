"""A worker that is always there, with a stepped clock: ticks every few seconds, and polls every few minutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from sqlalchemy import text

from models.failures import app_poll_failed
from models.groups import arouse
from models.leases import claim_app
from models.stale import stale
from tasks.deliver import deliver_now
from tasks.evaluate import due_apps, evaluate_now
from tasks.flush import flush_now
from tasks.remind import remind_now
from tasks.rules import rules
from tests.integration.models.world import World
from uptake.errors import Fault, TransientError

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

# What a tick would look at; before that it finds nothing to do.
_DUE = text("""
SELECT (SELECT min(evaluate_at) FROM app) AS judge, (SELECT min(flush_at) FROM notice_group) AS tell,
    (SELECT min(due_at) FROM reminder WHERE stopped_at IS NULL) AS remind,
    (SELECT min(due_at) FROM notice WHERE state = 'due') AS send
""")


@dataclass
class Daemon:
    """Lives on through a plan of what happens at the portal and by hand, by when after the beginning."""

    worlds: Mapping[int, World]  # by app
    chance: Random
    plan: Mapping[timedelta, Callable[[], object]]
    tick: tuple[float, float]  # seconds
    pauses: tuple[float, float] = (5, 15)  # minutes between polls of an app
    is_down: Callable[[datetime], bool] = lambda _at: False
    begun: datetime = field(init=False)
    now: datetime = field(init=False)

    def __post_init__(self) -> None:
        """It begins where its worlds have come to."""
        self.begun = self.now = self.stale_at = max(world.now for world in self.worlds.values())
        self.session = next(iter(self.worlds.values())).session
        self.polls = dict.fromkeys(self.worlds, self.now)
        self.deeds = sorted(((self.begun + after, do) for after, do in self.plan.items()), key=lambda deed: deed[0])

    def live(self, span: timedelta) -> None:
        """From tick to tick; those at which nothing is due are passed over."""
        until, due = self.now + span, self._due()
        while self.now <= until:
            self.now += self._seconds(*self.tick)
            happened = self._happens()
            if self.now - self.stale_at >= MINUTE:
                happened |= self._look_for_stale()
            if happened or min(due.values(), default=until) <= self.now:
                self._tick(self._due())
                due = self._due()
        for world in self.worlds.values():
            world.now = self.now

    def _happens(self) -> bool:
        """What has happened since the last tick, and the polls that are due; whether there was anything."""
        deeds = [deed for deed in self.deeds if deed[0] <= self.now]
        for at, do in deeds:
            self.deeds.remove((at, do))
            for world in self.worlds.values():
                world.now = at
            do()
            self.session.commit()
        polls = [app for app, at in self.polls.items() if at <= self.now]
        for app in polls:
            self._poll(app)
        return bool(deeds or polls)

    def _poll(self, app: int) -> None:
        world, at = self.worlds[app], self._passes()
        if self.is_down(at):
            lease = claim_app(self.session, app, now=at, every=HOUR, forced=True)
            assert lease
            error = TransientError("503", fault=Fault.SERVER)
            app_poll_failed(self.session, lease, error, now=self._passes(), duration_seconds=0.1)
            self.session.commit()
            self.polls[app] = at + self._seconds(30, 300)
            return
        world.now = at - world.step
        world.poll()
        self.session.commit()
        self.polls[app] = at + self._seconds(*(60 * minutes for minutes in self.pauses))
        evaluate_now(app, now=self._passes())

    def _tick(self, due: Mapping[str, datetime]) -> None:
        ours = {what for what, at in due.items() if at <= self.now}
        if "judge" in ours:
            for app in due_apps(now=self.now):
                evaluate_now(app, now=self._passes())
        if ours & {"tell", "send"}:
            flush_now(now=self._passes())
        if "remind" in ours:
            remind_now(now=self._passes())
        if ours:
            deliver_now(now=self._passes())

    def _due(self) -> dict[str, datetime]:
        found = self.session.execute(_DUE).mappings().one()
        self.session.commit()
        return {what: at for what, at in found.items() if at is not None}

    def _look_for_stale(self) -> bool:
        self.stale_at = self.now
        if changed := stale(self.session, older_than=rules().stale_after, now=self.now):
            arouse(self.session, rules().policies, now=self.now, apps=changed)
        self.session.commit()
        return bool(changed)

    def _seconds(self, least: float, most: float) -> timedelta:
        return timedelta(seconds=round(self.chance.uniform(least, most), 3))

    def _passes(self) -> datetime:
        """Some of the time that it takes to do things."""
        self.now += timedelta(milliseconds=self.chance.randint(5, 400))
        return self.now
