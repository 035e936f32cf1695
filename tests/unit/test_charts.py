"""The geometry of the curves: nothing is drawn that was not counted."""

from datetime import UTC, date, datetime

from dashboard.charts import chart
from models.queries.rollouts import Uptake, Version

FIRST = date(2026, 3, 30)


def version(number: int, day: int) -> Version:
    """A version released on a day of April."""
    return Version("acme:1", number, datetime(2026, 4, day, tzinfo=UTC), None, (), (), (), 0)


def test_stacked_from_the_latest_up() -> None:
    """The latest version lies at the bottom, the one before on top of it, scaled to a round number."""
    drawn = chart(
        [Uptake("acme:1", 1, FIRST, [3, 2, 1]), Uptake("acme:1", 2, FIRST, [0, 1, 3])],
        [version(2, 1), version(1, 1)],
        width=20,
        height=40,
    )
    assert drawn
    assert [(area.version, area.shade, area.tenants) for area in drawn.areas] == [(2, 0, 3), (1, 1, 1)]
    assert drawn.areas[0].path == "M0.0,40.0L10.0,30.0L20.0,10.0L20.0,40.0L10.0,40.0L0.0,40.0Z"
    assert drawn.areas[1].path == "M0.0,10.0L10.0,10.0L20.0,0.0L20.0,10.0L10.0,30.0L0.0,40.0Z"
    assert [mark.label for mark in drawn.releases] == ["v2", "v1"]
    assert drawn.summary.startswith("3 of 4 connected tenants run version 2")


def test_latest_without_tenants_keeps_its_colour() -> None:
    """Before the first upgrade no version looks like the latest one."""
    drawn = chart([Uptake("acme:1", 1, FIRST, [3])], [version(2, 1), version(1, 1)], width=20, height=40)
    assert drawn
    assert [(area.version, area.shade) for area in drawn.areas] == [(1, 1)]


def test_nobody_is_no_picture() -> None:
    """An empty box would look like a fault."""
    assert chart([], [version(1, 1)], width=20, height=40) is None


def test_coarse() -> None:
    """Of every second day back from the last; the first is there as well."""
    drawn = chart([Uptake("acme:1", 1, FIRST, [4, 3, 2, 1])], [version(1, 1)], width=30, height=40, every=2)
    assert drawn
    assert drawn.areas[0].path == "M0.0,0.0L10.0,10.0L30.0,30.0L30.0,40.0L10.0,40.0L0.0,40.0Z"
