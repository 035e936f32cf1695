"""Grants: their spelling, their fingerprint, and their words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.diff import diff
from uptake.scopes import Grant, about, canonical, fingerprint, parse

SETS = st.frozensets(st.text(max_size=8), max_size=6)


def test_parse_splits_scope_and_level() -> None:
    """A grant is a scope and one access level."""
    assert parse("tn.crm.customers:w") == Grant("tn.crm.customers", "w")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("tn.crm.customers", id="no_level"),
        pytest.param("tn.crm.customers:rw", id="two_levels_at_once"),
        pytest.param(":r", id="no_scope"),
        pytest.param("tn.crm customers:r", id="space"),
        pytest.param("tn.crm.customers:r\n", id="newline_at_the_end"),
        pytest.param("tn.crm.customers\u202e:r", id="right_to_left_override"),
        pytest.param("a" * 201 + ":r", id="endless"),
    ],
)
def test_parse_refuses_what_is_not_a_grant(text: str) -> None:
    """What cannot be a grant is refused, and the message can be printed anywhere."""
    with pytest.raises(ValueError, match="not a scope") as refused:
        parse(text)
    assert str(refused.value).isascii()
    assert len(str(refused.value)) < 700


def test_fingerprint_is_stable_over_releases() -> None:
    """The stored fingerprint of a known set never changes: rows of old releases must still be found."""
    expected = "ccf6cb75cad6da7e1a081b357665d3dc276cc74d9dea135066c7d5b2c9ed918c"
    assert fingerprint(["tn.crm.customers:r", "tn.jpm.jobs:w"]) == expected


@given(SETS, SETS)
def test_fingerprint_tells_sets_apart(one: frozenset[str], other: frozenset[str]) -> None:
    """Equal sets have equal fingerprints, and different sets different ones."""
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


def test_fingerprint_knows_where_a_grant_ends() -> None:
    """No way of cutting the same characters into grants passes for another."""
    assert len({fingerprint(cut) for cut in (["a,b"], ["a", "b"], ["1:a", "b"], ["a\nb"])}) == 4


def test_canonical_is_sorted_and_without_repeats() -> None:
    """Order and repeats of a listing do not matter."""
    assert canonical(["b:r", "a:w", "b:r", "a:r"]) == ("a:r", "a:w", "b:r")


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("tn.crm.customers", "customers (tn.crm.customers)"),
        ("tn.jpm.purchase-orders_all", "purchase orders all (tn.jpm.purchase-orders_all)"),
        ("contents", "contents"),
        ("odd.", "odd."),
        ("odd.-", "odd.-"),
    ],
)
def test_what_a_scope_is_about(scope: str, said: str) -> None:
    """The last part of its name says it best; the whole of it tells it from others."""
    assert about(scope) == said


@given(SETS, SETS)
def test_diff_leads_from_before_to_after(before: frozenset[str], after: frozenset[str]) -> None:
    """Taking away what went and adding what came gives the later set, and nothing is both."""
    change = diff(before, after)
    assert (before - change.removed) | change.added == after
    assert not change.added & change.removed
