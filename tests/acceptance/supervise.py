"""Supervise what the first argument describes; the processes under test are started from here."""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from worker.embedded import Servers, SetupError
from worker.supervisor import Child, Limits, Supervisor


def _age(file: Path) -> float | None:
    # The monotonic clock is one for all processes of the machine.
    return time.monotonic() - float(file.read_text()) if file.exists() else None


def _child(name: str, told: dict[str, Any], directory: Path) -> Child:
    beats, ready = directory / f"{name}.beat", told.get("ready")
    return Child(
        name,
        [sys.executable, "-u", "-c", told["code"]],
        env={"HERE": str(directory)},
        ready=(directory / ready).exists if ready else None,
        heartbeat_age=partial(_age, beats) if told.get("beats") else None,
        order=told.get("order", 0),
    )


def _prepare(servers: Servers) -> None:
    if servers.database_url and "host=" in servers.database_url:
        with psycopg.connect(servers.database_url.replace("+psycopg", "")) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS word (word text)")


def main(told: dict[str, Any]) -> int:
    """Run until stopped; an obstacle is one line and exit code 2."""
    directory = Path(told["directory"])
    try:
        Supervisor(
            directory / "data",
            lambda _servers: [_child(name, child, directory) for name, child in told["children"].items()],
            before=_prepare,
            up=lambda _servers: (directory / "up").touch(),
            database_url=told["given"] and "postgresql+psycopg://somebody@elsewhere/theirs",
            redis_url=told["given"] and "redis://elsewhere",
            limits=Limits(**told["limits"]),
        ).run()
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    os.environ.pop("DATABASE_URL", None)
    sys.exit(main(json.loads(sys.argv[1])))
