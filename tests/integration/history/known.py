"""What Uptake may know of an app, by the rules of `domain.md` 4.2 and what its walks were sent, and by nothing else."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from tests.integration.history.served import Facts, Sent, Served, Told
from tests.integration.history.truth import HELD, App, Key, Version

MOMENT = timedelta(microseconds=1)
Happening = tuple[str, Key | None, int | None, int | None]  # type, whose, from version, to version


@dataclass
class Stretch:
    """A tenure as it must be; *not_before* lies from *no_earlier* on and before *truth*."""

    status: str
    version: int | None
    grants: frozenset[str] | None
    epoch: int
    valid_from: datetime
    valid_to: datetime | None = None
    first: bool = False
    no_earlier: datetime | None = None
    truth: datetime | None = None  # when it truly began, where that can be said


@dataclass
class Known:
    """One connection as it must be stored."""

    facts: Facts
    raw: bytes
    epoch: int = 0
    epoch_started: datetime | None = None
    listed: bool = True
    absent: int = 0  # complete walks in a row that did not list it
    seen: datetime | None = None  # the last complete walk that saw it clearly
    is_doubtful: bool = False  # what is stored may not be what was true at *seen*
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether somebody is connected, be it disabled."""
        return self.facts.status in HELD


class Run(NamedTuple):
    """The instants of one poll."""

    started: datetime
    at: datetime
    is_frozen: bool = False  # the clock was told to stand still


class Came(NamedTuple):
    """What a poll must come to."""

    outcome: str
    changed: int
    vanished: int
    rejected: int


