"""Whoever has a place at a source goes on there: no slot rests while apps are due, and none is kept from other work."""

import pytest
from celery import Task

from tasks import poll as polling
from tasks.evaluate import evaluate_app
from tasks.poll import poll_app
from tests.integration.tasks.recorded import Ours

Rung = list[tuple[str, int]]


@pytest.fixture
def rung(ours: Ours, monkeypatch: pytest.MonkeyPatch) -> Rung:
    """What is rung for, while both apps of the portal are due."""
    heard: Rung = []

    def ring(task: Task[..., None], app: int) -> bool:
        heard.append((task.name, app))
        return True

    monkeypatch.setattr(polling, "ring", ring)
    ours.execute("UPDATE app SET next_poll_at = now() - interval '1 minute'")
    return heard


def due(ours: Ours) -> int:
    """How many apps wait to be polled."""
    ((count,),) = ours.rows("SELECT count(*) FROM app WHERE next_poll_at <= now()")
    return int(count)


def test_next_app_of_the_source(ours: Ours, rung: Rung) -> None:
    """One bell is enough for all that is due there, and each app is evaluated."""
    poll_app(ours.app)
    assert due(ours) == 0
    assert sorted(rung) == [(evaluate_app.name, 1), (evaluate_app.name, 2)]


def test_end_of_a_turn(ours: Ours, rung: Rung, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while others have their turn, and the next app waits with them."""
    monkeypatch.setattr(polling, "TURN_SECONDS", -1.0)
    poll_app(ours.app)
    assert due(ours) == 1
    assert [name for name, _ in rung] == [evaluate_app.name, poll_app.name]


def test_who_is_told_to_stop_stops(ours: Ours, rung: Rung, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ends begins no other app."""
    monkeypatch.setattr(polling, "is_stopping", lambda: True)
    poll_app(ours.app)
    assert due(ours) == 1
    assert rung[-1][0] == poll_app.name


def test_refused_bell_leads_nowhere(ours: Ours, rung: Rung) -> None:
    """Where there is no place, nothing is polled in its stead."""
    ours.execute("UPDATE source SET at_once = 0")
    poll_app(ours.app)
    assert (due(ours), rung) == (2, [])
