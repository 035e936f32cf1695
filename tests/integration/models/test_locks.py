"""Who waits for whom: work on different rows goes on side by side, and never in a circle."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from models.alerts import evaluate
from models.failures import portal_answered
from models.leases import claim_app, claim_source, ring_apps, want_polls
from models.letters import take_back
from models.listing import record_listing
from models.opt_out import opt_out
from models.threads import give_back
from tests.integration.models.waiting import waiting
from uptake.facts import SeenApp
from uptake.policies import Policies
from uptake.policy import DEFAULT

EVERY = timedelta(minutes=15)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOTICE = text("""
INSERT INTO notice (key, receiver, "to", reason, source_id, app_id, subject, body, html, payload, state,
    created_at, due_at)
VALUES ('k', 'log', '', 'first', 1, 1, '', '', '', '{}', 'due', :now, :now)
""")

THREADS = text("""
INSERT INTO reminder (connection_id, app_id, tenant_id, environment, target_version, opened_at, sent)
SELECT n, 1, n, 'production', 2, :now, 1 FROM generate_series(1, 3) n
""")
# Two messages that speak for threads 1 and 2, and one for thread 3.
LETTERS = text("""
WITH made AS (
    INSERT INTO notice (key, receiver, "to", reason, reminder_id, subject, body, state, gives_back, created_at, due_at)
    SELECT n, 'log', '', 'first', 1, '', '', :state, :state = 'cancelled', :now, :now FROM generate_series(1, 3) n
    RETURNING id, key
)
INSERT INTO notice_reminder (notice_id, reminder_id, number)
SELECT id, r, 1 FROM made, generate_series(1, 3) r WHERE (key = '3') = (r = 3)
""")


def test_notices_are_written_while_their_app_is_evaluated(apart: Engine) -> None:
    """An evaluation that waits for a group must not be what the flush that holds the group waits for."""
    with Session(apart) as one, apart.connect() as other, one.begin(), other.begin():
        assert evaluate(one, 1, Policies(DEFAULT), now=NOW)
        other.execute(NOTICE, {"now": NOW})


def test_sources_take_turns(apart: Engine) -> None:
    """A source with many overdue apps does not keep the others waiting; within one, the most overdue comes first."""
    with apart.begin() as connection:
        connection.execute(
            text("INSERT INTO source (name, kind, next_poll_at) VALUES ('small', 'portal', :now)"), {"now": NOW}
        )
        connection.execute(
            text("""INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
                    SELECT 1, n::text, 'App', :now, :now - n * interval '1 minute' FROM generate_series(1, 50) n"""),
            {"now": NOW},
        )
        connection.execute(
            text("""INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
                    SELECT 2, n::text, 'App', :now, :now FROM generate_series(1, 2) n"""),
            {"now": NOW},
        )
        asked = text("SELECT source_id, external_id FROM app WHERE id = ANY(:ids) ORDER BY source_id, next_poll_at")
        with Session(connection) as session:
            first = ring_apps(session, now=NOW, most=5)
            rest = ring_apps(session, now=NOW, most=5)
            named = [tuple(row) for row in session.execute(asked, {"ids": list(first)})]
        assert named == [(1, "50"), (1, "49"), (1, "48"), (2, "1"), (2, "2")]
        assert len(set(first) | set(rest)) == 10


def test_notices_are_written_while_apps_are_rung_for(apart: Engine) -> None:
    """A tick that has not committed yet holds up nobody who writes about its apps."""
    with Session(apart) as one, apart.connect() as other, one.begin(), other.begin():
        assert ring_apps(one, now=NOW, most=9) == [1]
        other.execute(NOTICE, {"now": NOW})


def _more_apps(apart: Engine, count: int) -> None:
    with apart.begin() as connection:
        connection.execute(
            text("""INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
                    SELECT 1, n::text, 'App', :now, :now FROM generate_series(1, :count) n"""),
            {"now": NOW, "count": count},
        )


def test_no_bell_that_nobody_may_answer(apart: Engine) -> None:
    """As many are rung for as may be polled at once, those that are polled and rung for already included."""
    _more_apps(apart, 20)
    with apart.begin() as connection, Session(connection) as session:
        session.execute(text("UPDATE source SET at_once = 3"))
        rung = ring_apps(session, now=NOW, most=9)
        assert len(rung) == 3
        assert ring_apps(session, now=NOW, most=9) == []
        assert all(claim_app(session, app, now=NOW, every=EVERY) for app in rung)
        assert ring_apps(session, now=NOW, most=9) == []
        assert ring_apps(session, now=NOW, most=1, beside=rung[0]) == []
        session.execute(text("UPDATE app SET lease_until = NULL WHERE id = :app"), {"app": rung[0]})
        (following,) = ring_apps(session, now=NOW, most=1, beside=rung[0])
        assert following not in rung
        assert ring_apps(session, now=NOW, most=9) == []


def test_so_many_apps_of_a_source_at_once(apart: Engine) -> None:
    """Whoever comes while as many are being polled as may be gets none, unless somebody asked for it by hand."""
    _more_apps(apart, 2)
    with apart.begin() as connection, Session(connection) as session:
        session.execute(text("UPDATE source SET at_once = 2"))
        claims = [claim_app(session, app, now=NOW, every=EVERY) for app in (1, 2, 3)]
        assert [claim is not None for claim in claims] == [True, True, False]
        assert claim_app(session, 3, now=NOW, every=EVERY, forced=True)


def test_listing_holds_only_apps_that_differ(apart: Engine) -> None:
    """A list of apps that is as it was touches none of them, and one with news only those of which there are any."""
    same, busy, new = (
        SeenApp(name, name, 2, "public", "approved", None, deleted=False, environments=("production",))
        for name in ("4711", "4712", "4713")
    )
    with Session(apart) as one, apart.connect() as other:

        def free() -> list[str]:
            with other.begin():
                return list(other.scalars(text("SELECT external_id FROM app ORDER BY 1 FOR UPDATE SKIP LOCKED")))

        def listed(*apps: SeenApp) -> tuple[int, list[str]]:
            lease = claim_source(one, 1, now=NOW, every=EVERY, forced=True)
            assert lease
            changed = record_listing(one, lease, apps, now=NOW, duration_seconds=0.1).changed
            return changed, free()

        with one.begin():
            assert listed(same, busy) == (1, [])
            # Each has a version that no walk has seen so far, and is due.
            one.execute(text("UPDATE app SET latest_version = 1"))
        with one.begin():
            assert listed(same, busy) == (0, ["4711", "4712"])
        with one.begin():
            assert listed(same, busy._replace(name="Renamed"), new) == (1, ["4711"])
        with one.begin():
            one.execute(text("UPDATE app SET next_poll_at = next_poll_at + interval '1 hour'"))
        with one.begin():
            assert listed(same._replace(latest=1), busy._replace(name="Renamed"), new) == (0, ["4711", "4713"])
            assert one.scalar(text("SELECT next_poll_at FROM app WHERE external_id = '4712'")) == NOW


def test_source_that_was_not_well_is_tried_with_one_app(apart: Engine) -> None:
    """When the circuit has closed by time alone, one app is rung for; the others wait for what becomes of it."""
    _more_apps(apart, 5)
    with apart.begin() as connection, Session(connection) as session:
        session.execute(text("UPDATE source SET last_fault = 'transport', circuit_open_until = :now"), {"now": NOW})
        assert len(ring_apps(session, now=NOW, most=9)) == 1
        assert ring_apps(session, now=NOW, most=9) == []
        portal_answered(session, 1, since=NOW, now=NOW)
        assert len(ring_apps(session, now=NOW, most=9)) == 5


def test_messages_are_taken_back_in_their_order(apart: Engine) -> None:
    """Two apps whose threads are in the same messages never wait for each other in a circle."""
    with apart.begin() as connection:
        connection.execute(THREADS, {"now": NOW})
        connection.execute(LETTERS, {"now": NOW, "state": "due"})
        # The first now stands behind the second on disk.
        connection.execute(text("UPDATE notice SET subject = 'moved' WHERE key = '1'"))
    locked = text("SELECT key FROM notice ORDER BY id FOR UPDATE SKIP LOCKED")

    def take(session: Session) -> None:
        take_back(session, [2, 1], now=NOW)

    with waiting(apart, take, "SELECT FROM notice WHERE key = '1' FOR UPDATE"), apart.begin() as other:
        assert list(other.scalars(locked)) == ["2", "3"]
    states = text("SELECT key, state FROM notice ORDER BY id")
    with apart.connect() as connection:
        assert [tuple(row) for row in connection.execute(states)] == [
            ("1", "cancelled"),
            ("2", "cancelled"),
            ("3", "due"),
        ]


def test_who_opts_out_waits_for_no_evaluation(apart: Engine) -> None:
    """What an evaluation does with the threads of many tenants is none of their business."""
    with apart.begin() as connection:
        connection.execute(
            text("INSERT INTO tenant (source_id, external_id, first_seen_at) VALUES (1, '1', :now)"), {"now": NOW}
        )
        connection.execute(text("INSERT INTO contact (tenant_id, email) VALUES (1, 'ada@b.example')"))
        connection.execute(THREADS, {"now": NOW})
        connection.execute(LETTERS, {"now": NOW, "state": "due"})
        connection.execute(text("UPDATE notice SET \"to\" = 'ada@b.example'"))
    with apart.connect() as holder, Session(apart) as session:
        holder.execute(text("SELECT FROM reminder FOR UPDATE"))
        assert opt_out(session, [1], "ada@b.example", now=NOW)
        session.commit()
        assert session.scalar(text("SELECT count(*) FROM notice WHERE state = 'cancelled'")) == 2


def test_apps_are_wanted_in_their_order(apart: Engine) -> None:
    """Two that want the same apps polled never wait for each other in a circle."""
    _more_apps(apart, 2)
    with apart.begin() as connection:
        # The first now stands behind the others on disk.
        connection.execute(text("UPDATE app SET next_poll_at = :at"), {"at": NOW + EVERY})
        connection.execute(text("UPDATE app SET name = 'moved' WHERE id = 1"))
    locked = text("SELECT id FROM app ORDER BY id FOR UPDATE SKIP LOCKED")

    def take(session: Session) -> None:
        want_polls(session, {1, 2, 3}, now=NOW)

    with waiting(apart, take, "SELECT FROM app WHERE id = 1 FOR UPDATE"), apart.begin() as other:
        assert list(other.scalars(locked)) == [2, 3]
    with apart.connect() as connection:
        assert set(connection.scalars(text("SELECT next_poll_at FROM app"))) == {NOW}


def test_turns_are_given_back_without_waiting(apart: Engine) -> None:
    """Threads that somebody else looks at are passed over whole, and nothing of their turns is lost."""
    with apart.begin() as connection:
        connection.execute(THREADS, {"now": NOW})
        connection.execute(LETTERS, {"now": NOW, "state": "cancelled"})
    sent = text("SELECT array_agg(sent ORDER BY id) FROM reminder")
    with apart.connect() as holder, Session(apart) as session:
        holder.execute(text("SELECT FROM reminder WHERE id = 1 FOR UPDATE"))
        give_back(session, now=NOW)
        session.commit()
        assert session.scalar(sent) == [1, 1, 0]
        holder.rollback()
        give_back(session, now=NOW)
        session.commit()
        assert session.scalar(sent) == [0, 0, 0]
        assert not session.scalar(text("SELECT bool_or(gives_back) FROM notice"))
