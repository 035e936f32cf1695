"""Daemons that do not outlive their test."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.migrations import upgrade
from tests.acceptance.daemon import SHORT, Daemon
from tests.acceptance.embedded import ROOT
from tests.acceptance.mailroom import Mailroom, mailroom
from tests.integration.small_portal import SmallPortal, small_portal

MAIL = """
[policy]
receivers = []
reminders = ""

[[receiver]]
name = "post"
kind = "email"
url = "{url}"
from = "Acme Apps <apps@acme.example>"
to = ["ops@acme.example"]
"""


@pytest.fixture
def post() -> Iterator[Mailroom]:
    """Where the letters of this test arrive."""
    with mailroom() as room:
        yield room


@pytest.fixture
def portal() -> Iterator[SmallPortal]:
    """Three apps that five tenants run, on three pages."""
    with small_portal(apps=(4711, 4712, 4713), tenants=dict.fromkeys(range(1, 6), 1)) as portal:
        yield portal


@pytest.fixture
def daemon(
    portal: SmallPortal, post: Mailroom, fresh_database: Callable[[], str], broker_url: str, tmp_path: Path
) -> Iterator[Daemon]:
    """Our schema and an uptake.toml that reads the portal; no process of ours yet."""
    ours = fresh_database()
    upgrade(ours)
    rules = portal.toml(tmp_path / "uptake.toml", SHORT + MAIL.format(url=post.url))
    environment = {"DATABASE_URL": ours, "REDIS_URL": broker_url, "UPTAKE_CONFIG": str(rules), "PYTHONPATH": str(ROOT)}
    daemon = Daemon(tmp_path, os.environ | environment)
    yield daemon
    daemon.kill_all()
