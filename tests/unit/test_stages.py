"""The stage of a version: by what share it has, had, and has lost."""

from datetime import date, timedelta

import pytest

from uptake.stages import Counted, StageName, adopted

MONDAY = date(2026, 3, 2)


def stages(*days: dict[int, int]) -> dict[int, StageName | None]:
    """The stage of each version after days on which so many tenants ran each."""
    counts = [
        Counted(MONDAY + timedelta(days=place), version, tenants)
        for place, day in enumerate(days)
        for version, tenants in day.items()
    ]
    return {one.version: one.stage for one in adopted(counts)}


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        pytest.param([{1: 100}], {1: "complete"}, id="everybody"),
        pytest.param([{1: 91, 2: 9}], {1: "majority", 2: "low"}, id="less_than_a_tenth"),
        pytest.param([{1: 90, 2: 10}], {1: "majority", 2: "adopted"}, id="a_tenth"),
        pytest.param([{1: 50, 2: 50}], {1: "majority", 2: "majority"}, id="half_each"),
        pytest.param([{1: 100}, {1: 5, 2: 95}], {1: "replaced", 2: "majority"}, id="below_a_tenth_again"),
        pytest.param([{1: 100}, {1: 0, 2: 100}], {1: "replaced", 2: "complete"}, id="nobody_any_more"),
        pytest.param([{1: 100}, {1: 5, 2: 95}, {1: 20, 2: 80}], {1: "adopted", 2: "majority"}, id="it_came_back"),
        pytest.param([{1: 95, 2: 5}, {2: 0}], {1: "complete", 2: "unused"}, id="tried_by_few"),
        pytest.param([{1: 19}], {1: None}, id="too_few_to_say"),
        pytest.param([{1: 10, 2: 9}, {1: 98, 2: 2}], {1: "majority", 2: "low"}, id="a_share_of_few_counts_for_nothing"),
        pytest.param([{1: 100}, {2: 50}], {1: "majority", 2: "adopted"}, id="what_does_not_change_has_no_row"),
    ],
)
def test_stage(days: list[dict[int, int]], expected: dict[int, str | None]) -> None:
    """Each row of the table in docs/api.md."""
    assert stages(*days) == expected


def test_when() -> None:
    """The first day with a tenth stays; the day of the loss is that of the loss, not of each day after it."""
    days = [{1: 100}, {1: 50, 2: 50}, {1: 5, 2: 95}, {1: 4, 2: 96}]
    counts = [Counted(MONDAY + timedelta(days=i), v, n) for i, day in enumerate(days) for v, n in day.items()]
    first, second = adopted(counts)
    assert (first.adopted_on, first.replaced_on, first.peak) == (MONDAY, MONDAY + timedelta(days=2), 1.0)
    assert (second.adopted_on, second.replaced_on, second.share) == (MONDAY + timedelta(days=1), None, 0.96)
    assert adopted([]) == []
