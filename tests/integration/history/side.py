"""Uptake's side of a history: each run of a task, and what it must come to."""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text

from models import Session
from tasks.evaluate import evaluate_now
from tasks.poll import list_apps, poll
from tests.integration.history.checks import check_app, check_events, check_polls
from tests.integration.history.ground import Ground, Killed
from tests.integration.history.known import Came, Picture, Run
from tests.integration.history.owed import Alerts
from tests.integration.history.served import Portal, Told, Trouble
from tests.integration.history.stored import NOTHING, Seen, stored
from tests.integration.history.truth import App, Key


@dataclass
class Side:
    """What has been asked of Uptake so far, and what it may know by it."""

    ground: Ground
    portal: Portal
    source: int
    numbers: dict[int, int] = field(default_factory=dict)  # of our rows, by the portal's ids
    pictures: dict[int, Picture] = field(default_factory=dict)
    alerts: dict[int, Alerts] = field(default_factory=dict)
    polls: list[tuple[int | None, Came]] = field(default_factory=list)
    list_failures: int = 0
    is_taken: bool = False  # another worker took over the poll that is under way
    last: Run | None = None
    since: Seen = NOTHING
    steps: int = 0

    def list_apps(self, *, error: bool = False, feed_error: int | None = None) -> None:
        """Read the list of apps and the feed; what is in them is known from then on."""
        self.steps += 1
        self.portal.trouble = Trouble(error="apps" if error else None)
        self.portal.feed_error, self.portal.told = feed_error, []
        self.portal.clock.reads.clear()
        changed = list_apps(self.source, forced=True)
        at = self.portal.clock.reads[-1]
        self.portal.trouble = Trouble()
        if error:
            assert changed is None
            self.list_failures += 1
            self.polls.append((None, Came("failed", 0, 0, 0)))
            return
        self.list_failures = 0
        news = 0
        fed = self._fed()
        for app in self.portal.apps.values():
            picture = self.pictures.get(app.id)
            if picture is None:
                picture = self.pictures[app.id] = Picture(app)
                self.alerts[app.id] = Alerts()
                news += 1
            if not picture.deleted and app.deleted:
                news += 1
                picture.removed(at)
            elif not app.deleted:
                picture.name, picture.approval = app.name, app.approval
        with Session() as session:
            rows = session.execute(text("SELECT external_id, id FROM app"))
            self.numbers = {int(row.external_id): row.id for row in rows}
        assert changed == news + fed, "apps listed, and connections told of"
        self.polls.append((None, Came("complete", news + fed, 0, 0)))

    def _fed(self) -> int:
        """What the feed told is known, of apps that were walked; how many connections differ."""
        began, *reads = self.portal.clock.reads
        instants = iter(reads)
        told: dict[int, list[Told]] = {}
        for it in self.portal.told:
            told.setdefault(it.app, []).append(it)
        changed = 0
        for number, rows in told.items():
            picture = self.pictures.get(number)
            if self.portal.apps[number].deleted:
                continue
            at = next(instants)
            if picture is not None and picture.walked_at is not None:
                changed += picture.fed(rows, Run(began, at))
        with Session() as session:
            since, until = session.execute(text("SELECT feed_since, fed_at FROM source")).one()
        if self.portal.told:
            assert until == began, "a feed that was read was not taken in"
        for picture in self.pictures.values():
            if until == began and picture.walked_at is not None and picture.walked_at >= since and not picture.deleted:
                picture.fed_until(began)
        return changed

    def poll(
        self, app: App, trouble: Trouble | None = None, *, believe: bool = False, frozen: datetime | None = None
    ) -> Came | None:
        """Poll *app* while the portal has *trouble*; what it must have come to, None when nothing may be recorded."""
        self.steps += 1
        picture, known_before = self.pictures[app.id], len(app.versions)
        trouble = trouble or Trouble()
        was_taken, self.is_taken = self.is_taken, False
        self.portal.trouble, self.portal.sent = trouble, {}
        self.portal.clock.reads.clear()
        was_deleted = picture.deleted
        recorded = poll(self.numbers[app.id], now=frozen, forced=True, believe_absence=believe)
        self.portal.trouble = Trouble()
        is_taken, self.is_taken = self.is_taken, was_taken
        if was_deleted or is_taken:
            assert recorded is None, "recorded without the right to"
            return None
        reads = self.portal.clock.reads
        run = self.last = Run(frozen, frozen, True) if frozen else Run(reads[0], reads[-1])
        came = self._came(picture, recorded is not None, trouble, run, believe=believe, least=known_before)
        if recorded is not None:
            assert (recorded.outcome, recorded.changed, recorded.vanished) == came[:3], (recorded, came)
        self.polls.append((self.numbers[app.id], came))
        return came

    def _came(
        self, picture: Picture, is_recorded: bool, trouble: Trouble, run: Run, *, believe: bool, least: int
    ) -> Came:
        """What the walk that was sent must have come to; bears on what is known."""
        app, sent = picture.app, self.portal.sent
        totals = {page.total for page in sent.values()}
        if trouble.has_struck or app.deleted:
            assert not is_recorded, "recorded although it failed"
            return picture.failed()
        # A count that changes between two pages: the walk fails, or is no proof of absence.
        if not is_recorded:
            assert len(totals) > 1, "failed for no reason"
            return picture.failed()
        with Session() as session:
            query = text("SELECT latest_version FROM app WHERE id = :app")
            released = session.scalar(query, {"app": self.numbers[app.id]}) or 0
        ran = [row.facts.version or 0 for page in sent.values() for row in page.rows if row.facts]
        assert max(least, *ran, 0) <= released <= len(app.versions), "versions released during the walk"
        picture.released(released, run.at)
        return picture.walked(sent, run, believe=believe, is_partial=len(totals) > 1)

    def killed(self, app: App, page: int) -> None:
        """A worker dies during its walk; nobody else can poll the app until its lease is over."""

        def die() -> None:
            raise Killed

        try:
            self.poll(app, Trouble(page=page, meanwhile=die))
        except Killed:
            self.portal.trouble = Trouble()
            self.is_taken = False
            assert poll(self.numbers[app.id], forced=True) is None, "polled by two at once"
            self.expire(app)

    def expire(self, app: App) -> None:
        """The lease of the app is over."""
        self.ground.execute(
            "UPDATE app SET lease_until = clock_timestamp() - interval '1 second' WHERE id = :app",
            app=self.numbers[app.id],
        )

    def evaluate(self, app: App) -> None:
        """Judge the app, twice."""
        self.steps += 1
        now = self.portal.clock.tick()
        evaluate_now(self.numbers[app.id], now=now)
        self.alerts[app.id].evaluated(self.pictures[app.id], now)
        before = self.ground.contents()
        evaluate_now(self.numbers[app.id], now=now)
        assert self.ground.contents() == before, "a second evaluation wrote something"

    def check(self) -> list[str]:
        """What must hold after every step; what was new: outcomes of polls and types of events."""
        found = stored(self.since)
        events, polls = found.events or [], found.polls or []
        whose: dict[int, Key] = {row.id: (row.tenant, row.environment) for row in found.connections or ()}
        names = {(row.tenant, row.name) for row in found.connections or ()}
        said = {(key[0], known.facts.name) for it in self.pictures.values() for key, known in it.known.items()}
        assert names <= said, "names"
        check_polls(found, self.polls)
        for ours, number in self.numbers.items():
            picture = self.pictures[ours]
            check_events([event for event in events if event.app == number], picture.happened, whose)
            check_app(found, number, picture, self.alerts[ours])
            picture.happened.clear()
        self.polls.clear()
        failing = [alert for alert in found.alerts or () if alert.app is None]
        assert len(failing) == (self.list_failures >= 3), "list failing"
        self.since = Seen(
            max([self.since.event, *(event.id for event in events)]), max([self.since.poll, *(it.id for it in polls)])
        )
        return [it.outcome for it in polls] + [event.type for event in events]
