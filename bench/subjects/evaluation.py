"""Judging every app and bringing its alerts in line, as the worker does."""

from collections.abc import Callable

from bench.subjects.uptake import apps, opened
from tasks.evaluate import evaluate_now


def evaluating() -> Callable[[], int]:
    """Evaluate every app once, one after another; how many alerts were raised."""
    opened()
    known = apps()
    return lambda: sum(_raised(app) for app in known)


def _raised(app: int) -> int:
    evaluated = evaluate_now(app)
    if evaluated is None:
        raise RuntimeError(f"there is no app {app}")
    return evaluated.raised
