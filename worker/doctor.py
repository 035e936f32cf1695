"""Whether everything that a running Uptake needs is there, check by check."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from kombu import Connection
from sqlalchemy import text
from sqlalchemy.orm import Session

from config import traces
from config.settings import SettingsError, settings
from models import db_now
from models.base import engine_for
from models.migrations import pending
from models.queries.accounts import audit_chain
from models.queries.notices import refused
from models.queries.overdue import overdue
from models.queries.recount import counters_apart, tallies_apart
from models.queries.sources import TICK_IS_LATE, sources, tick_age
from models.stopped import stopped
from tasks.rules import rules
from worker.addresses import broker_url, database_url
from worker.obstacles import obstacle

OLDEST_POSTGRES = 15
PATIENCE_SECONDS = 5


class UnwellError(Exception):
    """A check found what it looks for in a bad state; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    check: str
    ok: bool
    said: str


@contextmanager
def _reading() -> Iterator[Session]:
    engine = engine_for(database_url())
    try:
        with Session(engine) as session:
            yield session
    finally:
        engine.dispose()


def _settings() -> str:
    traces.check()
    return f"the environment is in order; data directory {settings().data_dir}"


def _rules() -> str:
    found = rules()
    if not settings().config.exists():
        return f"there is no {settings().config}, so nothing is polled; docs/uptake.example.toml is one to copy"
    return f"{settings().config}: sources: {len(found.sources)}, receivers: {len(found.receivers)}"


def _templates() -> str:
    # Nobody stops because of them, so they are no part of the rules.
    found = rules().templates
    if wrong := [line for broken in found.broken for line in broken.lines]:
        raise UnwellError(f"{'; '.join(wrong)}. Messages have the built-in words instead.")
    return f"templates of our own: {', '.join(sorted(found.texts)) or 'none'}"


def _database() -> str:
    with _reading() as session:
        version: str = session.execute(text("SHOW server_version")).scalar_one()
    if int(version.partition(".")[0]) < OLDEST_POSTGRES:
        raise UnwellError(f"PostgreSQL {version} is too old: Uptake needs {OLDEST_POSTGRES} or newer.")
    return f"PostgreSQL {version} answers"


def _schema() -> str:
    if pending(database_url()):
        raise UnwellError("The database's schema is not that of this version: run `uptake migrate` first.")
    return "up to date"


def reach_broker(url: str) -> None:
    """Raise kombu's OperationalError unless the broker at *url* answers within seconds."""
    patience = {"socket_connect_timeout": PATIENCE_SECONDS, "socket_timeout": PATIENCE_SECONDS}
    with Connection(url, transport_options=patience) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, timeout=PATIENCE_SECONDS)


def _broker() -> str:
    reach_broker(broker_url())
    return "the broker answers"


def _worker() -> str:
    with _reading() as session:
        age = tick_age(session)
    if age is None:
        raise UnwellError("No worker has ever looked for due work: start one with `uptake worker` or `uptake up`.")
    if age > TICK_IS_LATE:
        raise UnwellError(f"No worker has looked for due work for {age.total_seconds():.0f} s: is one running?")
    return f"a worker looked for due work {max(age.total_seconds(), 0):.0f} s ago"


def _sources() -> str:
    with _reading() as session:
        found = sources(session)
    if wrong := [f"{one.source}: {one.error}" for one in found if one.error]:
        raise UnwellError("; ".join(wrong))
    if failing := [f"{one.source}: {one.failing_apps} apps" for one in found if one.failing_apps]:
        raise UnwellError(f"The last polls failed of {', '.join(failing)}; `uptake status` says why.")
    listed = [f"{one.source} ({one.apps} apps, {'followed by its feed' if one.fed_at else 'walked'})" for one in found]
    none = "no list of apps has been read so far" if rules().sources else "none in uptake.toml, so nothing is polled"
    return ", ".join(listed) or none


def _receivers() -> str:
    with _reading() as session:
        found = stopped(session)
        unsent = refused(session, since=db_now(session) - timedelta(days=1))
    if found:
        told = "; ".join(
            f"{one.name}, since {one.stopped_at:%Y-%m-%d %H:%M} UTC: {one.reason} ({one.waiting} messages wait)"
            for one in found
        )
        raise UnwellError(f"Cannot be used: {told}. Mend it, then `uptake check --test NAME` or restart the worker.")
    if unsent:
        told = "; ".join(f"{one.receiver}: {one.count}, the last for {one.last}" for one in unsent)
        raise UnwellError(f"Reminders came to nothing in the last day ({told}). They are tried again day by day.")
    return "none refuses us"


def _work() -> str:
    with _reading() as session:
        late = overdue(session, rules().policies.receivers, now=db_now(session))
    if late:
        found = "; ".join(f"{one.what}: {one.count}, since {one.since:%Y-%m-%d %H:%M} UTC" for one in late)
        raise UnwellError(f"Overdue are {found}. Are there enough workers? Their logs say what holds them up.")
    return "nothing is overdue"


def _adoption() -> str:
    with _reading() as session:
        wrong = counters_apart(session) or tallies_apart(session)
    if wrong:
        first = wrong[0]
        raise UnwellError(
            f"{len(wrong)} adoption counters differ from a recount, the first of {first.app} at version {first.version}"
            f" in {first.environment}: {first.counted}, and {first.recounted} by a recount. This is a fault of"
            " Uptake's: please report it. Connections and tenures are right."
        )
    return "the counters are what a recount of the tenures gives"


def _audit() -> str:
    with _reading() as session:
        entries, broken = audit_chain(session)
    if broken is not None:
        raise UnwellError(
            f"The audit trail was changed in the database: entry {broken} is not what was written down, or follows one"
            " that is not. A backup of the database has what was there."
        )
    return f"{entries} entries, each as it was written down"


CHECKS: dict[str, Callable[[], str]] = {
    "settings": _settings,
    "rules": _rules,
    "templates": _templates,
    "database": _database,
    "schema": _schema,
    "broker": _broker,
    "worker": _worker,
    "sources": _sources,
    "receivers": _receivers,
    "work": _work,
    "adoption": _adoption,
    "audit": _audit,
}


def examined(*checks: str) -> list[Finding]:
    """Run *checks* in their order; each says what it found, and one that fails does not keep the next from running.

    One that fails for the reason of an earlier one says of which.
    """
    found: list[Finding] = []
    for check in checks:
        one = _examined(check)
        same = next((before.check for before in found if not before.ok and before.said == one.said), None)
        found.append(one if one.ok or same is None else replace(one, said=f"fails for the same reason: see {same}"))
    return found


def _examined(check: str) -> Finding:
    try:
        return Finding(check, ok=True, said=CHECKS[check]())
    except UnwellError as error:
        return Finding(check, ok=False, said=str(error))
    except Exception as error:
        if (sentence := obstacle(error)) is None:
            raise
        return Finding(check, ok=False, said=sentence)


def require(*checks: str) -> None:
    """Raise SettingsError with what the first failing check found."""
    for check in checks:
        if not (finding := _examined(check)).ok:
            raise SettingsError(finding.said)
