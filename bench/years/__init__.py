"""Two years of a company with Uptake, written by SQL as polls, evaluations and deliveries would have left it."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from bench.years import bulk, founding, living, telling
from bench.years.sizes import Years
from models import db_now
from models.partitions import drop_partitions, make_partitions
from models.queries.studies import study
from models.queries.taken import watched_by_id
from models.study import claim_study, keep_studies


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
    work_out(engine)
    say("  (and what takes long to say is worked out)")


def work_out(engine: Engine) -> None:
    """Have worked out ahead what workers would have by now, of the apps that are due."""
    with Session(engine) as session, session.begin():
        now = db_now(session)
        while (app_id := claim_study(session, now=now)) is not None:
            app = watched_by_id(session, app_id)
            for one in study(session, app, now=now):
                keep_studies(
                    session,
                    app_id,
                    one.answers,
                    environment=one.environment,
                    as_of=app.as_of,
                    rests_on=app.changed_at,
                    now=now,
                )
