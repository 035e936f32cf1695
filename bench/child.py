"""The measured side: one subject in a process of its own, started and told when to go by bench.measure."""

import gc
import importlib
import os
import re
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

import msgspec


class Order(msgspec.Struct):
    """What to run: *subject* is `module:function`, which prepares and returns what is to be measured."""

    subject: str
    arguments: dict[str, Any]


class Usage(msgspec.Struct):
    """What a run took in its own process; memory in bytes, *peak* and *idle* as resident sizes."""

    seconds: float
    cpu: float
    idle: int
    peak: int
    value: Any


def main() -> None:
    """Prepare, say so, then run once for every line that comes in."""
    # Whatever the subject prints must not end up among our answers.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        order = msgspec.json.decode(sys.stdin.readline(), type=Order)
        module, _, function = order.subject.partition(":")
        run = getattr(importlib.import_module(module), function)(**order.arguments)
        _say(answers, "ready")
        for _line in sys.stdin:
            _say(answers, msgspec.json.encode(_measured(run)).decode())


def _measured(run: Callable[[], object]) -> Usage:
    gc.collect()
    # From here on the peak counts anew.
    Path("/proc/self/clear_refs").write_text("5")
    idle, cpu, started = _resident("VmRSS"), _cpu(), time.perf_counter()
    value = run()
    seconds = time.perf_counter() - started
    return Usage(seconds, _cpu() - cpu, idle, _resident("VmHWM"), value)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _resident(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB$", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _say(answers: TextIO, line: str) -> None:
    answers.write(f"{line}\n")
    answers.flush()


if __name__ == "__main__":
    main()
