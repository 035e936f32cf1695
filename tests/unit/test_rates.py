"""Room by a rate: never more than so many in any span, and as many as that."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.rates import Rate, free, next_free

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def seconds(*spans: float) -> list[datetime]:
    """So many seconds from now."""
    return [NOW + span * SECOND for span in spans]


@pytest.mark.parametrize(
    ("most", "used", "ahead", "found"),
    [
        pytest.param(3, [], 0, [0, 0, 0], id="R1_all_of_it"),
        pytest.param(3, [-60, -59, 0], 0, [0], id="R2_what_is_over_is_free_again"),
        pytest.param(3, [-59, -58, 0], 0, [], id="R3_no_room"),
        pytest.param(3, [-59, -58, 0], 1, [], id="R4_not_at_the_end_itself"),
        pytest.param(3, [-59, -58, 0], 2, [1], id="R5_soon"),
        pytest.param(3, [-59, -58, 0], 61, [1, 2, 60], id="R6_spread_as_it_becomes_free"),
        pytest.param(1, [30], 91, [90], id="R7_after_what_is_promised"),
        pytest.param(3, [-9, -8, -7, -6, -5], 0, [], id="R8_more_was_used_by_a_larger_rate"),
    ],
)
def test_free(most: int, used: list[float], ahead: float, found: list[float]) -> None:
    """Of so many in a minute."""
    rate, until = Rate(most, MINUTE), NOW + ahead * SECOND
    assert free(rate, seconds(*used), now=NOW, until=until, most=9) == seconds(*found)


def test_no_more_than_are_wanted() -> None:
    """Who has fewer to send takes no more room."""
    assert free(Rate(9, MINUTE), [], now=NOW, until=NOW, most=2) == [NOW, NOW]


@given(
    rate=st.builds(Rate, st.integers(1, 5), st.just(MINUTE)),
    waits=st.lists(st.tuples(st.floats(0, 90), st.integers(0, 9)), max_size=20),
)
def test_never_more_in_any_span(rate: Rate, waits: list[tuple[float, int]]) -> None:
    """However often and whenever somebody asks, for however many; and who asks finds room when it was promised."""
    now, used = NOW, list[datetime]()
    for wait, wanted in waits:
        now += wait * SECOND
        used += free(rate, used[-rate.most :], now=now, until=now + 5 * SECOND, most=wanted)
        promised = next_free(rate, used, now=now)
        assert free(rate, used, now=promised, until=promised, most=1) == [promised]
    assert used == sorted(used)
    assert all(later - first >= rate.span for first, later in zip(used, used[rate.most :], strict=False))
