"""A database that has recorded five tenants of two apps from a portal over real HTTP."""

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from werkzeug import Request, Response

from models import Base, Session
from tests.integration.small_portal import SmallPortal

# What a poll may write besides these is its own row, and when to come back.
SCHEDULING = {"poll", "app", "source", "heartbeat", "fire"}


def well(_request: Request) -> Response | None:
    """No fault at all."""


@dataclass(frozen=True)
class Ours:
    """A database that has recorded five tenants on version 1, whose portal now has other news."""

    url: str
    portal: SmallPortal
    app: int
    source: int
    now: datetime

    def contents(self) -> dict[str, list[str]]:
        """Every row of every table that only news may change."""
        tables = [table for table in Base.metadata.sorted_tables if table.name not in SCHEDULING]
        with Session() as session:
            return {
                table.name: sorted(map(repr, session.execute(select(*table.columns).select_from(table)).all()))
                for table in tables
            }

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of *query*."""
        with Session() as session:
            return [tuple(row) for row in session.execute(text(query))]

    def execute(self, statement: str) -> None:
        """Do *statement*."""
        with Session.begin() as session:
            session.execute(text(statement))

    def status(self, *arguments: str) -> str:
        """What `uptake status` prints."""
        return self._said("status", *arguments)

    def doctor(self, *checks: str) -> str:
        """What `uptake doctor` prints of these *checks*."""
        return self._said("doctor", *checks)

    def said(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What the command `uptake` says to *arguments*."""
        environment = os.environ | {"DATABASE_URL": self.url, "NO_COLOR": "1"}
        command = [sys.executable, "-m", "worker.cli", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    def _said(self, *arguments: str) -> str:
        done = self.said(*arguments)
        done.check_returncode()
        return done.stdout
