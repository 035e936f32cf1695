"""Two years of a million connections: every question of pages and API, with a poll writing and eight who read."""

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sqlalchemy import text

from bench.cluster import Cluster, cluster
from bench.dashboard import Streamed, dashboard
from bench.measure import Measured, child, measure
from bench.plans import whole
from bench.questions import QUESTIONS, Known
from bench.report import MIB, Section, Table, Target
from bench.scale import Scale
from bench.years import live, work_out
from bench.years.sizes import Years
from models import Session
from models.base import engine_for
from models.migrations import upgrade
from models.queries.apps import totals

_DATABASE, _UNFINISHED = "years", "unfinished"
_READERS, _PAUSE = 8, 0.1
_SECONDS = 300.0
_MIDDLE = 10_000  # tenants of the app that is polled meanwhile
_POLL_EVERY = 1.0  # seconds; a hundred apps that are polled every 15 minutes are one in nine seconds
_OVERVIEWS = 20
_RULES = """
[[source]]
name = "acme"
kind = "portal"
url = "http://127.0.0.1:1/portal/v2"
token_url = "http://127.0.0.1:1/connect/token"
organization = "1"
client_id = "cid.bench"
client_secret = "file:secret"
app_key = "file:secret"
"""
_APPS = "SELECT s.name || ':' || a.external_id FROM app a JOIN source s ON s.id = a.source_id ORDER BY a.id"


def run(scale: Scale) -> Section:
    """Ask everything while an app is polled; then the same of plain history, and what the dashboard makes of it."""
    years = Years(20_000, 10, 730) if scale.quick else Years(scale.apps * scale.tenants, scale.apps)
    with _lived(years, scale.kept) as (place, running):
        engine = engine_for(running.dsn(_DATABASE))
        Session.configure(bind=engine)
        environment = _environment(place, running)
        took, polls = _asked(running, environment, seconds=6.0 if scale.quick else _SECONDS)
        scans = _scans()
        plain = _plain(running, environment, rounds=2 if scale.quick else scale.rounds)
        shown, streamed = _served(environment, years)
        with Session() as session:
            firing = totals(session).firing
        engine.dispose()
    notes = _notes(years, polls, firing=firing)
    return _section(years, took, scans=scans, plain=plain, shown=shown, streamed=streamed, notes=notes)


@contextmanager
def _lived(years: Years, kept: Path | None) -> Iterator[tuple[Path, Cluster]]:
    """A cluster with the two years, made now or, in the directory that is *kept*, in an earlier run."""
    with ExitStack() as stack:
        place = kept or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="uptake-bench-")))
        running = stack.enter_context(cluster(place))
        if not running.has(_DATABASE):
            running.create(_UNFINISHED)
            engine = engine_for(running.dsn(_UNFINISHED))
            live(engine, years)
            engine.dispose()
            running.rename(_UNFINISHED, _DATABASE)
        upgrade(running.dsn(_DATABASE))
        engine = engine_for(running.dsn(_DATABASE))
        work_out(engine)
        engine.dispose()
        yield place, running


def _environment(place: Path, running: Cluster) -> Mapping[str, str]:
    (place / "secret").write_text("secret-of-the-bench")
    (place / "uptake.toml").write_text(_RULES)
    return {
        "DATABASE_URL": running.dsn(_DATABASE),
        "UPTAKE_CONFIG": str(place / "uptake.toml"),
        "UPTAKE_LOG_LEVEL": "warning",
    }


def _asked(
    running: Cluster, environment: Mapping[str, str], *, seconds: float
) -> tuple[dict[str, list[float]], list[float]]:
    """What each question took, in milliseconds, and each poll beside them, in seconds."""
    with ExitStack() as stack:
        subject, arguments = "bench.subjects.asking:reading", {"seconds": seconds, "pause": _PAUSE}
        children = [
            stack.enter_context(child(subject, arguments | {"seed": seed}, environment)) for seed in range(_READERS)
        ]
        writer = {"seconds": seconds, "size": _MIDDLE, "every": _POLL_EVERY}
        children.append(stack.enter_context(child("bench.subjects.asking:writing", writer, environment)))
        *readers, polls = measure(running, children).value
    return {q.name: [one for reader in readers for one in reader[q.name]] for q in QUESTIONS}, polls


def _scans() -> dict[str, list[str]]:
    """Which large tables each question has looked through whole."""
    found = {}
    with Session() as session:
        known = Known.of(session, seed=1)
        for question in QUESTIONS:
            scans = whole(session, lambda session, question=question: question.ask(session, known))  # type: ignore[misc]
            found[question.name] = sorted({scan.index or scan.table for scan in scans})
    return found


def _plain(running: Cluster, environment: Mapping[str, str], *, rounds: int) -> dict[str, tuple[float, float]]:
    """For each question that counters answer: the seconds it takes by them, and of plain history; in turns, alone."""
    with child("bench.subjects.asking:comparing", {"rounds": rounds}, environment) as subject:
        found: Measured = measure(running, [subject])
    return {name: (kept, plain) for name, kept, plain in found.value}


