"""Our processes as a user starts them, against one database, broker and portal, and what they say."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

SHORT = """
[polling]
poll_every = "2s"
min = "1s"
max = "2s"
"""


@dataclass
class Daemon:
    """Processes of ours in *environment*, which write their logs into *directory*."""

    directory: Path
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *arguments: str, cwd: Path | None = None) -> None:
        """Start `celery -A worker ARGUMENTS` as a user would."""
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "worker", *arguments],
                cwd=cwd,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> Path:
        """What the process called *name* wrote."""
        return self.directory / f"{name}.log"

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """End a process by a signal, and its children with it when it is killed; its exit code."""
        process = self.processes.pop(name)
        if number is signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        return process.wait(40)

    def kill_all(self) -> None:
        """End every process that still runs."""
        for name in list(self.processes):
            self.stop(name, signal.SIGKILL)

    def cli(self, *arguments: str, told: str = "") -> Any:
        """What `uptake ARGUMENTS --json` answers, with *told* on its standard input."""
        done = subprocess.run(
            [sys.executable, "-m", "worker.cli", *arguments, "--json"],
            env=self.environment,
            input=told,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(done.stdout)["data"]

    def rows(self, query: str, **bound: Any) -> list[tuple[Any, ...]]:
        """What the database answers; asked often, so not by the command line."""
        engine = create_engine(self.environment["DATABASE_URL"])
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(query), bound)]
        finally:
            engine.dispose()

    def until(self, asked: Callable[[], Any], *, seconds: float = 40, pause: float = 0.2) -> Any:
        """Ask until the answer is true, within a bound; what the logs say when it never is."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if answer := asked():
                return answer
            time.sleep(pause)
        logs = "\n".join(f"{path}\n{path.read_text()[-4000:]}" for path in sorted(self.directory.glob("*.log")))
        raise AssertionError(f"it never came true; the logs end with\n{logs}")
