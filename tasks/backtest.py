"""A policy over the recorded past: all is done as ever, moment by moment, in tables of its own, and taken back.

What it says of the present policy is what was done, as far as what was done is recorded.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session as OrmSession

from models import Session, db_now
from models.groups import arouse, due_groups
from models.opt_out import opt_in, opt_out
from models.outbox import ClaimedNotice, Settlement, claim_notices, give_back, settle
from models.past import bring, know_again, meant, next_due, read, remember, trouble
from models.queries.recorded import Deed, Past, Try
from models.queries.sent import Message, Step, messages, steps
from models.quiet import acknowledge, snooze, unhold
from models.scratch import renew
from tasks.deliver import BATCH, opens_at
from tasks.evaluate import due_in, evaluate_in
from tasks.flush import GROUPS, tell
from tasks.remind import THREADS, remind_in
from tasks.rules import Rules, rules
from uptake.cadence import retry_after

SLACK = timedelta(minutes=1)  # so late may somebody have looked who looks all the time
MOST = 100_000  # apps
STAGES = ("judge", "tell", "remind", "send")
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # before anything was recorded
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
        """Whether it is the same, step by step and message by message, at the same times but for a minute."""
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
        self.mail = _Mail(self.past.tries)

    def live(self) -> Iterator[float]:
        """From the first moment to the last; at each, which share of the time is over."""
        span = max(self.until - self.begun, _INSTANT)
        after = BEGINNING
        deeds = list(reversed(self.past.deeds))
        for number, at in enumerate(self._moments(), 1):
            bring(self.session, after=after, at=at)
            while deeds and deeds[-1].at <= at:
                self._do(deeds.pop())
            for app in trouble(self.session, after=after, at=at):
                self._arouse(app, at)
            self._look(at)
            if number & (number - 1) == 0:
                renew(self.session)
            after = at
            yield min(1.0, max(0.0, (at - self.begun) / span))

    def _moments(self) -> Iterator[datetime]:
        """What is recorded, and in between when time alone gives something to do to somebody who is awake."""
        recorded, place = self.past.moments, 0
        at = BEGINNING
        while True:
            ahead = recorded[place].at if place < len(recorded) else None
            due = next_due(self.session, self.chosen.policies.receivers, after=at) if place else None
            if due is not None and due <= self.until and (ahead is None or due < ahead) and self._is_up(due):
                at = due
            elif ahead is not None:
                at, place = ahead, place + 1
            else:
                return
            yield at

    def _is_up(self, at: datetime) -> bool:
        """Whether somebody looks just then, and not a moment later, as is recorded."""
        place = bisect_right(self.slept, at) - 1
        is_asleep = place >= 0 and at < self.past.sleeps[place][1]
        return not is_asleep and all(self._is_now(stage, at) for stage in STAGES)

    def _is_now(self, stage: str, at: datetime) -> bool:
        """Whether what is due at that stage is done now: a look that is recorded for a moment later does it then."""
        looks = self.looks[stage]
        place = bisect_left(looks, at)
        return place == len(looks) or looks[place] == at or looks[place] - at > SLACK

    def _look(self, at: datetime) -> None:
        """As a worker would: judge, tell, remind, send; and remind again whom the last look gave back."""
        policies = self.chosen.policies
        judges, tells, reminds, sends = (self._is_now(stage, at) for stage in STAGES)
        if judges:
            read(self.session, self.past, at=at)
            for app in due_in(self.session, now=at, most=MOST):
                evaluate_in(self.session, app, policies, now=at)
            know_again(self.session, at=at)
        if tells:
            self._tell(at)
        if reminds:
            read(self.session, self.past, at=at)
            self._remind(at)
        if sends and self._deliver(at) and reminds:
            self._remind(at)
            self._deliver(at)

    def _tell(self, at: datetime) -> None:
        self._arouse(None, at)
        while True:
            groups = due_groups(self.session, self.chosen.policies.receivers, now=at, most=GROUPS)
            for group in groups:
                tell(self.session, group, self.chosen, now=at)
            if len(groups) < GROUPS:
                break

    def _remind(self, at: datetime) -> None:
        while remind_in(self.session, self.chosen.policies, now=at, most=THREADS).looked == THREADS:
            pass

    def _deliver(self, at: datetime) -> int:
        """Settle what is due as it was really, or as sent; how many were taken or looked at."""
        tried = 0
        while claimed := claim_notices(self.session, now=at, most=BATCH):
            for notice in claimed:
                if (opens := opens_at(notice, self.chosen.policies, at)) > at:
                    give_back(self.session, [notice], due_at=opens)
                else:
                    settle(self.session, notice, self.mail.came_to(notice, now=at), now=at)
            tried += len(claimed)
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


class _Mail:
    """What became of messages: of the same one as then; of any other as of the last one to that address."""

    def __init__(self, tries: Sequence[Try]) -> None:
        self.of_message: dict[tuple[object, ...], Try] = {}
        self.of_address: dict[tuple[str, str], list[Try]] = defaultdict(list)
        for one in tries:
            self.of_message[one.receiver, one.to, one.created_at, one.kind, one.app, one.number] = one
            self.of_address[one.receiver, one.to].append(one)

    def came_to(self, notice: ClaimedNotice, *, now: datetime) -> Settlement:
        """What this try comes to."""
        payload = notice.payload
        same = (notice.receiver, notice.to, notice.created_at, payload.get("kind"), payload.get("app"), notice.attempts)
        if one := self.of_message.get(same):
            return _same(one, now=now)
        known = self.of_address.get((notice.receiver, notice.to), [])
        before = [one for one in known if one.started_at <= now] or known[:1]
        if before and before[-1].is_refused:
            return _same(before[-1], now=now)
        return Settlement("sent", "")


def _same(one: Try, *, now: datetime) -> Settlement:
    """What came of it then; a try without an end was followed by another one."""
    answer, fault = one.answer or "", one.fault
    if one.outcome in {"sent", "permanent"}:
        return Settlement(one.outcome, answer, fault)
    wait = retry_after(one.number)
    again_at = one.next_at or (now + wait if wait else None)
    return (
        Settlement("transient", answer, fault, due_at=max(again_at, now + _INSTANT))
        if again_at
        else Settlement("permanent", answer, fault)
    )
