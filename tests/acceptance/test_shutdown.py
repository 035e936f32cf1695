"""A worker that is told to stop ends in time and with exit code 0, and what it was doing is not lost."""

import threading
import time

from sqlalchemy import create_engine, text
from werkzeug import Request, Response

from tests.acceptance.daemon import Daemon
from tests.acceptance.mailroom import Mailroom
from tests.integration.small_portal import SmallPortal

WORKER = ("worker", "-c", "2")
# As the product has it, it is 20 s, of the 30 s that init systems give.
IMPATIENT = (*WORKER, "worker.soft_shutdown_timeout=0.5")
QUEUED = text("""
INSERT INTO notice (key, receiver, "to", reason, subject, body, state, created_at, due_at)
SELECT 'test:' || n, 'post', 'ops@acme.example', 'first', 'Notice ' || n, 'Some text', 'due', now(), now()
FROM generate_series(1, :notices) n
""")
POLLED = """
SELECT p.outcome, count(*) FROM poll p JOIN app a ON a.id = p.app_id WHERE a.external_id = '4711' GROUP BY 1
"""


def slow_page(portal: SmallPortal, gate: threading.Event) -> threading.Event:
    """The second page of one app waits at the *gate*; the answer is set while somebody waits there."""
    waiting = threading.Event()

    def fault(request: Request) -> Response | None:
        if "/4711/connections" in request.path and request.args["page"] == "2":
            waiting.set()
            gate.wait(60)
        return None

    portal.fault = fault
    return waiting


def test_poll_under_way_is_finished(daemon: Daemon, portal: SmallPortal) -> None:
    """A poll that needs a moment more has it, and its whole result is recorded."""
    gate = threading.Event()
    waiting = slow_page(portal, gate)
    daemon.start("worker", *WORKER)
    assert waiting.wait(30)
    threading.Timer(1.0, gate.set).start()
    assert daemon.stop("worker") == 0
    assert daemon.rows(POLLED) == [("complete", 1)]
    assert daemon.rows("SELECT count(*) FROM tenure t JOIN app a ON a.id = t.app_id WHERE external_id = '4711'") == [
        (5,)
    ]


def test_endless_poll_is_given_back(daemon: Daemon, portal: SmallPortal) -> None:
    """A poll without an end is broken off; it counts as no failure, and the next worker begins it again at once."""
    gate = threading.Event()
    waiting = slow_page(portal, gate)
    daemon.start("worker", *IMPATIENT)
    assert waiting.wait(30)
    assert ended_within(daemon, 10)
    assert "poll.given_back" in daemon.log("worker").read_text()
    assert daemon.rows(POLLED) == []
    assert daemon.rows("SELECT lease_token, failures, next_poll_at <= now() FROM app WHERE external_id = '4711'") == [
        (None, 0, True)
    ]
    gate.set()
    daemon.start("next", *WORKER)
    daemon.until(lambda: daemon.rows(POLLED))
    assert daemon.rows(POLLED)[0][0] == "complete"


def ended_within(daemon: Daemon, seconds: float) -> bool:
    """Whether the worker ended well, and long before anybody would lose patience."""
    begun = time.monotonic()
    return daemon.stop("worker") == 0 and time.monotonic() - begun < seconds


def queue(daemon: Daemon, notices: int) -> None:
    """Notices that are due."""
    engine = create_engine(daemon.environment["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(QUEUED, {"notices": notices})
    engine.dispose()


def test_letter_under_way_is_settled(daemon: Daemon, post: Mailroom) -> None:
    """The letter that is being handed over is finished, the others are left to the next worker; each goes out once."""
    post.seconds = 1.5
    queue(daemon, 6)
    daemon.start("worker", *WORKER)
    daemon.until(lambda: post.offered)
    assert ended_within(daemon, 15)
    assert 1 <= sum(post.taken.values()) == post.offered < 6
    assert daemon.rows("SELECT count(*) FROM notice WHERE state = 'sent'") == [(post.offered,)]
    # No lease has to run out first.
    assert daemon.rows("SELECT DISTINCT attempts FROM notice WHERE state = 'due'") == [(0,)]
    assert daemon.rows("SELECT count(*) FROM attempt") == [(post.offered,)]

    post.seconds = 0.0
    daemon.start("next", *WORKER)
    daemon.until(lambda: daemon.rows("SELECT count(*) FROM notice WHERE state = 'sent'") == [(6,)])
    assert sorted(post.taken.values()) == [1] * 6


def test_letter_without_an_end_is_sent_again(daemon: Daemon, post: Mailroom) -> None:
    """A mail server that never answers is given up at the end; its letters go out later, with the same keys."""
    post.seconds = 600
    queue(daemon, 2)
    daemon.start("worker", *IMPATIENT)
    daemon.until(lambda: post.offered)
    assert ended_within(daemon, 10)
    states = daemon.rows("SELECT state, attempts, lease_token FROM notice ORDER BY attempts")
    assert states == [("due", 1, None), ("due", 1, None)]
    assert daemon.rows("SELECT DISTINCT outcome, fault FROM attempt") == [("transient", "deadline")]

    post.seconds = 0.0
    daemon.start("next", *WORKER)
    daemon.until(lambda: daemon.rows("SELECT count(*) FROM notice WHERE state = 'sent'") == [(2,)])
    assert sorted(post.taken.values()) == [1, 1]
