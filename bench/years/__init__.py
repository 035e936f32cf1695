"""Two years of a company with Uptake, written by SQL as polls, evaluations and deliveries would have left it."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bench.years import bulk, founding, living, telling
from bench.years.sizes import Years
from models import db_now
from models.partitions import drop_partitions, make_partitions


def live(engine: Engine, years: Years, *, say: Callable[[str], object] = print) -> None:
    """Fill an empty database, the same in every run but for the clock, and tell the planner of it."""
    with Session(engine) as session, session.begin():
        now = db_now(session)
        make_partitions(session, now=now, since=now - timedelta(days=years.days + 40))
        drop_partitions(session, {"poll": timedelta(days=years.polls_days)}, now=now)
        for setting in ("synchronous_commit = off", "work_mem = '256MB'", "maintenance_work_mem = '512MB'"):
            session.execute(text(f"SET LOCAL {setting}"))
        with bulk.bare(session):
            founding.found(session, years, now=now)
            living.connect(session, years, now=now)
            living.remember(session)
            telling.poll(session, years, now=now)
            say("  (two years of connections are written)")
        telling.judge(session, now=now)
        with bulk.bare(session, *telling.TABLES):
            telling.tell(session, now=now)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    say("  (and what was told of them)")
