"""Each bug of a list is found by the histories; with PLANT=1, as it takes minutes."""

import os
from pathlib import Path

import pytest
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import Connection

from tests.integration.history.chosen import chosen
from tests.integration.history.ground import on_ground
from tests.integration.history.machine import History
from tests.integration.history.planted import PLANTS

MOST = 1_000  # histories, after which a bug counts as not found

pytestmark = [
    pytest.mark.skipif(not os.environ.get("PLANT"), reason="takes minutes: PLANT=1"),
    pytest.mark.timeout(0),
]


@pytest.mark.parametrize("name", PLANTS)
def test_planted_bug_is_found(
    name: str,
    connection: Connection,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bug planted on purpose leads to a breach within so many histories."""
    with on_ground(connection, tmp_path) as ground:
        PLANTS[name](monkeypatch)
        with pytest.raises(Exception) as found:  # noqa: PT011 - an assertion, or a constraint of the database
            run_state_machine_as_test(History.on(ground), settings=chosen(MOST))
    print(f"{name}: after {History.breached} histories ({str(found.value).splitlines()[0][:80]})")  # noqa: T201 - what one runs this for
