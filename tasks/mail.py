"""What becomes of messages when the past is lived again: the same as then, stopped receivers included."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session as OrmSession

from models.outbox import ClaimedNotice, Settlement, give_back
from models.queries.recorded import Try
from models.stopped import resting, resume, tell_elsewhere
from tasks.deliver import STOPPING, kept, opens_at
from tasks.edges import addresses_of
from tasks.rules import Rules
from uptake.cadence import retry_after

_INSTANT = timedelta(microseconds=1)


class Mail:
    """Of the same message the same as then; of any other as of the last one to that address, or as sent."""

    def __init__(self, session: OrmSession, chosen: Rules, tries: Sequence[Try]) -> None:
        self.session, self.chosen = session, chosen
        self.of_message: dict[tuple[object, ...], Try] = {}
        self.of_address: dict[tuple[str, str], list[Try]] = defaultdict(list)
        self.of_receiver: dict[str, list[Try]] = defaultdict(list)
        self.at: dict[datetime, set[str]] = defaultdict(set)
        for one in tries:
            self.of_message[one.receiver, one.to, one.created_at, one.kind, one.app, one.number] = one
            self.of_address[one.receiver, one.to].append(one)
            self.of_receiver[one.receiver].append(one)
            self.at[one.started_at].add(one.receiver)
        self.may_be_elsewhere = any(one.outcome not in {None, "sent"} for one in tries)

    def wake(self, *, now: datetime) -> None:
        """Let no receiver rest that was tried then: a worker had started, and tried all."""
        for name in self.at.get(now, set()) & set(resting(self.session, now=now) if self.may_be_elsewhere else ()):
            resume(self.session, name)

    def deliver(self, claimed: Sequence[ClaimedNotice], *, now: datetime) -> int:
        """Settle what is due; how many."""
        refusing: set[str] = set()
        for notice in claimed:
            if (opens := opens_at(notice, self.chosen.policies, now)) > now:
                give_back(self.session, [notice], due_at=opens)
                continue
            really = self.of_message.get(self._same(notice))
            if notice.receiver in refusing and really is None:
                give_back(self.session, [notice])
                continue
            settlement = self._came_to(notice, really, now=now)
            kept(self.session, notice, settlement, self.chosen, now=now)
            if settlement.stops:
                refusing.add(notice.receiver)
        return len(claimed)

    def tell_elsewhere(self, *, now: datetime) -> None:
        """Let the fallback hear what others will not."""
        fallback = self.chosen.policies.base.fallback
        if fallback and self.may_be_elsewhere:
            tell_elsewhere(self.session, fallback, addresses_of(self.chosen.receivers.get(fallback)), now=now)

    def _same(self, notice: ClaimedNotice) -> tuple[object, ...]:
        payload = notice.payload
        return notice.receiver, notice.to, notice.created_at, payload.get("kind"), payload.get("app"), notice.attempts

    def _came_to(self, notice: ClaimedNotice, really: Try | None, *, now: datetime) -> Settlement:
        if really is not None:
            return _as_then(really, now=now)
        known = [one for one in self.of_receiver.get(notice.receiver, []) if one.started_at <= now]
        if known and known[-1].fault in STOPPING:
            return _as_then(known[-1], now=now)
        known = self.of_address.get((notice.receiver, notice.to), [])
        before = [one for one in known if one.started_at <= now] or known[:1]
        if before and before[-1].is_refused:
            return _as_then(before[-1], now=now)
        return Settlement("sent", "")


def _as_then(one: Try, *, now: datetime) -> Settlement:
    """What came of it then; a try without an end was followed by another one."""
    answer, fault = one.answer or "", one.fault
    if one.outcome == "permanent" and fault in STOPPING:
        return Settlement("permanent", answer, fault, due_at=now, stops=True)
    if one.outcome in {"sent", "permanent"}:
        return Settlement(one.outcome, answer, fault)
    wait = retry_after(one.number)
    again_at = one.next_at or (now + wait if wait else None)
    return (
        Settlement("transient", answer, fault, due_at=max(again_at, now + _INSTANT))
        if again_at
        else Settlement("permanent", answer, fault)
    )