@dataclass
class Picture:
    """All that may be known of one app."""

    app: App
    known: dict[Key, Known] = field(default_factory=dict)
    versions: list[Version] = field(default_factory=list)
    happened: list[Happening] = field(default_factory=list)
    adoption: dict[tuple[str, int, date], int] = field(default_factory=dict)
    failures: int = 0
    walked_at: datetime | None = None  # the last complete walk
    exact: datetime | None = None  # until when the feed or that walk told all
    is_doubted: bool = False  # the feed has told what only a walk can make out
    name: str = ""
    approval: str = ""
    deleted: bool = False

    def released(self, count: int, at: datetime) -> None:
        """The app is known to have *count* versions."""
        for version in self.app.versions[len(self.versions) : count]:
            self.happened.append(("version.released", None, None, version.number))
            self.versions.append(version._replace(released=min(version.released, at)))

    def walked(self, sent: Mapping[int, Sent], run: Run, *, believe: bool, is_partial: bool) -> Came:
        """A whole walk was recorded."""
        rows = [row for page in sent.values() for row in page.rows]
        rejected = {row.raw for row in rows if row.facts is None}
        is_partial = is_partial or any(row.tenant is None for row in rows)
        clear, unclear, exempt = self._sorted(rows)
        absent = [
            key
            for key, known in self.known.items()
            if known.listed and key not in clear and key not in unclear and key[0] not in exempt
        ]
        listed = sum(known.listed for known in self.known.values())
        held = not is_partial and not believe and len(absent) >= 5 and len(absent) > listed / 2
        outcome = "held" if held else ("partial" if is_partial else "complete")
        is_whole = outcome == "complete"
        moved = sum(self._seen(key, row, run, is_whole=is_whole) for key, row in clear.items())
        for key, known in self.known.items():
            if key in unclear or key[0] in exempt:
                known.absent = 0
        gone = 0
        for key in absent if is_whole else ():
            known = self.known[key]
            known.absent += 1
            if known.absent > 1 or believe:
                gone += 1
                moved += self._gone(key, known, run)
        self.failures = self.failures + 1 if held else 0
        if is_whole:
            self.walked_at = self.exact = run.started
            self.is_doubted = False
        return Came(outcome, moved, gone, len(rejected) + len({tenant for tenant, _ in unclear}))

    def fed(self, told: Iterable[Told], run: Run) -> int:
        """What the feed told of the app was recorded; how many connections differ."""
        rows = {it.row.key: it for it in told if ((it.row.facts and it.row.facts.version) or 0) <= len(self.versions)}
        gone = [key for key, it in rows.items() if it.gone and key in self.known and self.known[key].listed]
        is_flood = len(gone) >= 5 and len(gone) > sum(known.listed for known in self.known.values()) / 2
        self.is_doubted = self.is_doubted or is_flood or any(it.row.key not in rows for it in told)
        return sum(self._told(key, it, run) for key, it in rows.items() if not (it.gone and is_flood))

    def fed_until(self, began: datetime) -> None:
        """All that was told until *began* is recorded, of an app that was walked since the feed began."""
        for known in self.known.values():
            if known.seen == self.exact and not self.is_doubted:
                known.seen = began
        if not self.is_doubted:
            self.exact = began

    def failed(self) -> Came:
        """A walk came to nothing."""
        self.failures += 1
        return Came("failed", 0, 0, 0)

    def removed(self, at: datetime) -> None:
        """The list of apps says that the app is deleted."""
        self.deleted = True
        self.happened.append(("app.deleted", None, None, None))
        for known in self.known.values():
            if known.facts.status != "disconnected":
                known.facts = known.facts._replace(status="disconnected", version=None, grants=None)
                self._turn(known, at)
                known.listed = False
        self._count(at)

    def _sorted(self, rows: Iterable[Served]) -> tuple[dict[Key, Served], set[Key], set[str]]:
        """The rows that say one thing of a connection, the connections of which they say several, whom to spare."""
        said: dict[Key, list[Served]] = defaultdict(list)
        exempt = {row.tenant for row in rows if row.facts is None and row.tenant is not None}
        for row in rows:
            if row.facts is not None:
                said[row.key].append(row)
        unclear = {key for key, several in said.items() if len({row.facts for row in several}) > 1}
        exempt |= {tenant for tenant, _ in unclear}
        return {key: several[0] for key, several in said.items() if key not in unclear}, unclear, exempt

    def _seen(self, key: Key, row: Served, run: Run, *, is_whole: bool) -> bool:
        """One connection was seen clearly; whether it differs in fact."""
        assert row.facts is not None
        facts = row.facts
        if facts.status in HELD and facts.grants is None:
            facts = facts._replace(grants=self.app.versions[(facts.version or 1) - 1].grants)
        before = self.known.get(key)
        known = self.known.setdefault(key, Known(facts, row.raw))
        begins = facts.status in HELD and (
            before is None or not known.held or (known.facts.client is not None and known.facts.client != facts.client)
        )
        was = None if before is None else known.facts
        known.facts, known.raw, known.listed, known.absent = facts, row.raw, True, 0
        known.epoch += begins
        if begins:
            known.epoch_started = min(facts.allowed or run.at, run.at)
        differs = was is None or begins or _fact(was) != _fact(facts)
        if differs:
            self._happens(key, was, facts, begins=begins)
            no_earlier = known.seen
            truth = None if run.is_frozen or known.is_doubtful or was is None else row.since
            self._turn(known, run.at, no_earlier=no_earlier, truth=truth)
            self._count(run.at)
        if is_whole:
            known.seen = run.started
        known.is_doubtful = False
        return differs

    def _told(self, key: Key, it: Told, run: Run) -> bool:
        """The feed told of one connection; whether it differs in fact."""
        known, facts = self.known.get(key), it.row.facts
        assert facts is not None
        if known is None:
            return not it.gone and self._seen(key, it.row, run, is_whole=False) and self._exact(key)
        known.facts = known.facts._replace(name=facts.name)
        if facts.status in HELD and facts.grants is None:
            facts = facts._replace(grants=self.app.versions[(facts.version or 1) - 1].grants)
        if known.facts == facts and known.listed != it.gone:
            return False
        if not it.gone:
            differs = self._seen(key, it.row, run, is_whole=False)
        else:
            differs = self._gone(key, known, run)
            known.facts = facts
        known.is_doubtful = False
        return self._exact(key) and differs

    def _exact(self, key: Key) -> bool:
        """Whoever was told of is known as exactly as anybody."""
        self.known[key].seen = self.exact
        return True

    def _gone(self, key: Key, known: Known, run: Run) -> bool:
        """One connection is listed no more; whether it differs in fact."""
        was = known.facts
        known.facts = was._replace(status="disconnected", version=None, grants=None, allowed=None, accepted=None)
        known.listed, known.absent = False, 0
        if _fact(was) == _fact(known.facts):
            return False
        self._happens(key, was, known.facts, begins=False)
        row = next(row for row in self.app.rows.values() if row.key == key)
        # Pages that shift can hide a row from two walks in a row: then it is not true, and the next look not either.
        known.is_doubtful = row.listed
        self._turn(known, run.at, no_earlier=known.seen, truth=None if row.listed or run.is_frozen else row.since)
        self._count(run.at)
        return True

    def _turn(
        self, known: Known, at: datetime, *, no_earlier: datetime | None = None, truth: datetime | None = None
    ) -> None:
        """One stretch ends and another begins."""
        first = not known.stretches
        if not first:
            last = known.stretches[-1]
            at = last.valid_to = max(at, last.valid_from + MOMENT)
        status, version, grants = _fact(known.facts)
        known.stretches.append(Stretch(status, version, grants, known.epoch, at, None, first, no_earlier, truth))

    def _happens(self, key: Key, was: Facts | None, now: Facts, *, begins: bool) -> None:
        """The events of a transition, in the words of `domain.md`."""
        types = []
        if begins:
            types.append("tenant.connected")
        elif was is None or was.status != now.status:
            if was is not None and was.status in HELD and now.status not in HELD:
                types.append("tenant.disconnected")
            else:
                names = {"disabled": "disabled", "connected": "enabled", "disconnected": "withdrawn"}
                types.append(f"tenant.{names.get(now.status, 'invited')}")
        before = was.version if was else None
        if not begins and before is not None and now.version is not None:
            if before != now.version:
                types.append("tenant.upgraded" if now.version > before else "version.regressed")
            elif was is not None and was.grants != now.grants:
                types.append("tenant.scopes_changed")
        self.happened += [(kind, key, before, now.version) for kind in types]

    def _count(self, at: datetime) -> None:
        """How many run each version, at the end of this day as far as it is known by now."""
        day = at.astimezone(UTC).date()
        counts: dict[tuple[str, int], int] = defaultdict(int)
        for (_, environment), known in self.known.items():
            if known.facts.status == "connected":
                counts[environment, known.facts.version or 0] += 1
        for environment, version in {*counts, *((e, v) for e, v, _ in self.adoption)}:
            self.adoption[environment, version, day] = counts.get((environment, version), 0)


def _fact(facts: Facts) -> tuple[str, int | None, frozenset[str] | None]:
    """What makes a difference; a name does not, nor does the client id by itself."""
    return facts.status, facts.version, facts.grants
