"""The invariants: what is stored against what may be known, table by table."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tests.integration.history.known import Came, Happening, Picture, Stretch
from tests.integration.history.owed import Alerts
from tests.integration.history.stored import Connection, Event, Stored, Tenure
from tests.integration.history.truth import Key
from uptake.pages import fingerprint


def check_app(stored: Stored, number: int, picture: Picture, alerts: Alerts) -> None:
    """All that is stored of one app, by its number, except for what is new."""
    ours = [row for row in stored.connections or () if row.app == number]
    tenures: dict[int, list[Tenure]] = defaultdict(list)
    for tenure in stored.tenures or ():
        tenures[tenure.connection].append(tenure)
    assert {(row.tenant, row.environment) for row in ours} == set(picture.known), "connections"
    for row in ours:
        _check_connection(row, picture)
        _check_tenures(tenures[row.id], picture.known[row.tenant, row.environment].stretches)
    _check_pages(stored, number, ours)
    _check_adoption(stored, number, picture)
    _check_facts_of_app(stored, number, picture)
    whose: dict[int | None, Key] = {row.id: (row.tenant, row.environment) for row in ours}
    _check_alerts(stored, number, alerts, whose)
    threads = {whose[connection] for app, connection in stored.reminders or () if app == number}
    assert threads <= alerts.asked, "reminders"


def _check_connection(row: Connection, picture: Picture) -> None:
    known = picture.known[row.tenant, row.environment]
    facts = known.facts
    assert (row.status, row.version, row.grants) == (facts.status, facts.version, facts.grants), row
    assert (row.client, row.epoch) == (facts.client, known.epoch), row
    assert row.hash == (fingerprint(known.raw) if known.listed else 0), row
    if row.version is not None:
        highest = max(it.version or 0 for it in known.stretches if it.epoch == known.epoch)
        assert row.regressed == (highest if highest > row.version else None), row


def _check_tenures(tenures: Sequence[Tenure], stretches: Sequence[Stretch]) -> None:
    """Every observed transition, in order, without gaps, and each bounded by what was seen before it."""
    assert [(it.status, it.version, it.grants, it.epoch, it.valid_from, it.valid_to) for it in tenures] == [
        (it.status, it.version, it.grants, it.epoch, it.valid_from, it.valid_to) for it in stretches
    ], "tenures"
    assert [it.valid_to for it in tenures].count(None) == 1
    for tenure, stretch in zip(tenures, stretches, strict=True):
        assert not stretch.first or tenure.not_before is None, "first"
        if stretch.no_earlier is not None:
            assert tenure.not_before is not None, ("unbounded", tenure, stretch)
            assert tenure.not_before >= stretch.no_earlier, ("loose", tenure, stretch)
        if stretch.truth is not None:
            assert tenure.not_before is None or tenure.not_before < stretch.truth, (
                "bounded too tightly",
                tenure,
                stretch,
            )
            assert stretch.truth <= tenure.valid_from, ("before its time", tenure, stretch)


def _check_pages(stored: Stored, number: int, ours: Iterable[Connection]) -> None:
    listed = {row.hash for row in ours} - {0}
    remembered = stored.hashes(number)
    assert remembered <= listed, "a page holds what is no connection"
    app = next(app for app in stored.apps if app.id == number)
    if app.settled and app.deleted_at is None and remembered:
        assert remembered == listed, "settled, and not all is remembered"


def _check_adoption(stored: Stored, number: int, picture: Picture) -> None:
    """For each day on which anything changed, the curve is what a recount of that day gives."""
    rows = [(env, version, day, count) for app, env, version, day, count in stored.adoption or () if app == number]
    for (environment, version, day), expected in picture.adoption.items():
        till = [count for env, ver, at, count in rows if (env, ver) == (environment, version) and at <= str(day)]
        assert (till[-1] if till else 0) == expected, ("adoption", environment, version, day, rows)
    days = {str(day) for _, _, day in picture.adoption}
    assert {day for _, _, day, _ in rows} <= days, "adoption on a day without change"


def _check_facts_of_app(stored: Stored, number: int, picture: Picture) -> None:
    app = next(app for app in stored.apps if app.id == number)
    versions = [(ver, grants) for owner, ver, grants in stored.versions or () if owner == number]
    assert versions == [(version.number, version.grants) for version in picture.versions], "versions"
    assert (app.latest or 0) == len(versions), "latest"
    assert (app.name, app.approval, app.deleted_at is not None, app.failures) == (
        picture.name,
        picture.approval,
        picture.deleted,
        picture.failures,
    ), app


def _check_alerts(stored: Stored, number: int, alerts: Alerts, whose: Mapping[int | None, Key]) -> None:
    ours = [alert for alert in stored.alerts or () if alert.app == number]
    lagging = [alert for alert in ours if alert.kind in {"tenant_lagging", "tenant_overgranted"}]
    found = {(whose[alert.connection], alert.kind): alert.state == "firing" for alert in lagging}
    assert len(found) == len(lagging), "two alerts about the same"
    assert found == alerts.open, "alerts"
    assert sum(alert.kind == "poll_failing" for alert in ours) == alerts.poll_failing, "poll failing"
    overall = [(alert.kind, alert.connection) for alert in ours if alert.kind.startswith("rollout_")]
    assert all(connection is None for _, connection in overall), "an alert on a rollout is about nobody alone"


def check_events(events: Iterable[Event], happened: Sequence[Happening], whose: Mapping[int, Key]) -> None:
    """The new events of one app are its transitions: of each connection in order, and of the app in order."""
    found: dict[Key | None, list[Happening]] = defaultdict(list)
    for event in events:
        if event.type.startswith(("alert.", "reminder.")) or event.type == "app.listed":
            continue
        data = event.data
        to = data.get("version") if event.type == "version.released" else data.get("to_version")
        key = None if event.connection is None else whose[event.connection]
        found[key].append((event.type, key, data.get("from_version"), to))
    expected: dict[Key | None, list[Happening]] = defaultdict(list)
    for happening in happened:
        expected[happening[1]].append(happening)
    for key in {*found, *expected}:
        assert found[key] == expected[key], ("events", key, found[key], expected[key])


def check_polls(stored: Stored, expected: Sequence[tuple[int | None, Came]]) -> None:
    """One row per run, and the sequence of each app rises."""
    found = [(it.app, Came(it.outcome, it.changed, it.vanished, it.rejected)) for it in stored.polls or ()]
    assert found == list(expected), "polls"
    for app in stored.apps:
        runs = [it.seq for it in stored.polls or () if it.app == app.id]
        assert runs == sorted(set(runs)), "order of polls"
        assert max([0, *runs, *(row.seq for row in stored.connections or () if row.app == app.id)]) <= app.seq, "seq"
