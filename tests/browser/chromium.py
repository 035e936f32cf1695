"""Where a Chromium is; when there is none, one is got: Debian's package for root, else Playwright's own download."""

import os
import shutil
import subprocess
import sys
from functools import cache

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Root has no user namespaces to build the sandbox from.
ARGUMENTS = ["--no-sandbox"] if os.geteuid() == 0 else []


class NoChromiumError(Exception):
    """None is here and none could be got; the text says what was tried."""


@cache
def executable() -> str | None:
    """The path of a Chromium; None means Playwright's own. Raises NoChromiumError."""
    if found := _installed():
        return found
    tried: list[str] = []
    if os.geteuid() == 0 and shutil.which("apt-get"):
        tried = [_run(["apt-get", *words]) for words in (["update", "-qq"], ["install", "-qq", "-y", "chromium"])]
        if found := _installed():
            return found
    tried.append(_run([sys.executable, "-m", "playwright", "install", "chromium"]))
    if not tried[-1]:
        return None
    raise NoChromiumError("no Chromium: install one, or run as root on Debian. " + " | ".join(filter(None, tried)))


def _installed() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def _run(command: list[str]) -> str:
    """Run it; what went wrong, empty when nothing did."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{command[0]}: {error}"
    said = done.stderr.strip().splitlines()
    return f"{' '.join(command[:3])}: {said[-1] if said else done.returncode}" if done.returncode else ""
