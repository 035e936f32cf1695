"""Become a program that dies with its parent; run as a script, so that it needs neither our packages nor a fork hook.

Usage: leash.py PARENT_PID DEATH_SIGNAL UID|- PROGRAM [ARGUMENT ...]
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
PATIENCE = 5.0
POLL = 0.5


def main(arguments: list[str]) -> int:
    """Run the program under the leash; on Linux this process turns into it and never returns."""
    parent, death, uid, *argv = arguments
    if uid != "-":
        os.setgroups([])
        os.setgid(int(uid))
        os.setuid(int(uid))
    try:
        if sys.platform == "linux":
            _become(int(parent), int(death), argv)
        return follow(int(parent), int(death), argv)
    except OSError as error:
        sys.stderr.write(f"cannot run {argv[0]}: {error.strerror}\n")
        return 127


def _become(parent: int, death: int, argv: list[str]) -> None:
    # After the change of user: the kernel forgets the wish when the credentials change.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death, 0, 0, 0)
    if os.getppid() != parent:
        # It died before it could be watched.
        sys.exit(1)
    os.execvp(argv[0], argv)  # noqa: S606 - no shell is wanted


def follow(parent: int, death: int, argv: list[str]) -> int:
    """Run the program as a child and end it when *parent* is gone, for kernels that cannot do so by themselves."""
    child = subprocess.Popen(argv)  # noqa: S603 - the supervisor's own command
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda received, _frame: child.send_signal(received))
    while child.poll() is None:
        if os.getppid() != parent:
            _end(child, death)
        try:
            child.wait(POLL)
        except subprocess.TimeoutExpired:
            continue
    code = child.returncode
    return code if code >= 0 else 128 - code


def _end(child: subprocess.Popen[bytes], death: int) -> None:
    child.send_signal(death)
    deadline = time.monotonic() + PATIENCE
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL / 10)
    child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
