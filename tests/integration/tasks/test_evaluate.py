"""Evaluations that are due: none is forgotten, and none keeps others waiting."""

from datetime import timedelta

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from werkzeug import Request, Response

from models import Session, moves
from models.leases import SourceLease
from tasks import evaluate
from tasks import poll as polling
from tasks.evaluate import due_apps, evaluate_app, evaluate_now
from tasks.poll import list_apps, poll
from tests.integration.tasks.recorded import Ours, well

FIRING = "SELECT count(*) FROM alert WHERE kind = 'poll_failing' AND state = 'firing'"


def down(_request: Request) -> Response:
    """The portal answers nothing but this."""
    return Response(b"oops", 500)


def evaluated(ours: Ours) -> None:
    """All that is due is judged, as by `uptake poll` or a tick."""
    for app in due_apps(now=ours.now + timedelta(days=1)):
        evaluate_now(app, now=ours.now + timedelta(days=1))


def failing(ours: Ours) -> None:
    """The app could not be read three times, and an alert says so."""
    ours.portal.fault = down
    for _ in range(3):
        assert poll(ours.app, now=ours.now, forced=True) is None
    evaluated(ours)
    assert ours.rows(FIRING) == [(1,)]
    ours.portal.fault = well


def test_recovery_is_due_to_be_told(ours: Ours) -> None:
    """The first poll that succeeds ends the alert, whether or not its bell is heard and anything else changed."""
    ours.portal.latest, ours.portal.tenants = 2, dict.fromkeys(range(1, 6), 1)
    failing(ours)
    recorded = poll(ours.app, now=ours.now + timedelta(hours=1), forced=True)
    assert recorded is not None
    assert recorded.changed == 0
    evaluated(ours)
    assert ours.rows(FIRING) == [(0,)]


def test_implausible_walks_are_due_to_be_told(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third listing that nobody can believe raises an alert by itself."""
    monkeypatch.setattr(moves, "IMPLAUSIBLE_COUNT", 2)
    ours.portal.tenants = {1: 1}
    ours.portal.latest = 2
    for hours in (1, 2, 3):
        recorded = poll(ours.app, now=ours.now + timedelta(hours=hours), forced=True)
        assert recorded is not None
        assert recorded.outcome == "held"
        evaluated(ours)
    assert ours.rows(FIRING) == [(1,)]


def test_nothing_new_is_not_due(ours: Ours) -> None:
    """A poll that finds all as it was leaves nothing to judge."""
    ours.portal.latest, ours.portal.tenants = 2, dict.fromkeys(range(1, 6), 1)
    evaluated(ours)
    assert poll(ours.app, now=ours.now + timedelta(hours=1), forced=True) is not None
    assert due_apps(now=ours.now) == []


def test_evaluation_under_way_is_not_waited_for(ours: Ours) -> None:
    """A second bell for the same app takes no worker's time, and the app stays due."""
    ours.execute("UPDATE app SET evaluate_at = now()")
    with Session.begin() as other:
        other.execute(text("SELECT FROM app WHERE id = :app FOR NO KEY UPDATE"), {"app": ours.app})
        evaluate_app(ours.app)
    assert ours.app in due_apps()
    evaluate_app(ours.app)
    assert ours.app not in due_apps()


def test_evaluation_that_breaks_is_put_off(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its app is tried again later; until then others have their turn."""

    def broken(*_: object, **__: object) -> tuple[int, int]:
        raise ZeroDivisionError

    ours.execute("UPDATE app SET evaluate_at = now(), evaluated_at = NULL, unjudged = NULL")
    monkeypatch.setattr(evaluate, "thread", broken)
    with pytest.raises(ZeroDivisionError):
        evaluate_app(ours.app)
    assert ours.app not in due_apps()
    assert due_apps() != []
    assert (True, ours.app) in ours.rows("SELECT evaluate_at > now() + interval '10 minutes', id FROM app")


@pytest.mark.parametrize("cause", ["restart", "database"])
def test_evaluation_that_is_not_to_blame_is_not_put_off(
    ours: Ours, monkeypatch: pytest.MonkeyPatch, cause: str
) -> None:
    """What a worker's end or the database broke off is due again at once."""
    error = SoftTimeLimitExceeded() if cause == "restart" else OperationalError("SELECT", {}, Exception("gone"))

    def broken(*_: object, **__: object) -> tuple[int, int]:
        raise error

    ours.execute("UPDATE app SET evaluate_at = now(), evaluated_at = NULL, unjudged = NULL")
    monkeypatch.setattr(evaluate, "thread", broken)
    monkeypatch.setattr(evaluate, "is_stopping", lambda: cause == "restart")
    with pytest.raises(type(error)):
        evaluate_app(ours.app)
    assert ours.app in due_apps()


def test_long_list_of_apps_keeps_its_lease(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page shows that the reader lives: a slow portal does not look like a killed worker."""
    held: list[SourceLease] = []
    monkeypatch.setattr(polling, "LEASE", timedelta(0))
    monkeypatch.setattr(polling, "extend_source", lambda _session, lease: held.append(lease))
    assert list_apps(ours.source, now=ours.now + timedelta(hours=1), forced=True) is not None
    assert held
