"""Bad inputs 67 to 70: nobody's clock but the database's says when anything was."""

import os
import re
import socket
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import structlog
from sqlalchemy import text

from models import Session, db_now
from tasks.poll import poll
from tests.integration.bad_input.polled import accepted, connected, polled, running, truth
from tests.integration.tasks.recorded import Ours
from tests.integration.wire_server import reading, serving

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize("hours", [(1,), (-1,), (1, -1)], ids=["case_67_ahead", "case_67_behind", "case_67_to_and_fro"])
def test_clock_of_the_host(ours: Ours, monkeypatch: pytest.MonkeyPatch, hours: tuple[int, ...]) -> None:
    """A host's clock that jumps by an hour during the run changes no instant, no wait and no span."""
    real, calls = time.time, iter(range(10**9))  # noqa: TID251 - to make it wrong
    monkeypatch.setattr(time, "time", lambda: real() + 3600 * hours[next(calls) % len(hours)])
    with Session() as session:
        began = db_now(session)
    recorded = poll(ours.app, forced=True)
    with Session() as session:
        ended = db_now(session)
    assert recorded
    assert recorded.changed == 3
    ((started, seconds),) = ours.rows("SELECT started_at, duration_seconds FROM poll ORDER BY id DESC LIMIT 1")
    assert 0 <= seconds < 5
    ((due, walked),) = ours.rows("SELECT next_poll_at, walked_at FROM app WHERE external_id = '4711'")
    assert timedelta(minutes=1) < due - began < HOUR
    instants = [started, walked, *(row[0] for row in ours.rows("SELECT valid_from FROM tenure WHERE version > 1"))]
    instants += [row[0] for row in ours.rows("SELECT at FROM event ORDER BY id DESC LIMIT 3")]
    assert len(instants) == 8
    assert all(began - SECOND <= at <= ended + SECOND for at in instants)
    assert len(ours.portal.times("/connect/token?1")) == 1


def polled_by_other_clock(ours: Ours, date: bytes = b"Mon, 25 Nov 2024 10:00:00 GMT") -> list[dict[str, object]]:
    """What is logged by a poll of a portal whose clock says *date*, by default that it is two years behind."""

    def script(connection: socket.socket) -> None:
        said = truth(ours.portal, reading(connection))
        connection.sendall(re.sub(rb"Date: [^\r]+", b"Date: " + date, said))

    with structlog.testing.capture_logs() as logs, serving(script) as base, connected(ours, base=base):
        assert polled(ours).changed == 3
    return [dict(entry) for entry in logs]


def test_case_68_clock_of_the_portal(ours: Ours) -> None:
    """A portal whose clock is off by a day or more is read like any other; whoever runs the daemon is warned, once."""
    logs = polled_by_other_clock(ours)
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["event"], entry["said"]) for entry in warnings] == [("clock.doubted", "2024-11-25T10:00:00+00:00")]
    assert [entry["event"] for entry in logs if entry not in warnings] == ["app.polled"]
    assert running(ours)["6"] == 3


def test_case_68_clock_of_a_cache(ours: Ours) -> None:
    """What a cache kept for days is dated as of then: that is nobody's clock."""
    logs = polled_by_other_clock(ours, b"Mon, 25 Nov 2024 10:00:00 GMT\r\nAge: 5")
    assert [entry["event"] for entry in logs] == ["app.polled"]


@pytest.mark.parametrize("said", [b"soon", b"", b"Mon, 99 Nov 2024 10:00:00 GMT"], ids="case_68_{}".format)
def test_no_clock(ours: Ours, said: bytes) -> None:
    """A portal that does not say what the time is is read like any other, too."""
    assert [entry["event"] for entry in polled_by_other_clock(ours, said)] == ["app.polled"]


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T00:59:60.5+01:00", datetime(2017, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
    ],
    ids=["case_69_leap_second", "case_69_leap_second_elsewhere"],
)
def test_leap_second(ours: Ours, said: str, stored: datetime) -> None:
    """A leap second is stored as the second after it; its row counts."""
    assert accepted(ours, said) == stored
    assert running(ours)["5"] == 2


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("2026-10-25T02:30:00+02:00", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T02:30:00+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-03-29T02:30:00+01:00", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
    ids=["case_70_first_half_past_two", "case_70_second_half_past_two", "case_70_hour_that_is_not"],
)
def test_times_of_that_night(ours: Ours, said: str, stored: datetime) -> None:
    """The hour that comes twice, and the one that does not come, are as good as any: what counts is the zone."""
    assert accepted(ours, said) == stored


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Process and database session in a zone with summer time."""
    monkeypatch.setitem(os.environ, "TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2027, 3, 28, 0, 59, 59, tzinfo=UTC), date(2027, 3, 28)),
        (datetime(2027, 10, 31, 0, 59, 59, tzinfo=UTC), date(2027, 10, 31)),
        (datetime(2027, 10, 30, 22, 30, tzinfo=UTC), date(2027, 10, 30)),
    ],
    ids=["case_70_spring", "case_70_autumn", "case_70_after_midnight_there"],
)
def test_polls_of_that_night(ours: Ours, berlin: None, at: datetime, day: date) -> None:
    """A poll in that night is recorded at its instant, for its day in UTC, and the next one is due as ever."""
    with Session.begin() as session:
        session.execute(text("SET LOCAL timezone = 'Europe/Berlin'"))
        at = at.astimezone(session.scalars(text("SELECT cast(:at AS timestamptz)"), {"at": at}).one().tzinfo)
        recorded = poll(ours.app, now=at, forced=True)
    assert recorded
    assert ours.rows("SELECT DISTINCT valid_from FROM tenure WHERE version > 1") == [(at,)]
    ((due,),) = ours.rows("SELECT next_poll_at FROM app WHERE external_id = '4711'")
    # A quarter of an hour where something just moved. Python would subtract what two clocks on the wall show.
    assert timedelta(minutes=13) < due.astimezone(UTC) - at.astimezone(UTC) < timedelta(minutes=17)
    assert ours.rows("SELECT max(day) FROM adoption") == [(day,)]
