"""Somebody who asks one question after another, and a worker that polls an app meanwhile."""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from bench.questions import QUESTIONS, Known
from bench.questions.plain import PLAIN, kept, plainly
from bench.subjects.uptake import opened
from bench.years.telling import POLICIES
from models import Session, db_now
from models.leases import claim_app
from models.record import record
from models.stage import Fresh, Walk
from tasks.evaluate import evaluate_in
from uptake.facts import SeenConnection, SeenVersion, Status

_EVERY = timedelta(minutes=15)
_SHARE = 0.01
_LISTED = """
SELECT c.hash, c.external_id, t.external_id AS tenant, t.name AS tenant_name, c.environment, c.version, c.client_id,
    c.allowed_at, c.accepted_at, c.accepted_by
FROM connection c JOIN tenant t ON t.id = c.tenant_id WHERE c.app_id = :app AND c.status = 'connected'
ORDER BY c.hash
"""
_VERSIONS = """
SELECT v.number, g.grants, v.released_at, v.released_by FROM app_version v JOIN scope_set g ON g.id = v.scope_set_id
WHERE v.app_id = :app ORDER BY v.number
"""
_MIDDLE = """
SELECT app_id FROM tally GROUP BY app_id ORDER BY abs(sum(tenants) - :size) LIMIT 1
"""


def reading(*, seconds: float, pause: float, seed: int) -> Callable[[], dict[str, list[float]]]:
    """Ask all questions in an order of one's own, again and again; what each took, in milliseconds.

    *pause*: seconds between an answer and the next question.
    """
    opened()
    with Session() as session:
        known = Known.of(session, seed=seed)
        for question in QUESTIONS:
            question.ask(session, known)

    def read() -> dict[str, list[float]]:
        took: dict[str, list[float]] = defaultdict(list)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for question in known.chance.sample(QUESTIONS, len(QUESTIONS)):
                began = time.perf_counter()
                with Session() as session:
                    question.ask(session, known)
                took[question.name].append((time.perf_counter() - began) * 1000)
                time.sleep(pause * 2 * known.chance.random())
        return took

    return read


@dataclass(slots=True)
class _Portal:
    """What a portal would list of one app; each walk finds some upgraded."""

    app: int
    versions: list[SeenVersion]
    listed: list[tuple[int, SeenConnection]]

    @classmethod
    def of_size(cls, size: int) -> "_Portal":
        """The app with about so many connections, as it is stored."""
        with Session() as session:
            app = session.scalar(text(_MIDDLE), {"size": size}) or 0
            versions = [
                SeenVersion(row.number, frozenset(row.grants), row.released_at, row.released_by)
                for row in session.execute(text(_VERSIONS), {"app": app})
            ]
            listed = [
                (row.pop("hash"), SeenConnection(**row, status=Status.CONNECTED, grants=None))
                for row in map(dict, session.execute(text(_LISTED), {"app": app}).mappings())
            ]
        return cls(app, versions, listed)

    def walk(self) -> Walk:
        """One walk, before which a hundredth upgraded to the latest version; a new one is released when nobody can."""
        many = max(1, round(len(self.listed) * _SHARE))
        latest = self.versions[-1].number
        behind = [n for n, (_, seen) in enumerate(self.listed) if seen.version is None or seen.version < latest][:many]
        if len(behind) < many:
            with Session() as session:
                now = db_now(session)
            grants = self.versions[-1].grants | {f"tn.new.scope{latest}:r"}
            self.versions.append(SeenVersion(latest + 1, frozenset(grants), now, "j.doe"))
            return self.walk()
        fresh, stale = [], []
        for number in behind:
            known, seen = self.listed[number]
            moved = seen._replace(version=latest, accepted_by="owner")
            stale.append(known)
            fresh.append(Fresh(hash((known, latest)) or 1, moved))
            self.listed[number] = (fresh[-1].hash, moved)
        return Walk(fresh=fresh, stale=sorted(stale), pages=len(self.listed) // 500, rows=len(self.listed))


def writing(*, seconds: float, size: int, every: float) -> Callable[[], list[float]]:
    """Record a poll of an app of about this *size* and evaluate it, one *every* so many seconds; what each took."""
    opened()
    portal = _Portal.of_size(size)

    def write() -> list[float]:
        took = []
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            began = time.perf_counter()
            _poll(portal)
            took.append(time.perf_counter() - began)
            time.sleep(max(every - took[-1], 0.0))
        return took

    return write


def _poll(portal: _Portal) -> None:
    with Session.begin() as session:
        lease = claim_app(session, portal.app, now=db_now(session), every=_EVERY, forced=True)
    if lease is None:
        raise RuntimeError(f"app {portal.app} is not to be had")
    walk = portal.walk()
    with Session.begin() as session:
        recorded = record(session, lease, walk, portal.versions, now=db_now(session))
    if recorded.changed != len(walk.fresh):
        raise RuntimeError(f"{recorded.changed} changes were recorded of {len(walk.fresh)}")
    with Session.begin() as session:
        evaluate_in(session, portal.app, POLICIES, now=db_now(session))


def comparing(*, rounds: int) -> Callable[[], list[tuple[str, float, float]]]:
    """Ask what counters answer of them and of plain history, in turns; the median seconds of each."""
    opened()
    with Session() as session:
        known = Known.of(session, seed=0)

    def compare() -> list[tuple[str, float, float]]:
        found = []
        for name in PLAIN:
            times = [_both(name, known) for _ in range(rounds)]
            found.append((name, *map(statistics.median, zip(*times, strict=True))))
        return found

    return compare


def _both(name: str, known: Known) -> tuple[float, float]:
    """What each takes to answer about the same app."""
    drawn = known.chance.getstate()
    counted = _seconds(kept, name, known)
    known.chance.setstate(drawn)
    return counted, _seconds(plainly, name, known)


def _seconds(how: Callable[[OrmSession, str, Known], object], name: str, known: Known) -> float:
    began = time.perf_counter()
    with Session() as session:
        how(session, name, known)
    return time.perf_counter() - began
