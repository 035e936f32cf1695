"""A policy over the recorded past: all is done as ever, moment by moment, in tables of its own, and taken back.

What it says of the present policy is what was done, as far as what was done is recorded.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session as OrmSession

from models import Session, db_now
from models.groups import arouse
from models.opt_out import opt_in, opt_out
from models.outbox import claim_notices
from models.past import bring, has_due, meant, next_due, read, remember, trouble
from models.queries.recorded import Deed, Moment, Past
from models.queries.sent import Message, Step, messages, steps
from models.quiet import acknowledge, snooze, unhold
from models.scratch import renew
from tasks.attention import SLACK, Apps
from tasks.deliver import BATCH
from tasks.mail import Mail
from tasks.remind import THREADS, remind_in
from tasks.rules import Rules, rules
from tasks.spoken import Groups

STAGES = ("tell", "remind", "send")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # before anything was recorded
_LEARNING = {"fact", "judge"}
_INSTANT = timedelta(microseconds=1)
# Nobody looked where there is no sign of anybody for longer: so many pauses between polls, and more than a circuit's.
PAUSES, NAP = 4, timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Happened:
    """All that alerts did, and all that was sent."""

    steps: Sequence[Step]
    messages: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Backtest:
    """What really happened in a span of time, and what would have by another policy."""

    since: datetime
    until: datetime
    really: Happened
    by_policy: Happened

    @property
    def is_same(self) -> bool:
        """Whether it is the same, step by step and message by message, at the same times but for SLACK."""
        return _are_same(self.really.steps, self.by_policy.steps) and _are_same(
            self.really.messages, self.by_policy.messages
        )


def _are_same(some: Sequence[Step | Message], others: Sequence[Step | Message]) -> bool:
    ours, theirs = (sorted(some_of, key=_place) for some_of in (some, others))
    return len(ours) == len(theirs) and all(
        replace(one, at=other.at) == other and abs(one.at - other.at) <= SLACK
        for one, other in zip(ours, theirs, strict=True)
    )


def _place(one: Step | Message) -> tuple[str, datetime]:
    return repr(replace(one, at=BEGINNING)), one.at


def backtested(
    chosen: Rules,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    now: datetime | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> Backtest:
    """What *chosen* would have done from *since* to *until* (all that is recorded), beside what was done.

    The past is gone through from its beginning on in any case; *progress* hears which share is over. Nothing is
    written, and no real row is locked.
    """
    with Session() as session:
        try:
            at = now or db_now(session)
            last = min(until or at, at)
            really = _happened(session, since or BEGINNING, last)
            again = _Again(session, chosen, last)
            for share in again.live():
                progress(share)
            by_policy = _happened(session, since or BEGINNING, last)
        finally:
            session.rollback()
    return Backtest(since or min(again.begun, last), last, really, by_policy)


def _happened(session: OrmSession, since: datetime, until: datetime) -> Happened:
    return Happened(steps(session, since=since, until=until), messages(session, since=since, until=until))


class _Again:
    """The past, lived through once more by the functions that the tasks run."""

    def __init__(self, session: OrmSession, chosen: Rules, until: datetime) -> None:
        polling = rules().file.polling
        self.session, self.chosen, self.until = session, chosen, until
        pause = max([polling.poll_every, *rules().own_poll_every.values()])
        self.past: Past = remember(session, until=until, awake=max(NAP, PAUSES * pause))
        self.begun = self.past.moments[0].at if self.past.moments else until
        self.looks = {stage: [moment.at for moment in self.past.moments if stage in moment.looks] for stage in STAGES}
        self.slept = [before for before, _ in self.past.sleeps]
        self.woken = {after for _, after in self.past.sleeps}
        self.known_until = BEGINNING
        self.deeds = list(reversed(self.past.deeds))
        self.apps = Apps(session, chosen.policies, self.past)
        self.groups = Groups(session, chosen, self.past)
        self.mail = Mail(session, chosen, self.past.tries)

    def live(self) -> Iterator[float]:
        """From the first moment to the last; at each, which share of the time is over."""
        span = max(self.until - self.begun, _INSTANT)
        after = BEGINNING
        for number, moment in enumerate(self._moments(), 1):
            if moment.looks:
                self._learn(after, moment)
                after = moment.at
            self._look(moment)
            if number & (number - 1) == 0:
                renew(self.session)
            yield min(1.0, max(0.0, (moment.at - self.begun) / span))

    def _moments(self) -> Iterator[Moment]:
        """What is recorded, and in between when time alone gives something to do to somebody who is awake."""
        recorded, place = self.past.moments, 0
        at = BEGINNING
        while True:
            ahead = recorded[place] if place < len(recorded) else None
            due = self._due(after=at, until=ahead.at if ahead else self.until) if place else None
            if due is not None and due <= self.until and (ahead is None or due < ahead.at) and self._is_up(due):
                moment = Moment(due, ())
            elif ahead is not None:
                moment, place = ahead, place + 1
            else:
                return
            at = moment.at
            yield moment

    def _due(self, *, after: datetime, until: datetime) -> datetime | None:
        """When something is due next that is not done a moment later, as is recorded."""
        times = [self.apps.next_due(after=after, until=until), self.groups.next_due(until=until)]
        stages = next_due(self.session, after=after)
        times += [at for stage, at in stages.items() if at is not None and self._is_now(stage, at)]
        return min((at for at in times if at is not None and at > after), default=None)

    def _is_up(self, at: datetime) -> bool:
        """Whether somebody was there to look."""
        place = bisect_right(self.slept, at) - 1
        return place < 0 or at >= self.past.sleeps[place][1]

    def _is_now(self, stage: str, at: datetime) -> bool:
        """Whether what is due at that stage is done now: a look that is recorded for a moment later does it then."""
        looks = self.looks[stage]
        place = bisect_left(looks, at)
        return place == len(looks) or looks[place] == at or looks[place] - at > SLACK

    def _learn(self, after: datetime, moment: Moment) -> None:
        """What became known, and what was done by hand, since the last moment of which something is recorded."""
        at = moment.at
        if "fact" in moment.looks:
            bring(self.session, after=self.known_until, at=at)
            self.known_until = at
        while self.deeds and self.deeds[-1].at <= at:
            self._do(self.deeds.pop())
        if "judge" in moment.looks:
            for app in trouble(self.session, after=after, at=at):
                self._arouse(app, at)

    def _look(self, moment: Moment) -> None:
        """As a worker would: judge, tell, remind, send; and remind again whom the last look gave back."""
        at = moment.at
        # Where it is recorded that somebody only spoke, nothing new is known.
        if not moment.looks or _LEARNING.intersection(moment.looks):
            self.apps.judge(at)
            self.groups.stir(at)
        self.groups.tell(at, is_back=at in self.woken)
        if self._is_now("tell", at):
            self.mail.tell_elsewhere(now=at)
        self._remind(at)
        if self._deliver(at) and self._remind(at):
            self._deliver(at)

    def _remind(self, at: datetime) -> bool:
        """Whether there was time for it."""
        if not self._is_now("remind", at) or not has_due(self.session, "remind", now=at):
            return False
        read(self.session, self.past, at=at)
        while remind_in(self.session, self.chosen.policies, now=at, most=THREADS).looked == THREADS:
            pass
        return True

    def _deliver(self, at: datetime) -> int:
        """Settle what is due as it was really, or as sent; how many were taken or looked at."""
        if not self._is_now("send", at) or not has_due(self.session, "send", now=at):
            return 0
        tried = 0
        self.mail.wake(now=at)
        while claimed := claim_notices(self.session, now=at, most=BATCH):
            tried += self.mail.deliver(claimed, now=at)
        return tried

    def _do(self, deed: Deed) -> None:
        """What somebody did by hand then, to whatever fires now."""
        if deed.what.startswith("contact."):
            if deed.tenant_id is not None and deed.email is not None:
                by_name = opt_out if deed.what == "contact.opted_out" else opt_in
                by_name(self.session, [deed.tenant_id], deed.email, now=deed.at)
            return
        alerts, author, comment = meant(self.session, deed), deed.author or "", deed.comment or ""
        if deed.what == "acknowledged":
            acknowledge(self.session, alerts, author=author, comment=comment, until=deed.until, now=deed.at)
        elif deed.what == "snoozed" and deed.until:
            snooze(self.session, alerts, author=author, comment=comment, until=deed.until, now=deed.at)
        elif deed.what == "unheld":
            unhold(self.session, alerts, author=author, now=deed.at)
            self._arouse(deed.app_id, deed.at)

    def _arouse(self, app: int | None, at: datetime) -> None:
        arouse(self.session, self.chosen.policies, now=at, apps=[] if app is None else [app])
