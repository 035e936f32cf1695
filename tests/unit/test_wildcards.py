"""Patterns with *, which users write: each means what it says, and none keeps anybody waiting."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.wildcards import fits


@pytest.mark.parametrize(
    ("pattern", "name", "is_meant"),
    [
        pytest.param("alert.raised", "alert.raised", True, id="W1_itself"),
        pytest.param("alert", "alert.raised", False, id="W2_no_more_than_itself"),
        pytest.param("alert.*", "alert.raised", True, id="W3_what_begins_so"),
        pytest.param("*.raised", "alert.raised", True, id="W4_what_ends_so"),
        pytest.param("alert.*.x", "alert.x", False, id="W5_both_ends_are_there"),
        pytest.param("a*a", "a", False, id="W6_one_letter_is_not_both_ends"),
        pytest.param("*b*c*", "abd", False, id="W7_all_pieces"),
        pytest.param("*c*b*", "abc", False, id="W8_in_their_order"),
        pytest.param("*bc*c", "abc", False, id="W9_no_piece_within_the_end"),
        pytest.param("*b*b*", "abc", False, id="W13_no_letter_twice"),
        pytest.param("*", "", True, id="W10_nothing"),
        pytest.param("a.c", "abc", False, id="W11_no_other_letter_means_more"),
        pytest.param("a*b", "a\nb", True, id="W12_lines"),
    ],
)
def test_fits(pattern: str, name: str, is_meant: bool) -> None:
    """* stands for anything, also for nothing; all else for itself."""
    assert fits(pattern, name) is is_meant


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_as_by_every_way_of_reading(pattern: str, name: str) -> None:
    """The earliest place of each piece is enough: trying all of them finds the same."""
    assert fits(pattern, name) is (re.fullmatch(pattern.replace("*", ".*"), name) is not None)


def test_no_pattern_is_slow() -> None:
    """As many * as an address holds, over the longest name that nearly is meant: no way of reading is tried twice."""
    begun = time.process_time()
    assert not fits("*a" * 50 + "b", "a" * 1000)
    assert not fits("*" * 99 + "b", "a" * 1000)
    assert time.process_time() - begun < 1
