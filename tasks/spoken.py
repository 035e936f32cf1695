"""When whoever lives the past again looks at groups of alerts: as was looked then, and no more often."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush

from sqlalchemy.orm import Session as OrmSession

from models.attended import Aroused, Subject, aroused, call, put_off, stirred
from models.groups import DueGroup, due_groups
from models.queries.recorded import Past, Telling
from tasks.attention import SLACK, Times
from tasks.flush import GROUPS, Told, tell
from tasks.rules import Rules
from uptake.cadence import NoticeReason, repeat_at
from uptake.mutes import Mute, muted_until, turns_at

_TROUBLE = {"poll_failing", "data_stale"}  # while they fire, others are quiet
_HELD = {"acknowledged", "snoozed"}
_RESTS = timedelta(minutes=5)  # until a group is looked at again that is quiet for as long as there is trouble


@dataclass(slots=True)
class _Group:
    """A group that somebody may have to look at."""

    id: int
    receiver: str
    subject: Subject
    source: str
    app: str
    due_at: datetime | None = None  # at the latest
    waits_since: datetime | None = None  # when it was due, if that was put off
    seen_at: datetime | None = None  # to be quiet, at the latest
    looked_again_at: datetime | None = None  # when it would have been after the last look, whatever happened

    @property
    def key(self) -> tuple[str, Subject]:
        """What the record knows it by."""
        return self.receiver, self.subject


@dataclass(frozen=True, slots=True)
class _Quiet:
    """What becomes quiet, for which groups; when that ends is seen when they are looked at."""

    is_of: Callable[[_Group], bool]
    mute: Mute | None = None


class Groups:
    """Each group is looked at where it is recorded to have spoken, and when time or news may let it speak."""

    def __init__(self, session: OrmSession, chosen: Rules, past: Past) -> None:
        self.session, self.chosen = session, chosen
        self.interval, self.wait = chosen.policy.group_interval, chosen.policy.group_wait
        self.groups: dict[int, _Group] = {}
        self.of: dict[tuple[str, Subject], _Group] = {}
        self.due: list[tuple[datetime, int]] = []
        self.quiets: list[tuple[datetime, int, _Quiet]] = []
        self.counted = self.last_step = 0
        self.told = Times((_key(one), one.at) for one in past.tellings if one.source_id is not None)
        self.stirs = Times((Subject(one.source_id, one.app_id, one.kind), one.at) for one in past.stirs)
        self.enough = Times((one.receiver, one.at) for one in past.tellings if one.source_id is None)
        self.reasons = {(_key(one), one.at): one.reason for one in past.tellings}
        self.at: dict[datetime, list[tuple[str, Subject]]] = defaultdict(list)
        for one in past.tellings:
            self.at[one.at].append(_key(one))
        for silence in past.silences:
            self._begin(silence.at, _Quiet(_matcher(silence.source, silence.app, silence.kind)))
        if past.moments:
            for mute in chosen.policies.mutes:
                self._turn(mute, past.moments[0].at)

    def next_due(self, *, until: datetime) -> datetime | None:
        """When one is to be looked at next, none of what is recorded being looked at before."""
        while True:
            due = self._first()
            if not self.quiets or self.quiets[0][0] > min(due or until, until):
                return due
            self._pass()

    def stir(self, at: datetime) -> None:
        """See which groups there is news for, and for which it has become quiet, or is no longer."""
        steps = stirred(self.session, last=self.last_step)
        news = {one.subject for one in steps if one.step not in _HELD}
        for one in (woken := aroused(self.session)):
            group = self._known(one)
            # Whatever is quiet is news to everybody who asks, again and again.
            if one.subject in news:
                self._pull(group, one.flush_at)
            group.looked_again_at = group.looked_again_at or one.flush_at
        if woken:
            put_off(self.session)
        if steps:
            self.last_step = steps[-1].id
        quiets = {
            (one.subject, one.step == "resolved") for one in steps if one.step in _HELD or one.subject.kind in _TROUBLE
        }
        for group in self.groups.values() if quiets else ():
            for subject, is_over in quiets:
                if group.subject == subject or _rests_on(group.subject, subject):
                    self._note(group, at, is_over=is_over)

    def tell(self, at: datetime, *, is_back: bool) -> None:
        """Look at those whose time it is; *is_back*: nobody has looked for long, and all have waited for that."""
        while self.quiets and self.quiets[0][0] <= at:
            self._pass()
        called = {group.id for key in self.at.get(at, []) if (group := self.of.get(key))}
        while (due := self._first()) is not None and due <= at:
            called.add(heappop(self.due)[1])
        if is_back:
            called |= {one.id for one in self.groups.values() if one.looked_again_at and one.looked_again_at <= at}
        if not called:
            return
        call(self.session, called, at=at)
        while found := due_groups(self.session, self.chosen.policies.receivers, now=at, most=GROUPS):
            for one in found:
                self._looked(one, tell(self.session, one, self.chosen, now=at), at)
        put_off(self.session)
        for each in called:
            if (due_at := self.groups[each].due_at) and due_at <= at:
                self.groups[each].due_at = None

    def _looked(self, group: DueGroup, told: Told, at: datetime) -> None:
        own = self.groups[group.id]
        ahead = own.due_at if own.due_at and own.due_at > at and told.reason is None else None
        own.due_at, own.waits_since, own.looked_again_at = None, None, told.next_at
        if told.next_at is not None:
            for due_at in (ahead, *self._times(group, told, at)):
                if due_at is not None:
                    self._pull(own, due_at)

    def _times(self, group: DueGroup, told: Told, at: datetime) -> Iterable[datetime | None]:
        """When it may speak next, for all that is known now."""
        counts = told.counts
        if told.waits:
            yield told.next_at
        if counts.quiet_until != at + _RESTS:
            yield counts.quiet_until
        last = at if told.reason is not None and not told.waits else group.last_told_at
        if counts.firing and last:
            # Somewhere in the interval after that it was looked at.
            yield repeat_at(last, self.interval, self.chosen.policy.repeat_interval) + self.interval

    def _known(self, one: Aroused) -> _Group:
        if one.id not in self.groups:
            group = _Group(one.id, one.receiver, one.subject, one.source, one.app)
            self.groups[one.id] = self.of[group.key] = group
        return self.groups[one.id]

    def _pull(self, group: _Group, at: datetime) -> None:
        """Let it be looked at then at the latest."""
        if group.due_at is None or at < group.due_at:
            group.due_at, group.waits_since = at, None
            heappush(self.due, (at, group.id))

    def _note(self, group: _Group, at: datetime, *, is_over: bool = False) -> None:
        """It becomes quiet or is no longer, and that is seen when the group is looked at next.

        Who was quiet for less than that takes may not have been seen to be: what was said next tells.
        """
        if group.looked_again_at is None:
            return
        soon = self.interval + self.wait + SLACK
        said_at = self.told.ahead(group.key, at, soon)
        was_seen = said_at is not None and self.reasons[group.key, said_at] == NoticeReason.MUTE_ENDED
        group.seen_at = at if was_seen and not is_over else None
        self._pull(group, group.seen_at or at + self.interval)

    def _first(self) -> datetime | None:
        """When the first is due; whoever is recorded to have spoken a moment later is due then."""
        while self.due:
            at, group = self.due[0][0], self.groups[self.due[0][1]]
            later = self._later(group, at) if group.due_at == at else None
            if group.due_at == at and later is None:
                return at
            heappop(self.due)
            if later is not None:
                group.waits_since = group.waits_since or at
                group.due_at = later
                heappush(self.due, (later, group.id))
        return None

    def _later(self, group: _Group, at: datetime) -> datetime | None:
        """When it was looked at really, if that was not just then; None: then, for all that is known."""
        if group.seen_at == at or self.told.at(group.key, at) or self.enough.at(group.receiver, at):
            return None
        said_at = self.told.ahead(group.key, at, SLACK) or self.enough.ahead(group.receiver, at, SLACK)
        # Nothing was said: maybe since what happened in the very moment was seen already.
        return said_at or self._stirred(group, at, within=(group.waits_since or at) + SLACK - at)

    def _stirred(self, group: _Group, at: datetime, *, within: timedelta) -> datetime | None:
        source, app, _ = group.subject
        troubles = {Subject(source, of, kind) for kind in _TROUBLE for of in (None, app)}
        times = [self.stirs.ahead(subject, at, within) for subject in {group.subject} | troubles]
        if self.quiets and at < self.quiets[0][0] <= at + within and self.quiets[0][2].is_of(group):
            times.append(self.quiets[0][0])
        return min((time for time in times if time is not None), default=None)

    def _begin(self, at: datetime, quiet: _Quiet) -> None:
        self.counted += 1
        heappush(self.quiets, (at, self.counted, quiet))

    def _turn(self, mute: Mute, after: datetime) -> None:
        if (at := turns_at(mute, after)) is not None:
            self._begin(at, _Quiet(_matcher(mute.source, mute.app, mute.kind), mute))

    def _pass(self) -> None:
        """The first quiet begins, or with a mute it may end."""
        at, _, quiet = heappop(self.quiets)
        if quiet.mute is None or muted_until(quiet.mute, at) is not None:
            for group in self.groups.values():
                if quiet.is_of(group):
                    self._note(group, at)
        if quiet.mute is not None:
            self._turn(quiet.mute, at)


def _key(one: Telling) -> tuple[str, Subject]:
    return one.receiver, Subject(one.source_id or 0, one.app_id, one.kind or "")


def _rests_on(subject: Subject, trouble: Subject) -> bool:
    """Whether what the group tells is as old as the last answer, while there is trouble."""
    if trouble.kind not in _TROUBLE:
        return False
    return subject.source_id == trouble.source_id and trouble.app_id in {None, subject.app_id}


def _matcher(source: str, app: str, kind: str) -> Callable[[_Group], bool]:
    sources, apps, kinds = (
        re.compile(".*".join(map(re.escape, text.split("*")))).fullmatch for text in (source, app, kind)
    )
    return lambda group: bool(sources(group.source) and apps(group.app) and kinds(group.subject.kind))
