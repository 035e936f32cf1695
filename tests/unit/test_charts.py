"""The geometry of the curves: nothing is drawn that was not counted."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from dashboard.charts import chart
from models.queries.trends import DAYS, EVERY, Drawn, Released, Trend

LAST = date(2026, 4, 30)
PLACES = DAYS // EVERY + 1
WIDTH = 10 * (PLACES - 1)


def drawn(ends: Mapping[int, list[int]], *released: tuple[int, int]) -> Drawn:
    """Curves that end so, and were nothing before; releases so many days after the first."""
    lines = {version: [0] * (PLACES - len(end)) + end for version, end in ends.items()}
    first = datetime.combine(LAST - timedelta(days=DAYS), datetime.min.time(), UTC)
    return Drawn(Trend(LAST, lines), [Released(number, first + timedelta(days=day)) for number, day in released])


def test_stacked_from_the_latest_up() -> None:
    """The latest version lies at the bottom, the one before on top of it, scaled to a round number."""
    found = chart(drawn({1: [3, 2, 1], 2: [0, 1, 3]}, (2, 6), (1, 3)), 2, width=WIDTH, height=40)
    assert found
    assert [(area.version, area.shade, area.tenants) for area in found.areas] == [(2, 0, 3), (1, 1, 1)]
    assert "L280.0,40.0L290.0,30.0L300.0,10.0L300.0,40.0L290.0,40.0L280.0,40.0L" in found.areas[0].path
    assert "L280.0,10.0L290.0,10.0L300.0,0.0L300.0,10.0L290.0,30.0L280.0,40.0L" in found.areas[1].path
    assert all(area.path.startswith("M0.0,40.0L") and area.path.endswith("L0.0,40.0Z") for area in found.areas)
    assert [(mark.label, round(mark.at, 6)) for mark in found.releases] == [("v2", 20), ("v1", 10)]
    assert found.summary == "3 of 4 connected tenants run version 2 at the end of these 90 days"


def test_latest_without_tenants_keeps_its_colour() -> None:
    """Before the first upgrade no version looks like the latest one."""
    found = chart(drawn({1: [3]}, (2, 5)), 2, width=WIDTH, height=40)
    assert found
    assert [(area.version, area.shade) for area in found.areas] == [(1, 1)]
    assert found.summary.startswith("0 of 3 connected tenants run version 2")


def test_no_version_is_known() -> None:
    """It says who is connected, and nothing of a version."""
    found = chart(drawn({0: [3]}), None, width=WIDTH, height=40)
    assert found
    assert found.summary == "3 tenants are connected at the end of these 90 days"


def test_what_was_released_before_has_no_mark() -> None:
    """Nor has what was released after the last point."""
    found = chart(drawn({1: [3]}, (3, 91), (2, 90), (1, 0)), 3, width=WIDTH, height=40)
    assert found
    assert [mark.label for mark in found.releases] == ["v2"]


def test_nobody_is_no_picture() -> None:
    """An empty box would look like a fault."""
    assert chart(drawn({}, (1, 5)), 1, width=WIDTH, height=40) is None
    assert chart(Drawn(None), 1, width=WIDTH, height=40) is None
