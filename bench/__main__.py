"""`make bench`: a poll against the floor of reading and decoding the same pages, in one run, as medians."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

TENANTS, ROUNDS = 10_000, 5
RESULTS = Path(__file__).parent / "RESULTS.md"
RULES = """
[[source]]
name = "acme"
kind = "portal"
url = "{url}/portal/v2"
token_url = "{url}/connect/token"
organization = "1001"
client_id = "cid.bench"
client_secret = "file:secret"
app_key = "file:secret"
"""


@contextmanager
def _portal() -> Iterator[str]:
    process = subprocess.Popen([sys.executable, "-m", "bench.portal", str(TENANTS)], stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip() if process.stdout else ""
    finally:
        process.terminate()
        process.wait()


def _timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return (time.perf_counter() - started) * 1000


def _measure(url: str) -> dict[str, list[float]]:
    # Only now does the environment name the rules that these read once.
    from models import Session  # noqa: PLC0415
    from tasks.edges import source_named  # noqa: PLC0415
    from tasks.poll import list_apps, poll  # noqa: PLC0415
    from worker.lifecycle import adopt_sources, open_database  # noqa: PLC0415

    open_database()
    adopt_sources()
    list_apps(1, forced=True)
    source = source_named("acme")

    def floor() -> None:
        for page in source.pages("4711", {}, conditional=False):
            for item in page.items or ():
                source.decode("4711", item)

    def polled(expected: int) -> None:
        recorded = poll(1, forced=True)
        if recorded is None or recorded.changed != expected:
            raise RuntimeError(f"recorded {recorded}, where {expected} changes were to be found")

    found: dict[str, list[float]] = {}
    _keep(found, "first poll: every row is new", _timed(lambda: polled(TENANTS)))
    changed = 0
    for _ in range(ROUNDS):
        _keep(found, "floor: read and decode all pages", _timed(floor))
        _keep(found, "poll, nothing changed", _timed(lambda: polled(0)))
        for share in (0.001, 0.01, 0.1):
            step = int(TENANTS * share)
            changed += step
            urlopen(f"{url}/change?rows={changed}").close()  # noqa: S310 - our own server
            _keep(found, f"poll, {share:.1%} upgraded", _timed(lambda step=step: polled(step)))  # type: ignore[misc]
    source.close()
    Session.kw["bind"].dispose()
    return found


def _keep(found: dict[str, list[float]], name: str, figure: float) -> None:
    found.setdefault(name, []).append(figure)


def _report(found: dict[str, list[float]]) -> str:
    floor = statistics.median(found["floor: read and decode all pages"])
    lines = [
        "# Measurements",
        "",
        f"One app with {TENANTS:,} tenants on pages of 500, {os.cpu_count()} cores, PostgreSQL and the portal on",
        f"the same machine; medians of {ROUNDS} rounds in one run (`make bench`). What counts are the ratios.",
        "",
        "| what | ms | to the floor |",
        "|---|---:|---:|",
    ]
    for name, figures in found.items():
        median = statistics.median(figures)
        lines.append(f"| {name} | {median:.0f} | {median / floor:.2f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print and write RESULTS.md."""
    from config.settings import settings  # noqa: PLC0415 - as below
    from models.migrations import upgrade  # noqa: PLC0415 - as below
    from worker.embedded import Postgres  # noqa: PLC0415 - as below

    with tempfile.TemporaryDirectory(prefix="uptake-bench-") as place, _portal() as url:
        directory = Path(place)
        (directory / "secret").write_text("secret-of-the-bench")
        (directory / "uptake.toml").write_text(RULES.format(url=url))
        with Postgres(directory / "data", disposable=True) as database:
            os.environ |= {"DATABASE_URL": database, "UPTAKE_CONFIG": str(directory / "uptake.toml")}
            settings.cache_clear()
            upgrade(database)
            report = _report(_measure(url))
    print(report)
    RESULTS.write_text(report)


if __name__ == "__main__":
    main()
