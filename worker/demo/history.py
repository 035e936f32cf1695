"""The demo's past: 90 days lived at the portal through its API, and watched by our own tasks with a stepped clock."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import text

from config.settings import settings
from models import Session, db_now
from models.contacts import Person, keep_contacts
from tasks.deliver import deliver_now
from tasks.evaluate import due_apps, evaluate_now
from tasks.flush import flush_now
from tasks.poll import list_apps, poll
from tasks.remind import remind_now
from worker.demo.hands import Hands, RefusedError
from worker.demo.people import People
from worker.demo.story import DAYS, PLOTS, Act, Story, acts_until
from worker.embedded import SetupError
from worker.embedded.process import leashed
from worker.lifecycle import adopt_sources, open_database

SOURCE = "demo"
# At this hour nearly all of the tenants are at work; at the other one those beyond the Pacific are.
DAYTIME, EVENING = timedelta(hours=16), timedelta(hours=22)
# Whoever looked so lately would have looked again: the past would have a gap that no worker leaves.
LATELY = timedelta(hours=2)
# Long ago a look every few days is enough for the curves.
SPARSE_UNTIL, SPARSE_DAYS = 45, 3
PORTAL_PATIENCE_SECONDS = 30
THREADS = 4


def live_through(directory: Path, story: Story) -> None:
    """Make the past, up to this moment; the database holds our schema and the portal its people."""
    chosen = settings()
    host = chosen.portal_host
    with portal_with_a_clock(host, chosen.portal_port) as hands:
        open_database()
        adopt_sources()
        _Past(People.read(directory / "credentials.json", hands), story).live()


@contextmanager
def portal_with_a_clock(host: str, port: int) -> Iterator[Hands]:
    """A portal whose clock can be set, for as long as this lasts."""
    argv = [sys.executable, "-m", "portal", "serve", "--host", host, "--port", str(port), "--demo-clock"]
    # Ninety days pass in half a minute.
    argv += ["--rate", "0", "--token-rate", "0"]
    environment = {**os.environ, "UPTAKE_LOG_LEVEL": "error"}
    process = subprocess.Popen(leashed(argv), env=environment, stdin=subprocess.DEVNULL)  # noqa: S603 - our own program
    try:
        hands = Hands(reachable(host), port)
        deadline = time.monotonic() + PORTAL_PATIENCE_SECONDS
        while not hands.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise SetupError("The demo's portal does not start; it may say why above.")
            time.sleep(0.05)
        yield hands
        hands.close()
    finally:
        process.terminate()
        process.wait()


def reachable(host: str) -> str:
    """Where to call who listens on *host*: everywhere is no address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on


class _Past:
    """The hands of everybody at the portal, and our own tasks after them."""

    def __init__(self, people: People, story: Story) -> None:
        self.people = people
        self.story = story
        with Session() as session:
            self.now = db_now(session)
            self.source: int = session.execute(
                text("SELECT id FROM source WHERE name = :name"), {"name": SOURCE}
            ).scalar_one()
        self.begun = (self.now - timedelta(days=DAYS)).replace(hour=0, minute=0, second=0, microsecond=0)
        self.apps: dict[int, int] = {}  # number in PLOTS to id at the portal
        self.latest: dict[int, int] = {}
        self.unseen: set[int] = set()  # apps at which something happened since they were polled
        self.unlisted = False
        self.threads = ThreadPoolExecutor(THREADS)

    def live(self) -> None:
        """From the first day to now."""
        done = timedelta(-1)
        with self.threads:
            for at in self._instants():
                for after, acts in acts_until(self.story.acts, done, at - self.begun):
                    self._act(self.begun + after, acts)
                done = at - self.begun
                self.people.hands.clock(f"{at:%Y-%m-%dT%H:%M:%SZ}")
                self._watch(at, everything=at == self.now)
                if at.day == 1:
                    _tell(f"  {at:%d %B}: {len(self.apps)} apps")

    def _instants(self) -> Iterator[datetime]:
        for day in range(DAYS + 1):
            at = self.begun + timedelta(days=day) + DAYTIME
            if at < self.now - LATELY and (day >= SPARSE_UNTIL or day % SPARSE_DAYS == 0):
                yield at
        yield self.now

    def _act(self, at: datetime, acts: list[Act]) -> None:
        self.people.hands.clock(f"{at:%Y-%m-%dT%H:%M:%SZ}")
        for act in acts:
            if act.tenant is None:
                self._develop(act)
        for _ in self.threads.map(self._access, [act for act in acts if act.tenant is not None]):
            pass
        self.unseen |= {act.app for act in acts}

    def _develop(self, act: Act) -> None:
        if act.verb == "release":
            self.latest[act.app] = self.people.release(self.apps[act.app], act.scopes)
            return
        plot = PLOTS[act.app]
        tenants = [self.story.tenants[number].id for number in self.story.audience[act.app]]
        self.apps[act.app] = self.people.make_app(plot.name, act.scopes, tenants, approved=plot.approved)
        self.latest[act.app] = 1
        self.unlisted = True

    def _access(self, act: Act) -> None:
        tenant = self.story.tenants[act.tenant or 0].id
        body = {"version": self.latest[act.app]} if act.verb == "upgrade" else None
        try:
            self.people.access(tenant, self.apps[act.app], act.verb, body)
        except RefusedError as refused:
            # Two releases in a row are accepted at once: nothing is left to do the second time.
            if not refused.conflict:
                raise

    def _watch(self, at: datetime, *, everything: bool) -> None:
        if self.unlisted or everything:
            _require(list_apps(self.source, now=at, forced=True))
        ours = self._ours()
        for number in sorted(self.apps if everything else self.unseen):
            _require(poll(ours[str(self.apps[number])], now=at, forced=True))
        if self.unlisted:
            self._introduce()
        self.unseen, self.unlisted = set(), False
        self._look(at)
        evening = at - DAYTIME + EVENING
        if evening < self.now - LATELY:
            self._look(evening)

    def _look(self, at: datetime) -> None:
        """As a worker would: what time alone does, too."""
        for app in due_apps(now=at):
            evaluate_now(app, now=at)
        flush_now(now=at)
        remind_now(now=at)
        deliver_now(now=at)

    def _introduce(self) -> None:
        """Portals know no contacts: they are what a user imports."""
        people = [
            Person(SOURCE, one.id, email, name, rank=rank, time_zone=one.zone)
            for one in self.story.tenants
            for rank, (name, email) in enumerate(one.people, 1)
        ]
        with Session.begin() as session:
            keep_contacts(session, people)

    def _ours(self) -> dict[str, int]:
        with Session() as session:
            rows = session.execute(text("SELECT external_id, id FROM app WHERE source_id = :s"), {"s": self.source})
            return {row.external_id: row.id for row in rows}


def _require(recorded: object) -> None:
    if recorded is None:
        raise SetupError("The demo's portal could not be read; the line above says why.")


def _tell(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()
