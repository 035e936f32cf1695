"""A portal over real HTTP, and a database that has recorded it once, rolled back after each test."""

import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest
from sqlalchemy import Connection, Engine, text

from config.settings import settings
from models import Session, db_now
from models.listing import sync_sources
from tasks import edges
from tasks.edges import source_named
from tasks.poll import list_apps, poll
from tasks.rules import rules
from tests.integration.bad_input.certificates import Authority
from tests.integration.small_portal import SmallPortal, small_portal
from tests.integration.tasks.conftest import chosen as chosen  # noqa: PLC0414 - a fixture of that folder, for this one too
from tests.integration.tasks.recorded import Ours, well
from uptake.sources.portal import PortalSource


class Recorded(NamedTuple):
    """A connection inside whose transaction there is something to poll again."""

    connection: Connection
    ours: Ours


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who issues certificates here."""
    return Authority()


@pytest.fixture(scope="session")
def portal() -> Iterator[SmallPortal]:
    """One portal for all tests here: it takes long to end."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with small_portal(apps=(4711, 4712)) as portal:
        yield portal


@pytest.fixture(scope="module")
def recorded(engine: Engine, portal: SmallPortal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """Five tenants of two apps, on version 1 of two, in a transaction that is rolled back."""
    portal.apps, portal.latest, portal.tenants = (4711, 4712), 2, dict.fromkeys(range(1, 6), 1)
    portal.fault = well
    with pytest.MonkeyPatch.context() as patch, engine.connect() as connection:
        # Reading all the world's authorities for each client would take most of the time here.
        patch.setattr(httpx, "create_ssl_context", functools.cache(httpx.create_ssl_context))
        patch.setattr(edges, "PortalSource", functools.partial(PortalSource, sleep=lambda _seconds: None))
        patch.setenv("UPTAKE_CONFIG", str(portal.toml(tmp_path_factory.mktemp("recorded") / "uptake.toml")))
        outer = connection.begin()
        Session.configure(bind=connection, join_transaction_mode="create_savepoint")
        _forget()
        with Session.begin() as session:
            now = db_now(session)
            sync_sources(session, [("acme", "portal")], now=now)
            source = session.scalars(text("SELECT id FROM source")).one()
        list_apps(source, now=now)
        with Session() as session:
            apps = session.scalars(text("SELECT id FROM app ORDER BY external_id")).all()
        for app in apps:
            assert poll(app, now=now)
        source_named("acme").close()
        yield Recorded(connection, Ours(str(engine.url), portal, apps[0], source, now))
        outer.rollback()
    _forget()


@pytest.fixture
def ours(recorded: Recorded, chosen: Path, portal: SmallPortal) -> Iterator[Ours]:
    """What is recorded, as at first; since then two tenants upgraded, one left, one came, and version 3 is out."""
    portal.apps, portal.latest, portal.tenants = (4711, 4712), 3, {1: 2, 3: 1, 4: 1, 5: 2, 6: 3}
    portal.fault = well
    portal.toml(chosen)
    portal.asked.clear()
    _forget()
    Session.configure(bind=recorded.connection, join_transaction_mode="create_savepoint")
    mark = recorded.connection.begin_nested()
    yield recorded.ours
    source_named("acme").close()
    mark.rollback()


def _forget() -> None:
    for cache in (settings, rules, source_named):
        cache.cache_clear()
