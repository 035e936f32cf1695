"""A model portal and Uptake side by side: whatever happens, in whatever order, what is stored is what may be known."""

import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.errors import HypothesisException
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.integration.history import chances as some
from tests.integration.history.ground import Ground
from tests.integration.history.known import Came
from tests.integration.history.served import Portal, Trouble, untrusted
from tests.integration.history.side import Side
from tests.integration.history.truth import CHANGES, SCOPES, App, Clock


class History(RuleBasedStateMachine):
    """Random releases, moves of tenants, polls that go well and polls that do not."""

    began: ClassVar[int] = 0  # histories, of this process
    ran: ClassVar[int] = 0  # runs of tasks in them
    ground: ClassVar[Ground]
    breached: ClassVar[int | None] = None  # the first that ended in one
    met: ClassVar[Counter[str]] = Counter()  # what came of them

    def __init__(self) -> None:
        super().__init__()
        self.is_news = False
        self.side: Side
        self.portal: Portal
        History.began += 1

    @initialize(
        shape=some.shapes,
        several=st.booleans(),
        crowd=some.crowds,
        approval=st.sampled_from(["approved", "approved", "pending"]),
    )
    def founded(
        self,
        shape: dict[str, int],
        several: bool,
        crowd: list[tuple[str, str, bool]],
        approval: str,
    ) -> None:
        """A portal of some kind, its apps listed and not polled yet."""
        self.portal = Portal(Clock(), **shape)  # type: ignore[arg-type]  # booleans are numbers
        for number in some.APPS[: 1 + several]:
            app = self.portal.apps[number] = App(number, self.portal.clock, approval=approval)
            app.release(frozenset(SCOPES[:2]))
            for place, (tenant, environment, connected) in enumerate(crowd, 1):
                row = app.invite(tenant, environment)
                if connected and row.status == "awaitingApproval":
                    CHANGES["allow"][1](app, row)
                    row.since = self.portal.clock.tick()
                if place % 4 == 0:
                    app.release(app.latest.grants ^ {SCOPES[place % 5]})
        self.side = Side(self.ground, self.portal, self.ground.begin(self.portal))
        self.side.list_apps()
        self.is_news = True

    # The portal's side: nothing of it is known before it is looked at.

    @rule(app=some.apps, several=some.moves)
    def change(self, app: int, several: list[tuple[str, int]]) -> None:
        """Something becomes of some tenants."""
        self._change(app, several)

    @rule(app=some.apps, tenant=some.tenants, environment=some.environments, connected=st.booleans())
    def invite(self, app: int, tenant: str, environment: str, connected: bool) -> None:
        """A tenant is added, and may allow the app at once."""
        row = self._app(app).invite(tenant, environment)
        if connected and row.status == "awaitingApproval":
            row.status, row.since = "notConnected", self.portal.clock.tick()

    @rule(app=some.apps, how=st.sampled_from(["add", "add", "remove", "same", "restore"]), which=st.integers(0, 4))
    def release(self, app: int, how: str, which: int) -> None:
        """A version with more scopes, fewer, the same, or those of an older one."""
        ours = self._app(app)
        grants = ours.latest.grants
        ours.release(
            {
                "add": grants | {SCOPES[which]},
                "remove": grants - {SCOPES[which]},
                "same": grants,
                "restore": ours.versions[which % len(ours.versions)].grants,
            }[how]
        )

    @rule(tenant=some.tenants, app=some.apps, word=st.sampled_from(["North", "South"]))
    def rename(self, tenant: str, app: int, word: str) -> None:
        """A tenant and an app have other names."""
        self.portal.names[tenant] = f"{word} {tenant}"
        self._app(app).name = f"{word} app"
        self._app(app).approval = "approved"

    @rule(app=some.apps, delete=some.picks)
    def delete(self, app: int, delete: int) -> None:
        """An app is deleted; not in each history, as nothing happens to it any more."""
        if delete == 7:
            self._app(app).deleted = True

    @rule(span=some.spans)
    def wait(self, span: timedelta) -> None:
        """Time goes on."""
        self.portal.clock.now += span

    # Uptake's side.

    @rule(app=some.apps, several=some.moves, looked=some.picks)
    def poll(self, app: int, several: list[tuple[str, int]], looked: int) -> None:
        """A poll after some changes, now and then by somebody who has looked and believes it."""
        self._change(app, several)
        self._poll(app, believe=looked == 7)

    @rule(app=some.apps)
    def poll_again(self, app: int) -> None:
        """The same listing a second time is worth a row of its own and nothing else."""
        ours = self._app(app)
        first = self._poll(app)
        known = self.side.pictures[ours.id].known.values()
        if first is None or first.outcome == "failed" or any(it.absent for it in known):
            return
        before = self.ground.contents()
        self._poll(app)
        after = self.ground.contents()
        # Pages of which only the bytes around the rows differ are remembered now and then.
        assert {**after, "walked_page": 0} == {**before, "walked_page": 0}, "the same listing wrote something"

    @rule(app=some.apps, what=some.changes, pick=some.picks)
    def poll_at_once(self, app: int, what: str, pick: int) -> None:
        """A second poll at the very same instant, which finds something else."""
        if self._poll(app) is not None and self.side.last is not None:
            self._app(app).change(what, pick)
            self._poll(app, frozen=True)

    @rule(app=some.apps, kind=st.sampled_from(some.KINDS), places=some.places, looked=some.picks)
    def poll_untrusted(self, app: int, kind: str, places: frozenset[int], looked: int) -> None:
        """Some rows cannot be trusted, belong to nobody, or come twice with other facts."""
        self._poll(app, self._untrusted(app, kind, places), believe=looked % 3 == 0)

    @rule(app=some.apps, pick=some.picks, walks=st.integers(1, 2), kind=some.returns, again=st.booleans())
    def flicker(self, app: int, pick: int, walks: int, kind: str, again: bool) -> None:
        """A tenant is gone for a poll or two, is back in some way for the next, and gone again or well."""
        ours = self._app(app)
        row = ours.change("withdraw", pick, only=True)
        for _ in range(walks):
            self._poll(app)
        if row is None:
            return
        row.listed, row.since = True, self.portal.clock.tick()
        place = self.portal.listing(ours).index(row)
        error = Trouble(error="junk") if kind == "failing" else None
        self._poll(app, self._untrusted(app, kind, frozenset({place})) if kind in some.KINDS else error)
        if again:
            row.listed, row.since = False, self.portal.clock.tick()
        self._poll(app)

    @rule(app=some.apps, error=st.sampled_from(["request", "junk", "paging", "versions"]), page=some.pages)
    def poll_failing(self, app: int, error: str, page: int) -> None:
        """The portal fails on some page."""
        self._poll(app, Trouble(error=error, page=page))

    @rule(app=some.apps, what=st.sampled_from(["invite", "release", *sorted(CHANGES)]), pick=some.picks)
    def poll_shifting(self, app: int, what: str, pick: int) -> None:
        """Something happens between two pages of one walk."""
        ours = self._app(app)
        acts: dict[str, Callable[[], object]] = {
            "invite": lambda: ours.invite(str(pick), "production"),
            "release": lambda: ours.release(ours.latest.grants ^ {SCOPES[pick % 5]}),
        }
        act = acts.get(what, lambda: ours.change(what, pick))
        self._poll(app, Trouble(page=2, meanwhile=act))

    @rule(
        app=some.apps,
        how=st.sampled_from(["recorded", "failed", "begun", "deleted"]),
        page=some.pages,
        error=st.booleans(),
    )
    def poll_overtaken(self, app: int, how: str, page: int, error: bool) -> None:
        """A lease runs out and another worker takes over: what the first one read is refused."""
        ours = self._app(app)

        def meanwhile() -> None:
            self.side.expire(ours)
            if how == "deleted":
                ours.deleted = True
                self.side.list_apps()
            elif how == "begun":
                self.ground.execute(
                    "UPDATE app SET lease_token = gen_random_uuid(), poll_seq = poll_seq + 1 WHERE id = :app",
                    app=self.side.numbers[ours.id],
                )
            else:
                ours.change("upgrade", page)
                self.side.poll(ours, Trouble(error="junk" if how == "failed" else None))
            self.side.is_taken = True
            self.portal.trouble = Trouble(error="request" if error else None, page=page)

        self._poll(app, Trouble(page=page, meanwhile=meanwhile))

    @rule(app=some.apps, page=some.pages)
    def poll_killed(self, app: int, page: int) -> None:
        """A worker dies in the middle of a walk."""
        self.side.killed(self._app(app), page)
        self.is_news = True

    @rule(app=some.apps, flag=st.booleans())
    def forget(self, app: int, flag: bool) -> None:
        """All that is remembered of pages is lost."""
        number = self.side.numbers[self._app(app).id]
        self.ground.execute("DELETE FROM walked_page WHERE app_id = :app", app=number)
        if flag:
            self.ground.execute("UPDATE app SET settled = false WHERE id = :app", app=number)

    @rule(app=some.apps, gone=st.booleans(), believe=st.booleans())
    def poll_without_most(self, app: int, gone: bool, believe: bool) -> None:
        """Most tenants vanish at once, and are back after the poll, or not."""
        ours = self._app(app)
        hidden = self.portal.listing(ours)[1:] if not ours.deleted else []
        for row in hidden:
            row.listed, row.since = False, self.portal.clock.tick()
        self._poll(app, believe=believe)
        for row in hidden if not gone else ():
            row.listed, row.since = True, self.portal.clock.tick()

    @rule(error=st.booleans(), feed_error=st.sampled_from([None, None, 404, 503]))
    def list_apps(self, error: bool, feed_error: int | None) -> None:
        """The list of apps is read, and the feed."""
        self.side.list_apps(error=error, feed_error=feed_error)
        self.is_news = True

    @rule(app=some.apps, several=some.moves)
    def feed(self, app: int, several: list[tuple[str, int]]) -> None:
        """The feed is read after some changes."""
        self._change(app, several)
        self.side.list_apps()
        self.is_news = True

    @rule(app=some.apps, span=some.spans)
    def evaluate(self, app: int, span: timedelta) -> None:
        """The app is judged, and again after a while: time alone makes alerts."""
        self.side.evaluate(self._app(app))
        self.portal.clock.now += span
        self.side.evaluate(self._app(app))
        self.is_news = True

    @rule(app=some.apps, scopes=st.lists(st.integers(0, 4), min_size=1, max_size=3), span=some.spans)
    def roll_out(self, app: int, scopes: list[int], span: timedelta) -> None:
        """Versions that ask for more and more, each with some time for tenants to lag."""
        for which in scopes:
            self.release(app, "add", which)
            self._poll(app)
            self.evaluate(app, span)

    @invariant()
    @precondition(lambda self: self.is_news)
    def holds(self) -> None:
        """What is stored is what may be known."""
        self.is_news = False
        History.met.update(self.side.check())

    @classmethod
    def on(cls, ground: Ground) -> type["History"]:
        """Histories that take place on this *ground*, counted from now on."""
        cls.ground, cls.began, cls.ran, cls.breached, cls.met = ground, 0, 0, None, Counter()
        return cls

    def teardown(self) -> None:
        """Nothing is left."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and not isinstance(error, HypothesisException) and History.breached is None:
            History.breached = History.began
        with suppress(AttributeError):
            History.ran += self.side.steps
        self.ground.end()

    def _app(self, index: int) -> App:
        return list(self.portal.apps.values())[index % len(self.portal.apps)]

    def _change(self, index: int, several: list[tuple[str, int]]) -> None:
        for what, pick in several:
            self._app(index).change(what, pick)

    def _untrusted(self, index: int, kind: str, places: frozenset[int]) -> Trouble:
        """Trouble with the rows at these *places*, as far as there are so many."""
        most = max(1, len(self.portal.listing(self._app(index))))
        return untrusted(kind, frozenset(place % most for place in places))

    def _poll(
        self, index: int, trouble: Trouble | None = None, *, believe: bool = False, frozen: bool = False
    ) -> Came | None:
        self.is_news = True
        at = self.side.last.at if frozen and self.side.last else None
        return self.side.poll(self._app(index), trouble, believe=believe, frozen=at)
