"""Gauges: how everything stands now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise

from sqlalchemy.orm import Session

from dashboard.metrics.declared import Families
from models.queries.figures import (
    AGES,
    OpenAlerts,
    Reading,
    Stand,
    broken_evaluations,
    queues,
    stopped_receivers,
    ticked_at,
    work,
)
from models.queries.sources import sources

OTHERS = "others"  # apps that have no series of their own
CLASSES = ("current", "blocking", "trimming", "equivalent", "unknown", "disabled", "not_connected")
CONNECTED = CLASSES[:5]
DAYS = (*(f"{since}-{until}" for since, until in pairwise((0, *AGES))), f"{AGES[-1]}+")
THREADS = ("waiting", "held", "ended")


def put_apps(families: Families, found: list[Stand], read: list[Reading], *, most: int) -> None:
    """The rollouts: *most* apps by themselves, those with the most connections; all others together."""
    counts: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(lambda: dict.fromkeys(CLASSES, 0))
    ages: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(DAYS))
    named = _largest(found, read, most)
    for one in found:
        place = (one.app if one.app in named else OTHERS, one.environment)
        counts[place][one.lag] += one.connections
        if one.age is not None:
            ages[place][one.age] += one.connections
    for place, by_class in sorted(counts.items()):
        for lag, connections in by_class.items():
            families.put("uptake_app_connections", connections, *place, lag)
        if connected := sum(by_class[lag] for lag in CONNECTED):
            families.put("uptake_app_adoption_ratio", by_class["current"] / connected, *place)
        for days, connections in zip(DAYS, ages[place], strict=True):
            families.put("uptake_app_blocked_connections", connections, *place, days)
    _put_readings(families, read, named)


def _largest(found: list[Stand], read: list[Reading], most: int) -> set[str]:
    size = dict.fromkeys((one.app for one in read), 0)
    for one in found:
        size[one.app] = size.get(one.app, 0) + one.connections
    # Of equals the oldest: whoever is shown stays so.
    return set(sorted(size, key=lambda app: -size[app])[:most])


def _put_readings(families: Families, read: list[Reading], named: set[str]) -> None:
    name = "uptake_app_last_complete_poll_timestamp_seconds"
    for one in read:
        if one.app in named and one.latest_version is not None:
            families.put("uptake_app_latest_version", one.latest_version, one.app)
        if one.app in named and one.exact_at is not None:
            families.put(name, one.exact_at.timestamp(), one.app)
    if others := [one.exact_at for one in read if one.app not in named and one.exact_at is not None]:
        families.put(name, min(others).timestamp(), OTHERS)


def put_sources(families: Families, session: Session, *, now: datetime) -> set[str]:
    """How each source answers; their names."""
    found = sources(session)
    for one in found:
        families.put("uptake_source_apps", one.apps, one.source)
        families.put("uptake_source_failing_apps", one.failing_apps, one.source)
        is_open = one.resting_until is not None and one.resting_until > now
        families.put("uptake_source_circuit_open", is_open, one.source)
        if one.listed_at is not None:
            families.put("uptake_source_last_listed_timestamp_seconds", one.listed_at.timestamp(), one.source)
    return {one.source for one in found}


def put_work(families: Families, session: Session, *, now: datetime) -> None:
    """What is due, and whether somebody looks for it."""
    for one in work(session, now=now):
        families.put("uptake_work_due", one.due, one.work)
        if one.since is not None:
            families.put("uptake_work_oldest_due_timestamp_seconds", one.since.timestamp(), one.work)
    families.put("uptake_evaluations_broken", broken_evaluations(session))
    if (at := ticked_at(session)) is not None:
        families.put("uptake_last_tick_timestamp_seconds", at.timestamp())


def put_open(families: Families, alerts: Iterable[OpenAlerts], threads: Mapping[str, int]) -> None:
    """What is open: alerts, and threads of reminders."""
    for alert in alerts:
        families.put("uptake_alerts", alert.alerts, alert.kind, alert.severity or "none", alert.state)
    for state in THREADS:
        families.put("uptake_reminders", threads.get(state, 0), state)


def put_messages(families: Families, session: Session, known: Iterable[str], *, now: datetime) -> set[str]:
    """What waits for whom; the receivers: *known* ones, and those for whom something waits or who are shut."""
    waiting, stopped = {queue.receiver: queue for queue in queues(session, now=now)}, set(stopped_receivers(session))
    receivers = {*known, *waiting, *stopped}
    for name in sorted(receivers):
        queue = waiting.get(name)
        families.put("uptake_notices", queue.due if queue else 0, name, "due")
        families.put("uptake_notices", queue.later if queue else 0, name, "later")
        families.put("uptake_receiver_stopped", name in stopped, name)
        if queue and queue.since is not None:
            families.put("uptake_notices_oldest_due_timestamp_seconds", queue.since.timestamp(), name)
    return receivers