def _served(environment: Mapping[str, str], years: Years) -> tuple[dict[str, float], Streamed]:
    """Seconds for a page or an answer, and a CSV of the tenants of all apps."""
    with dashboard(environment) as served:
        with Session() as session:
            apps, known = session.scalars(text(_APPS)).all(), Known.of(session, seed=0)
        shown = {
            what: statistics.median(served.seconds(path) for _ in range(_OVERVIEWS))
            for what, path in _paths(known).items()
        }
        lists = [f"/api/v1/apps/{app}/tenants.csv?sort=name" for app in apps]
        return shown, served.stream(lists, rows=years.connections)


def _paths(known: Known) -> dict[str, str]:
    """The pages that people open, of the largest app and of one of its tenants."""
    app = known.apps[0]
    tenant = f"{app.key.partition(':')[0]}:{app.tenants[0]}"
    return {
        "the page of all apps": "/",
        "the largest app": f"/apps/{app.key}",
        "an older version of it": f"/apps/{app.key}/versions/2",
        "all tenants": "/tenants",
        "those who are blocked": "/tenants?class=blocking",
        "a tenant": f"/tenants/{tenant}",
        "alerts": "/alerts",
        "messages": "/messages",
        "health": "/health",
        "the API's list of apps": "/api/v1/apps?limit=1000",
    }


def _section(
    years: Years,
    took: Mapping[str, Sequence[float]],
    *,
    scans: Mapping[str, Sequence[str]],
    plain: Mapping[str, tuple[float, float]],
    shown: Mapping[str, float],
    streamed: Streamed,
    notes: list[str],
) -> Section:
    points = {name: _points(each) for name, each in took.items()}
    return Section(
        name="questions",
        title="Every question at full size",
        setting=f"{years.connections:,} connections of {years.apps} apps, two years of history, {_READERS} readers",
        tables=[
            Table(
                ["question", "asked", "p50 ms", "p95 ms", "p99 ms", "reads whole"],
                [
                    [name, f"{len(took[name]):,}", *(f"{point:.1f}" for point in each), ", ".join(scans[name]) or "-"]
                    for name, each in points.items()
                ],
            ),
            _beside_plain(plain),
            Table(["answer over HTTP", "ms"], [[what, f"{seconds * 1000:.0f}"] for what, seconds in shown.items()]),
            _stream(streamed),
        ],
        targets=_targets(points, scans=scans, plain=plain, shown=shown, streamed=streamed),
        notes=notes,
    )


def _beside_plain(plain: Mapping[str, tuple[float, float]]) -> Table:
    return Table(
        ["question", "ms", "ms of plain history", "ratio"],
        [
            [name, f"{fast * 1000:.1f}", f"{slow * 1000:,.0f}", f"{slow / fast:,.0f} x"]
            for name, (fast, slow) in plain.items()
        ],
    )


def _stream(streamed: Streamed) -> Table:
    first, last = (f"{size / MIB:.0f}" for size in (streamed.first, streamed.last))
    return Table(
        ["CSV of tenants, app by app", "rows", "s", "MiB after a tenth", "MiB at the end"],
        [["all of them", f"{streamed.rows:,}", f"{streamed.seconds:.1f}", first, last]],
    )


def _targets(
    points: Mapping[str, tuple[float, float, float]],
    *,
    scans: Mapping[str, Sequence[str]],
    plain: Mapping[str, tuple[float, float]],
    shown: Mapping[str, float],
    streamed: Streamed,
) -> list[Target]:
    awaited = [question.name for question in QUESTIONS if question.is_awaited]
    whole_tables = sum(bool(set(scans[one.name]) - {one.counts}) for one in QUESTIONS if one.is_awaited)
    return [
        Target("p95 of the slowest question", max(points[name][1] for name in awaited), most=20, unit="ms"),
        Target("p99 of the slowest question", max(points[name][2] for name in awaited), most=60, unit="ms"),
        Target("questions that read a large table whole", whole_tables, most=0, unit=""),
        Target("the page of all apps", shown["the page of all apps"] * 1000, most=200, unit="ms"),
        Target("memory at the end of a CSV : after a tenth", streamed.last / streamed.first, most=1.1),
        Target(
            "plain history : counters, the least of them", min(slow / fast for fast, slow in plain.values()), least=1
        ),
    ]


def _notes(years: Years, polls: Sequence[float], *, firing: int) -> list[str]:
    return [
        (
            f"Meanwhile an app of about {_MIDDLE:,} tenants was polled and evaluated each second, 1 % upgraded each"
            f" time: {len(polls)} polls, {statistics.median(polls):.2f} s in the median. A hundred apps that are"
            " polled every 15 minutes are one in nine seconds."
        ),
        (
            f"A reader waits {_PAUSE} s on average before it asks again, and draws the app anew: the largest, with"
            f" {years.sizes[0]:,} connections, as often as the smallest, with {years.sizes[-1]:,}."
        ),
        (
            "What only a program asks for, once in a while (its name begins with `figures:`), is measured and not"
            " held to the targets: it counts all that is open."
        ),
        (
            "Who counts all that fires or waits reads the index of just that whole, which grows with it and is no miss:"
            f" {', '.join(f'{one.name} ({one.counts})' for one in QUESTIONS if one.counts and one.is_awaited)}. Here"
            f" {firing:,} alerts fire."
        ),
        "Plain history is the same stretches with the same indexes, without verdicts and counters; asked alone.",
    ]


def _points(took: Sequence[float]) -> tuple[float, float, float]:
    ordered = sorted(took)
    return tuple(ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95, 0.99))  # type: ignore[return-value]  # three
