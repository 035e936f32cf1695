"""Counters: each end counts once, whenever it is seen, and nothing that is forgotten is taken back."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from dashboard.app import application
from dashboard.metrics import answer as answering
from dashboard.metrics import counted
from models import Session
from models.queries import since
from tests.integration.metrics.scraped import scraped, values
from tests.integration.models.world import World

POLL = """INSERT INTO poll (source_id, seq, started_at, duration_seconds, outcome, fault)
          VALUES (1, 0, now(), :seconds, :outcome, :fault)"""
TRY = """INSERT INTO attempt (notice_id, number, started_at, outcome)
         VALUES ((SELECT min(id) FROM notice), :number, now(), :outcome)"""
POLLS, TRIES = "uptake_polls_total", "uptake_deliveries_total"


@pytest.fixture(autouse=True)
def always_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every scrape looks."""
    monkeypatch.setattr(answering, "FRESH_SECONDS", -1)


def done(statement: str, **bound: Any) -> None:
    """Have it done and committed."""
    with Session.begin() as session:
        session.execute(text(statement), bound)


def polled(seconds: float = 0.2, outcome: str = "complete", fault: str | None = None) -> None:
    """A poll ends."""
    done(POLL, seconds=seconds, outcome=outcome, fault=fault)


def test_polls(lived: World, own_url: str) -> None:
    """What was before is not counted; then each poll once, by outcome, fault and duration."""
    app = application(own_url)
    before = scraped(app)
    assert set(values(before, POLLS)) == {
        ("complete", "acme"),
        ("partial", "acme"),
        ("held", "acme"),
        ("failed", "acme"),
    }
    assert not any(values(before, POLLS).values())
    assert not any(values(before, "uptake_poll_faults_total").values())
    polled()
    polled(7)
    polled(1000, "failed", "tls")
    for _ in range(2):
        found = scraped(app)
        assert values(found, POLLS)["complete", "acme"] == 2
        assert values(found, POLLS)["failed", "acme"] == 1
        faults = values(found, "uptake_poll_faults_total")
        assert {key for key, value in faults.items() if value} == {("tls", "acme")}
        buckets = values(found, "uptake_poll_duration_seconds_bucket")
        assert [buckets[bound, "acme"] for bound in ("0.1", "0.25", "5.0", "10.0", "300.0", "+Inf")] == [
            0,
            1,
            1,
            2,
            2,
            3,
        ]
        assert values(found, "uptake_poll_duration_seconds_sum")["acme",] == pytest.approx(1007.2)


def test_what_is_forgotten_stays_counted(lived: World, own_url: str) -> None:
    """Rows are dropped after a while; a counter that fell would look like a new start."""
    app = application(own_url)
    scraped(app)
    polled()
    assert values(scraped(app), POLLS)["complete", "acme"] == 1
    done("DELETE FROM poll")
    assert values(scraped(app), POLLS)["complete", "acme"] == 1


def test_who_commits_late_is_counted(lived: World, own_url: str) -> None:
    """An id is handed out before others see its row: a later one that is seen first hides none."""
    app = application(own_url)
    scraped(app)
    with Session() as late:
        late.execute(text(POLL), {"seconds": 1, "outcome": "complete", "fault": None})
        polled()
        assert values(scraped(app), POLLS)["complete", "acme"] == 1
        late.commit()
    assert values(scraped(app), POLLS)["complete", "acme"] == 2


def test_many_at_once_are_caught_up_with(lived: World, own_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has not looked for long reads some at a time, and misses none."""
    monkeypatch.setattr(since, "AT_ONCE", 30)
    monkeypatch.setattr(counted, "_OVERLAP", 10)
    app = application(own_url)
    scraped(app)
    for _ in range(70):
        polled()
    seen = [values(scraped(app), POLLS)["complete", "acme"] for _ in range(5)]
    assert seen == [30, 50, 70, 70, 70]


def test_tries(lived: World, own_url: str) -> None:
    """A try counts once it has an outcome, however long that takes."""
    app = application(own_url)
    receiver = lived.rows("SELECT receiver FROM notice ORDER BY id LIMIT 1")[0][0]
    lived.session.commit()
    before = scraped(app)
    assert values(before, TRIES)["sent", receiver] == 0
    done(TRY, number=90, outcome="permanent")
    done(TRY, number=91, outcome=None)
    done(TRY, number=92, outcome="sent")
    for _ in range(2):
        found = values(scraped(app), TRIES)
        assert [found[outcome, receiver] for outcome in ("sent", "transient", "permanent")] == [1, 0, 1]
    done("UPDATE attempt SET outcome = 'transient' WHERE number = 91")
    for _ in range(2):
        found = values(scraped(app), TRIES)
        assert [found[outcome, receiver] for outcome in ("sent", "transient", "permanent")] == [1, 1, 1]


def test_events(lived: World, own_url: str) -> None:
    """What happened counts in the order of commits, by type; what is not committed yet waits."""
    app = application(own_url)
    scraped(app)
    lived.put("3", 2)
    lived.now += timedelta(days=1)
    lived.poll()
    # A later transaction ends first.
    polled()
    assert ("tenant.upgraded",) not in values(scraped(app), "uptake_events_total")
    lived.session.commit()
    for _ in range(2):
        assert values(scraped(app), "uptake_events_total")["tenant.upgraded",] == 1
