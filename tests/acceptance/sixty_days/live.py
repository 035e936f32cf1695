"""Live through the plot as the worker would, step by step, in a process that may be killed at any moment.

`python -m tests.acceptance.sixty_days.live DATABASE KILLS SEED`: the parent forks lives, kills so many of them with
SIGKILL, each after a random while, and ends when one has come to the end.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from models import Session
from models.base import engine_for
from models.contacts import keep_contacts
from models.failures import app_poll_failed
from models.groups import arouse
from models.leases import claim_app, claim_source
from models.listing import record_listing, sync_sources
from models.opt_out import opt_out
from models.quiet import Matchers, acknowledge, silence
from models.stale import stale
from tasks.deliver import deliver_now
from tasks.evaluate import due_apps, evaluate_now
from tasks.flush import flush_now
from tasks.remind import remind_now
from tasks.rules import rules
from tests.acceptance.sixty_days import plot
from tests.integration.models.world import World
from uptake.errors import Fault, TransientError

_LIVES = (0.05, 0.6)  # seconds
# The minutes pass that a lease of somebody who died holds.
_TIME_PASSES = """
UPDATE notice SET lease_until = clock_timestamp() - interval '1 s' WHERE state = 'sending';
UPDATE app SET lease_until = NULL; UPDATE source SET lease_until = NULL;
"""
_DONE = "INSERT INTO fire (schedule, due_at) VALUES (:name, :at) ON CONFLICT DO NOTHING RETURNING due_at"


def main() -> None:
    """Fork lives until one reaches the end."""
    database, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    chance = random.Random(seed)
    while True:
        life = os.fork()
        if life == 0:
            _live(database)
            os._exit(0)
        if kills:
            time.sleep(chance.uniform(*_LIVES))
            os.kill(life, signal.SIGKILL)
            kills -= 1
        if os.waitstatus_to_exitcode(os.waitpid(life, 0)[1]) != -signal.SIGKILL:
            break
    if kills:
        raise SystemExit(f"the story ended {kills} kills too early, or broke")


def _live(database: str) -> None:
    Session.configure(bind=engine_for(database))
    with Session.begin() as session:
        session.execute(text(_TIME_PASSES))
        last = session.scalar(text("SELECT max(due_at) FROM fire WHERE schedule = 'step'"))
        _begin(session)
    now = last + plot.STEP if last else plot.START
    while now < plot.day(plot.DAYS):
        step(now)
        with Session.begin() as session:
            session.execute(text(_DONE), {"name": "step", "at": now})
        now += plot.STEP


def _begin(session: OrmSession) -> None:
    """Know the source, its apps and, once its tenants are known, their contacts."""
    if session.scalar(text("SELECT count(*) FROM app")):
        return
    sync_sources(session, [("acme", "portal")], now=plot.START)
    lease = claim_source(session, 1, now=plot.START, every=plot.STEP, forced=True)
    assert lease
    record_listing(session, lease, plot.apps(plot.START), now=plot.START, duration_seconds=0.1)


def step(now: datetime) -> None:
    """Whatever the daemon does in three hours, done at once."""
    for app, external in _apps():
        _poll(app, external, now)
    for deed in plot.DEEDS:
        if deed.at <= now:
            _do(deed, now)
    with Session.begin() as session:
        # As the tick does every minute.
        if changed := stale(session, older_than=rules().stale_after, now=now):
            arouse(session, rules().policies, now=now, apps=changed)
    for app in due_apps(now=now):
        evaluate_now(app, now=now)
    flush_now(now=now)
    remind_now(now=now)
    deliver_now(now=now)
    # What the last look before sending took back is asked again.
    remind_now(now=now)
    deliver_now(now=now)


def _apps() -> list[Any]:
    with Session() as session:
        return list(session.execute(text("SELECT id, external_id FROM app ORDER BY id")))


def _poll(app: int, external: str, now: datetime) -> None:
    """Once a step, whoever is killed after it: what failed twice has failed for longer, and is told of sooner."""
    with Session.begin() as session:
        if session.execute(text(_DONE), {"name": f"poll {external}", "at": now}).one_or_none() is None:
            return
        if plot.DOWN[0] <= now < plot.DOWN[1]:
            lease = claim_app(session, app, now=now, every=plot.STEP, forced=True)
            assert lease
            app_poll_failed(session, lease, TransientError("503", fault=Fault.SERVER), now=now, duration_seconds=0.1)
            return
        world = World(session, now - plot.STEP, plot.STEP, source_id=1, app_id=app)
        world.versions, world.listed = plot.versions(external, now), plot.listed(external, now)
        world.poll()
        if now == plot.START:
            keep_contacts(session, plot.people())


def _do(deed: plot.Deed, now: datetime) -> None:
    """Once, whoever is killed meanwhile."""
    with Session.begin() as session:
        if session.execute(text(_DONE), {"name": deed.name, "at": deed.at}).one_or_none() is None:
            return
        if deed.name == "acknowledge":
            query = "SELECT id FROM alert WHERE state = 'firing' AND kind = 'tenant_lagging'"
            found = session.scalars(text(query)).all()
            assert acknowledge(
                session, found, author="eve", comment="calls them", until=now + timedelta(days=3), now=now
            )
        elif deed.name == "silence":
            silence(
                session,
                Matchers(tenant="40"),
                author="eve",
                comment="on holiday",
                starts_at=now,
                ends_at=now + timedelta(days=6),
                now=now,
            )
        else:
            tenant = session.scalars(text("SELECT id FROM tenant WHERE external_id = '34'")).one()
            assert opt_out(session, [tenant], "admin@t34.example", now=now)


if __name__ == "__main__":
    main()
