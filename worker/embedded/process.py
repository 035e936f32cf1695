"""Which process is which: identities that survive the reuse of pids, leashes, and patient stops."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from worker.embedded import leash

LINUX = sys.platform == "linux"


class Identity(NamedTuple):
    """One process, told apart from a later one that was given the same pid."""

    pid: int
    started: str

    @property
    def is_alive(self) -> bool:
        """Say whether this very process runs; a zombie does not."""
        return started(self.pid) == self.started


def identify(pid: int) -> Identity | None:
    """Name the process that has *pid* now; None when there is none."""
    token = started(pid)
    return Identity(pid, token) if token else None


def started(pid: int) -> str | None:
    """When the process began, as an opaque text that no other process with this pid will share."""
    if not LINUX:
        return _ps(pid, "lstart")
    try:
        # The name, in parentheses, may hold blanks: fields are counted after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return None if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def works_in(pid: int, directory: Path, programs: Iterable[str]) -> bool:
    """Say whether *pid* is one of *programs* and has *directory* as its working directory."""
    if not LINUX:
        return (_ps(pid, "comm") or "").rpartition("/")[2] in programs
    try:
        cwd = Path(f"/proc/{pid}/cwd").resolve(strict=True)
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return False
    return cwd == directory.resolve() and name in programs


def _ps(pid: int, column: str) -> str | None:
    found = subprocess.run(  # noqa: S603 - a pid and a column name
        ["ps", "-o", f"{column}=", "-p", str(pid)],  # noqa: S607 - where it lives differs by system
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or None


def leashed(argv: Sequence[str], *, death: int = signal.SIGKILL, uid: int | None = None) -> list[str]:
    """Turn *argv* into a command that gets *death* when the thread that starts it ends."""
    user = "-" if uid is None else str(uid)
    script = str(Path(leash.__file__).resolve())
    return [sys.executable, "-I", "-S", script, str(os.getpid()), str(int(death)), user, *argv]


def stop(process: Identity, ladder: Iterable[tuple[signal.Signals, float]]) -> None:
    """End a process by the signals of *ladder*, each with its seconds of patience, then for certain."""
    for number, patience in (*ladder, (signal.SIGKILL, 10.0)):
        if not process.is_alive:
            return
        with suppress(ProcessLookupError):
            os.kill(process.pid, number)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline and process.is_alive:
            time.sleep(0.02)


def end_group(pid: int) -> None:
    """Kill whatever is left of the session that *pid* leads."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
