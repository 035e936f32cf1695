"""Measuring: each subject in a process of its own, taking turns, so that a noisy minute hits them all."""

import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from bench.child import Order, Usage
from bench.cluster import Cluster

_ROOT = Path(__file__).parents[1]


class Measured(msgspec.Struct):
    """One run: what its process used (memory above idle, in bytes), and what PostgreSQL did meanwhile."""

    seconds: float
    cpu: float
    memory: int
    database_cpu: float
    wal: int
    value: Any


class Child:
    """A prepared subject in its own process."""

    def __init__(
        self, subject: str, arguments: Mapping[str, object], environment: Mapping[str, str], python: str
    ) -> None:
        self._subject = subject
        self._process = subprocess.Popen(
            [python, "-m", "bench.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
            cwd=_ROOT,
            text=True,
        )
        self._tell(msgspec.json.encode(Order(subject, dict(arguments))).decode())

    def await_ready(self) -> None:
        """Wait until it is prepared; raises when it never will be."""
        self._hear()

    def go(self) -> None:
        """Let it run, once."""
        self._tell("go")

    def usage(self) -> Usage:
        """Wait for the end of the run."""
        return msgspec.json.decode(self._hear(), type=Usage)

    def end(self, *, at_once: bool = False) -> None:
        """Let the process end, *at_once* in the middle of its work; nothing is measured any more."""
        if at_once:
            self._process.kill()
        self._process.communicate()

    def _tell(self, line: str) -> None:
        if self._process.stdin:
            self._process.stdin.write(f"{line}\n")
            self._process.stdin.flush()

    def _hear(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"{self._subject} ended with {self._process.wait()} before its work was done")
        return line


@contextmanager
def child(
    subject: str,
    arguments: Mapping[str, object],
    environment: Mapping[str, str] | None = None,
    *,
    python: str = sys.executable,
) -> Iterator[Child]:
    """A subject, ready to go, run by this *python*."""
    started = Child(subject, arguments, environment or {}, python)
    try:
        started.await_ready()
        yield started
    except BaseException:
        started.end(at_once=True)
        raise
    started.end()


def measure(cluster: Cluster, children: Sequence[Child]) -> Measured:
    """Let all *children* run at once; the time until the last is done, CPU in sum, memory of the largest."""
    cluster.checkpoint()
    before = cluster.mark()
    for each in children:
        each.go()
    usages = [each.usage() for each in children]
    after = cluster.mark()
    return Measured(
        seconds=max(usage.seconds for usage in usages),
        cpu=sum(usage.cpu for usage in usages),
        memory=max(usage.peak - usage.idle for usage in usages),
        database_cpu=after.cpu - before.cpu,
        wal=after.wal - before.wal,
        value=usages[0].value if len(usages) == 1 else [usage.value for usage in usages],
    )


Runs = dict[str, list[Measured]]


def in_turns(rounds: int, subjects: Mapping[str, Callable[[], Measured]]) -> Runs:
    """Every subject once per round, in the order given."""
    found: Runs = {name: [] for name in subjects}
    for number in range(1, rounds + 1):
        for name, run in subjects.items():
            found[name].append(run())
            print(f"  {number}/{rounds} {name}: {found[name][-1].seconds:.2f} s", flush=True)
    return found


def median(runs: Sequence[Measured], figure: Callable[[Measured], float] = lambda run: run.seconds) -> float:
    """The median of one figure, of seconds unless told otherwise."""
    return statistics.median(figure(run) for run in runs)


def ratio(above: Sequence[Measured], below: Sequence[Measured]) -> float:
    """The median of the ratios of the times, each within its own round; of medians where the rounds were not shared."""
    if len(above) != len(below):
        return median(above) / median(below)
    return statistics.median(one.seconds / other.seconds for one, other in zip(above, below, strict=True))


def scaled(run: Measured, factor: float) -> Measured:
    """What *run* would have taken with so many times the work."""
    return msgspec.structs.replace(
        run,
        seconds=run.seconds * factor,
        cpu=run.cpu * factor,
        database_cpu=run.database_cpu * factor,
        wal=round(run.wal * factor),
    )


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The exponent *k* of `cost = c * size ** k` through the (size, cost) *points*, by least squares of logarithms."""
    xs, ys = [math.log(size) for size, _ in points], [math.log(cost) for _, cost in points]
    return statistics.linear_regression(xs, ys).slope
