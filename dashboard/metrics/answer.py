"""The answer to a scrape: asked of the database at most every few seconds, whoever scrapes how often."""

import threading
import time
from importlib.metadata import version

import structlog
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session as OrmSession

from config.settings import SettingsError
from dashboard.metrics.counted import Counts
from dashboard.metrics.dear import Dear
from dashboard.metrics.declared import Families
from dashboard.metrics.now import put_apps, put_messages, put_open, put_sources, put_work
from models import Session, db_now
from models.queries.figures import be_brief, open_alerts, open_threads, readings, stands
from tasks.rules import rules

log = structlog.get_logger()

FRESH_SECONDS = 5.0


class Figures:
    """What there is to be scraped of one application; what it counts begins when it is first asked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counts | None = None
        self._kept: dict[int, tuple[float, bytes]] = {}
        self._stands = Dear(lambda session, now: stands(session, now=now))
        self._readings = Dear(lambda session, _: readings(session))
        self._alerts = Dear(lambda session, now: open_alerts(session, now=now))
        self._threads = Dear(lambda session, _: open_threads(session))
        # Its own, for what other libraries leave in the common one is nobody's business.
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)

    def text(self, *, apps: int) -> bytes:
        """All figures in Prometheus' text format, not older than a few seconds; so many *apps* by themselves."""
        with self._lock:
            asked_at, kept = self._kept.get(apps, (0.0, b""))
            if not kept or time.monotonic() - asked_at > FRESH_SECONDS:
                asked_at, kept = time.monotonic(), self._asked(apps)
                self._kept[apps] = (asked_at, kept)
        return kept

    def _asked(self, apps: int) -> bytes:
        families = Families()
        families.put("uptake_build_info", 1, version("uptake"))
        try:
            self._ask(families, apps)
        except SQLAlchemyError as error:
            log.warning("figures.missed", error=type(error).__name__)
            families = Families()
            families.put("uptake_build_info", 1, version("uptake"))
            families.put("uptake_database_up", 0)
        return generate_latest(families) + generate_latest(self._process)

    def _ask(self, families: Families, apps: int) -> None:
        began = time.monotonic()
        with Session() as session:
            be_brief(session)
            self._put(families, session, apps)
        families.put("uptake_database_up", 1)
        families.put("uptake_figures_duration_seconds", time.monotonic() - began)

    def _put(self, families: Families, session: OrmSession, apps: int) -> None:
        now = db_now(session)
        found, read = self._stands.answer(session, now=now), self._readings.answer(session, now=now)
        put_apps(families, found, read, most=apps)
        put_open(families, self._alerts.answer(session, now=now), self._threads.answer(session, now=now))
        sources = put_sources(families, session, now=now)
        put_work(families, session, now=now)
        receivers = put_messages(families, session, _receivers(), now=now)
        if self._counts is None:
            self._counts = Counts(session)
        else:
            self._counts.look(session)
        self._counts.put(families, sources=sources, receivers=receivers)


def _receivers() -> tuple[str, ...]:
    """Those of uptake.toml, where the dashboard can read it."""
    try:
        return tuple(rules().receivers)
    except SettingsError:
        return ()
