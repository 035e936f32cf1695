"""Sixty days told step by step: the very messages, to whom, when and why, also when the worker is killed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from models.base import engine_for
from models.migrations import upgrade
from tests.acceptance.embedded import ROOT
from tests.acceptance.sixty_days import plot
from tests.acceptance.sixty_days.receivers import Arrivals, receivers

EXPECTED = Path(__file__).parent / "sixty_days" / "expected.txt"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KILLS = 50
pytestmark = pytest.mark.timeout(600)  # half a minute when nothing else runs


@dataclass
class Lived:
    """What one run came to."""

    arrivals: Arrivals
    rows: list[Mapping[str, Any]]
    environment: dict[str, str]  # of whoever asks about it


@pytest.fixture
def live(fresh_database: Callable[[], str], tmp_path: Path) -> Callable[..., Lived]:
    """Live through all of it in a database of its own."""

    def lived(*, kills: int = 0, seed: int = 0) -> Lived:
        database = fresh_database()
        upgrade(database)
        (tmp_path / "hook_secret").write_text(SECRET)
        with receivers() as arrivals:
            rules = tmp_path / "uptake.toml"
            rules.write_text(plot.RULES.format(smtp=arrivals.smtp, http=arrivals.http))
            command = [sys.executable, "-m", "tests.acceptance.sixty_days.live", database, str(kills), str(seed)]
            environment = os.environ | {"UPTAKE_CONFIG": str(rules), "UPTAKE_LOG_LEVEL": "error"}
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        engine = engine_for(database)
        with engine.begin() as connection:
            rows = list(connection.execute(text("SELECT * FROM notice ORDER BY created_at, id")).mappings())
        engine.dispose()
        return Lived(arrivals, [dict(row) for row in rows], environment | {"DATABASE_URL": database})

    return lived


def said(row: Mapping[str, Any]) -> str:
    """One message as a line: when, by which receiver, to whom, why, about what, and what became of it."""
    at = row["created_at"] - plot.START
    when = f"day {at.days:02} {at.seconds // 3600:02}h"
    data = row["payload"]
    if data["type"] == "reminder":
        asks = sorted(data["asks"], key=lambda one: (one["tenant"], one["app"]))
        about = ", ".join(
            f"{one['tenant']} {one['app'].removeprefix('acme:')}"
            f" v{one['version']}>{one['target_version']} #{one['step']}"
            for one in asks
        )
    else:
        about = f"{(data['app'] or data['source']).removeprefix('acme:')} {data['kind']} firing {data['firing']}"
        about += f" new {data['new']} resolved {data['resolved']}"
    fate = "" if row["state"] == "sent" else f" [{row['state']}: {row['settle_reason']}]"
    return f"{when} {row['receiver']:<7} {row['to']:<26} {row['reason']:<12} {about}{fate}"


def told(lived: Lived) -> list[str]:
    """All messages as lines."""
    return sorted(said(row) for row in lived.rows)


def test_sixty_days(live: Callable[..., Lived]) -> None:
    """Each message is sent once, and is the one that the rules ask for."""
    lived = live()
    assert told(lived) == EXPECTED.read_text().splitlines()
    sent = [row for row in lived.rows if row["state"] == "sent"]
    assert len(lived.arrivals.times) == len(sent)
    assert set(lived.arrivals.times.values()) == {1}
    assert lived.arrivals.refused > 5
    _check_secrets(lived)
    _check_backtest(lived)


def test_killed_fifty_times(live: Callable[..., Lived]) -> None:
    """Whoever is killed, the same is told: nothing is lost, and what came twice came by the same key."""
    lived = live(kills=KILLS, seed=int.from_bytes(os.urandom(4)))
    assert told(lived) == EXPECTED.read_text().splitlines()
    sent = [row for row in lived.rows if row["state"] == "sent"]
    assert len(lived.arrivals.times) == len(sent)
    again = sum(times - 1 for times in lived.arrivals.times.values())
    assert again <= KILLS


def _check_backtest(lived: Lived) -> None:
    """By the same rules, the same is told once more, message by message and step by step."""
    command = [sys.executable, "-m", "worker.cli", "backtest", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=lived.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)["data"]
    assert found["by_policy"] == found["really"]
    assert len(found["really"]["messages"]) == sum(row["state"] == "sent" for row in lived.rows)
    assert found["tenants"] == []


def _check_secrets(lived: Lived) -> None:
    """Nobody reads of a tenant that is not theirs, and nobody reads a secret; a name that is a script is a name."""
    names = {f"Tenant {tenant:02} Ltd": f"{tenant:02}" for tenant in plot.TENANTS} | {plot.STRANGE: "09"}
    own = {(person.email, person.tenant) for person in plot.people()}
    checked = 0
    for letter in lived.arrivals.letters.values():
        to, body = str(letter["To"]), letter.get_body(("plain",))
        html = letter.get_body(("html",))
        assert body
        assert html
        assert "<script" not in html.get_content()
        everything = f"{letter['Subject']}\n{body.get_content()}\n{html.get_content()}"
        assert SECRET not in everything
        if to != "ops@acme.example":
            found = {tenant for name, tenant in names.items() if name in everything}
            assert found, everything
            assert all((to, tenant) in own for tenant in found), (to, found)
            checked += 1
    assert checked > 150
    assert SECRET not in json.dumps(lived.arrivals.posts)
