"""Random histories over real PostgreSQL: a bounded number here, as many as HISTORIES says when somebody has time."""

import os
from pathlib import Path

import pytest
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Connection

from tests.integration.history.chosen import chosen
from tests.integration.history.ground import on_ground
from tests.integration.history.machine import History

MANY = int(os.environ.get("HISTORIES", "0"))
EVERYTHING = {
    *("complete", "partial", "held", "failed", "app.deleted", "version.released", "version.regressed"),
    *("tenant.connected", "tenant.disconnected", "tenant.disabled", "tenant.enabled", "tenant.invited"),
    *("tenant.withdrawn", "tenant.upgraded", "tenant.scopes_changed", "alert.raised", "alert.resolved"),
}
SHRINKS = bool(os.environ.get("SHRINK"))


@pytest.mark.timeout(0 if MANY else 180)
def test_what_is_stored_is_what_may_be_known(connection: Connection, tmp_path: Path) -> None:
    """No history of releases, moves, good polls and bad ones leads to anything but what the model knows."""
    with on_ground(connection, tmp_path) as ground:
        run_state_machine_as_test(History.on(ground), settings=chosen(MANY or 20, repeatable=not MANY, shrinks=SHRINKS))
    assert MANY < 500 or set(History.met) >= EVERYTHING, "some things never happened"
    print(f"{History.began} histories, {History.ran} runs of tasks: {dict(History.met)}")  # noqa: T201 - shown with -s


def test_the_same_over_http(connection: Connection, tmp_path: Path) -> None:
    """A few histories with a portal that is a server, and a source that is its client."""
    with on_ground(connection, tmp_path, over_http=True) as ground:
        run_state_machine_as_test(History.on(ground), settings=chosen(MANY // 20 or 4, steps=15))
