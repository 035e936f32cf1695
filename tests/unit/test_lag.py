"""Who lags, behind what, and since when: every corner case of `domain.md` 4.3 that the lag rules decide."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.lag import (
    LagClass,
    Unjudged,
    Verdict,
    age,
    bounded,
    candidates,
    judge,
    missing_since,
    superfluous_since,
    unjudged,
)
from uptake.versions import History, ScopeVersion, latest, numbered, ordered, since

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    """Version k is released on day k, unless a case says otherwise."""
    return T0 + timedelta(days=number)


def released(*sets: str) -> History:
    """A history from words such as "A B": version 1, 2, 3 …, a day apart."""
    return tuple(ScopeVersion(n, frozenset(s.split()), day(n)) for n, s in enumerate(sets, start=1))


@dataclass(frozen=True)
class Case:
    """One row: a history, a tenant, and what is said of it."""

    history: History
    lag: LagClass
    version: int | None = None
    grants: str | None = None
    missing: str = ""
    superfluous: str = ""
    behind: int = 0
    outdated: datetime | None = None
    blocking: datetime | None = None
    trimming: datetime | None = None
    mismatch: bool = False
    wanted: Verdict = field(init=False)

    def __post_init__(self) -> None:
        """Spell the verdict out."""
        wanted = Verdict(
            lag=self.lag,
            missing=frozenset(self.missing.split()),
            superfluous=frozenset(self.superfluous.split()),
            versions_behind=self.behind,
            outdated_since=self.outdated,
            blocking_since=self.blocking,
            mismatch=self.mismatch,
            trimming_since=self.trimming,
        )
        object.__setattr__(self, "wanted", wanted)


CURRENT, BLOCKING, TRIMMING, EQUIVALENT = LagClass

CASES = {
    "current": Case(released("A", "A B"), CURRENT, version=2),
    "one_version_behind": Case(
        released("A", "A B"), BLOCKING, version=1, missing="B", behind=1, outdated=day(2), blocking=day(2)
    ),
    "several_versions_behind_count_from_the_oldest_missed": Case(
        released("A", "A B", "A B C", "A B C D"),
        BLOCKING,
        version=1,
        missing="B C D",
        behind=3,
        outdated=day(2),
        blocking=day(2),
    ),
    "latest_only_withdraws_scopes": Case(
        released("A B", "A"),
        TRIMMING,
        version=1,
        superfluous="B",
        behind=1,
        outdated=day(2),
        trimming=day(2),
    ),
    "blocking_wins_over_trimming_and_both_lists_are_told": Case(
        released("A B", "A C"),
        BLOCKING,
        version=1,
        missing="C",
        superfluous="B",
        behind=1,
        outdated=day(2),
        blocking=day(2),
        trimming=day(2),
    ),
    "restored_scopes_tenant_at_n_minus_1_is_equivalent": Case(
        released("A", "A B", "A"), EQUIVALENT, version=1, behind=2, outdated=day(2)
    ),
    "restored_scopes_tenant_at_n_by_diff": Case(
        released("A", "A B", "A"),
        TRIMMING,
        version=2,
        superfluous="B",
        behind=1,
        outdated=day(3),
        trimming=day(3),
    ),
    "restored_scopes_token_probe_takes_the_newest_candidate": Case(released("A", "A B", "A"), CURRENT, grants="A"),
    "restored_scopes_last_known_version_is_kept": Case(
        released("A", "A B", "A"), EQUIVALENT, version=1, grants="A", behind=2, outdated=day(2)
    ),
    "add_remove_add": Case(
        released("A", "A B", "A", "A B"),
        BLOCKING,
        version=1,
        missing="B",
        behind=3,
        outdated=day(2),
        blocking=day(4),
    ),
    "remove_add_remove": Case(
        released("A B", "A", "A B", "A"),
        TRIMMING,
        version=1,
        superfluous="B",
        behind=3,
        outdated=day(2),
        trimming=day(4),
    ),
    "outdated_by_a_trim_then_blocked_later": Case(
        released("A B", "A", "A C"),
        BLOCKING,
        version=1,
        missing="C",
        superfluous="B",
        behind=2,
        outdated=day(2),
        blocking=day(3),
        trimming=day(2),
    ),
    "level_change_lacks_only_the_new_level": Case(
        released("A:r", "A:r A:w"),
        BLOCKING,
        version=1,
        missing="A:w",
        behind=1,
        outdated=day(2),
        blocking=day(2),
    ),
    "renamed_scope_is_one_that_lacks_and_one_too_many": Case(
        released("A", "Z"),
        BLOCKING,
        version=1,
        missing="Z",
        superfluous="A",
        behind=1,
        outdated=day(2),
        blocking=day(2),
        trimming=day(2),
    ),
    "write_without_read_is_never_completed": Case(released("A:r", "A:w"), CURRENT, version=2),
    "two_versions_within_an_hour_name_one_diff_from_the_tenants_own": Case(
        (
            ScopeVersion(1, frozenset("A"), day(1)),
            ScopeVersion(2, frozenset("AB"), day(2)),
            ScopeVersion(3, frozenset("AC"), day(2) + timedelta(minutes=50)),
        ),
        BLOCKING,
        version=1,
        missing="C",
        behind=2,
        outdated=day(2),
        blocking=day(2) + timedelta(minutes=50),
    ),
    "upgraded_to_a_version_that_is_already_not_latest": Case(
        released("A", "A B", "A B C"),
        BLOCKING,
        version=2,
        missing="C",
        behind=1,
        outdated=day(3),
        blocking=day(3),
    ),
    "clock_skew_orders_by_number": Case(
        (
            ScopeVersion(1, frozenset("A"), day(3)),
            ScopeVersion(2, frozenset("AB"), day(2)),
            ScopeVersion(3, frozenset("AB"), day(1)),
        ),
        BLOCKING,
        version=1,
        missing="B",
        behind=2,
        outdated=day(2),
        blocking=day(2),
    ),
    "numbers_with_gaps_count_listed_versions": Case(
        (ScopeVersion(3, frozenset("A"), day(3)), ScopeVersion(7, frozenset("AB"), day(7))),
        BLOCKING,
        version=3,
        missing="B",
        behind=1,
        outdated=day(7),
        blocking=day(7),
    ),
    "app_without_scopes": Case(released(""), CURRENT, version=1),
    "all_scopes_withdrawn": Case(
        released("A", ""),
        TRIMMING,
        version=1,
        superfluous="A",
        behind=1,
        outdated=day(2),
        trimming=day(2),
    ),
    "grants_and_version_agree": Case(
        released("A", "A B"),
        BLOCKING,
        version=1,
        grants="A",
        missing="B",
        behind=1,
        outdated=day(2),
        blocking=day(2),
    ),
    "mismatch_more_granted_than_the_version_has": Case(
        released("A", "A B"), EQUIVALENT, version=1, grants="A B", behind=1, outdated=day(2), mismatch=True
    ),
    "mismatch_less_granted_than_the_version_has": Case(
        released("A B", "A B C"),
        BLOCKING,
        version=1,
        grants="A",
        missing="B C",
        behind=1,
        outdated=day(2),
        blocking=day(1),
        mismatch=True,
    ),
    "mismatch_at_the_latest_version_is_not_current": Case(
        released("A", "A B"), BLOCKING, version=2, grants="A", missing="B", blocking=day(2), mismatch=True
    ),
    "mismatch_at_the_latest_version_granting_more": Case(
        released("A", "A B"),
        TRIMMING,
        version=2,
        grants="A B C",
        superfluous="C",
        trimming=day(2),
        mismatch=True,
    ),
    "probe_matches_one_old_version": Case(
        released("A", "A B", "A B C"),
        BLOCKING,
        grants="A B",
        missing="C",
        behind=1,
        outdated=day(3),
        blocking=day(3),
    ),
    "probe_matches_no_version_lags_since_its_oldest_lack": Case(
        released("A", "A B", "A B C"),
        BLOCKING,
        grants="A C",
        missing="B",
        behind=2,
        outdated=day(2),
        blocking=day(2),
    ),
    "probe_grants_nothing": Case(
        released("A"), BLOCKING, grants="", missing="A", behind=1, outdated=day(1), blocking=day(1)
    ),
    "probe_grants_what_was_never_asked_for": Case(
        released("A"), TRIMMING, grants="A Z", superfluous="Z", behind=1, outdated=day(1), trimming=day(1)
    ),
    "version_unlisted_but_grants_known": Case(
        (ScopeVersion(1, frozenset("A"), day(1)), ScopeVersion(3, frozenset("AB"), day(3))),
        BLOCKING,
        version=2,
        grants="A",
        missing="B",
        behind=1,
        outdated=day(3),
        blocking=day(3),
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_judge(case: Case) -> None:
    """Each corner case of the lag rules gets its class, its lists and its clocks."""
    grants = None if case.grants is None else frozenset(case.grants.split())
    assert judge(case.history, version=case.version, grants=grants) == case.wanted


@pytest.mark.parametrize(
    ("history", "version", "grants", "why"),
    [
        pytest.param((), 1, None, Unjudged.NO_VERSIONS, id="app_without_versions"),
        pytest.param(released("A"), 2, None, Unjudged.VERSION_AHEAD, id="version_above_the_latest_known"),
        pytest.param(released("A"), 2, frozenset("A"), Unjudged.VERSION_AHEAD, id="version_above_even_with_grants"),
        pytest.param(released("A")[:0] + released("A", "B")[1:], 1, None, Unjudged.VERSION_UNLISTED, id="gap"),
        pytest.param(released("A"), None, None, Unjudged.NOTHING_KNOWN, id="never_connected"),
        pytest.param(released("A"), 1, None, None, id="judged_by_version"),
        pytest.param(released("A"), None, frozenset("Z"), None, id="judged_by_grants"),
    ],
)
def test_a_version_is_never_invented(
    history: History, version: int | None, grants: frozenset[str] | None, why: Unjudged | None
) -> None:
    """What cannot be judged has a named reason and no verdict; what has no reason has a verdict."""
    assert unjudged(history, version=version, grants=grants) is why
    assert (judge(history, version=version, grants=grants) is None) == (why is not None)


def test_a_probe_reports_every_candidate() -> None:
    """A token cannot tell version 1 from version 3 when both ask for the same."""
    history = released("A", "A B", "A")
    assert candidates(history, frozenset("A")) == (1, 3)
    assert candidates(history, frozenset("Z")) == ()


@pytest.mark.parametrize(
    ("version", "grant", "expected"),
    [
        pytest.param(1, "B", day(4), id="back_to_stay_at_4"),
        pytest.param(1, "C", day(2), id="there_since_2"),
        pytest.param(1, "Z", None, id="never_required"),
        pytest.param(None, "B", day(4), id="version_unknown"),
        pytest.param(3, "C", day(3), id="counted_from_the_version_that_was_accepted"),
    ],
)
def test_missing_since(version: int | None, grant: str, expected: datetime | None) -> None:
    """A grant is missing since the oldest version from which on every version requires it."""
    history = released("A", "A B C", "A C", "A B C")
    assert missing_since(history, version, grant) == expected


def test_superfluous_since_mirrors_missing_since() -> None:
    """A grant is superfluous since the oldest version from which on none asks for it."""
    history = released("A B", "A", "A B", "A", "A")
    assert superfluous_since(history, 1, "B") == day(4)
    assert superfluous_since(history, 1, "A") is None


@pytest.mark.parametrize(
    ("epoch", "clocks"),
    [
        pytest.param(None, (day(2), day(3), day(2)), id="epoch_unknown"),
        pytest.param(day(1), (day(2), day(3), day(2)), id="epoch_before_all"),
        pytest.param(day(9), (day(9), day(9), day(9)), id="reconnected_after_all"),
    ],
)
def test_the_epoch_bounds_every_clock(epoch: datetime | None, clocks: tuple[datetime, ...]) -> None:
    """After a disconnect and a reconnect the lag clocks start again, and nothing else changes."""
    verdict = judge(released("A B", "A", "A C"), version=1, grants=None)
    assert verdict is not None
    limited = bounded(verdict, epoch)
    assert (limited.outdated_since, limited.blocking_since, limited.trimming_since) == clocks
    assert (limited.lag, limited.missing, limited.versions_behind) == (BLOCKING, frozenset("C"), 2)


def test_the_epoch_gives_no_clock_to_who_does_not_lag() -> None:
    """A current tenant has no clocks, whenever it connected."""
    verdict = judge(released("A"), version=1, grants=None)
    assert verdict is not None
    assert bounded(verdict, day(9)) == verdict


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        pytest.param(1, day(3), id="blocking"),
        pytest.param(2, day(3), id="blocking_with_nothing_superfluous"),
        pytest.param(3, None, id="current"),
    ],
)
def test_since_is_the_clock_of_the_class(version: int, expected: datetime | None) -> None:
    """Blocking counts from its missing grants, not from the first version that was missed."""
    verdict = judge(released("A B", "A", "A C"), version=version, grants=None)
    assert verdict is not None
    assert verdict.since == expected


def test_age_is_never_negative() -> None:
    """A release stamped by a clock that is ahead has age zero."""
    assert age(day(2), day(1)) == timedelta()
    assert age(day(1), day(2)) == timedelta(days=1)


def test_ordered_sorts_by_number_and_drops_repeats() -> None:
    """A page read twice changes nothing."""
    one, two = released("A", "A B")
    assert ordered([two, one, two]) == (one, two)


def test_ordered_refuses_a_version_that_changed() -> None:
    """Versions are immutable: two readings of one number must agree."""
    one, two = released("A", "A B")
    with pytest.raises(ValueError, match="version 2 is listed twice"):
        ordered([one, two, two._replace(grants=frozenset("Z"))])


def test_looking_up_versions() -> None:
    """The latest is the highest number, and an unknown number is None."""
    history = released("A", "A B")
    assert latest(history) == history[1]
    assert latest(()) is None
    assert numbered(history, 1) == history[0]
    assert numbered(history, 9) is None
    assert since(history, 1) == history[1:]


GRANTS = st.frozensets(st.sampled_from("ABCD"))


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Any sets in any order, with release times that no order is promised for."""
    sets = draw(st.lists(GRANTS, min_size=1, max_size=6))
    days = draw(st.lists(st.integers(0, 9), min_size=len(sets), max_size=len(sets)))
    return tuple(ScopeVersion(n, s, day(d)) for n, (s, d) in enumerate(zip(sets, days, strict=True), start=1))


@given(histories(), st.integers(0, 7) | st.none(), GRANTS | st.none())
def test_classes_say_what_they_mean(history: History, version: int | None, grants: frozenset[str] | None) -> None:
    """The lists decide the class, every lag has its clock, and current means the latest version as it is."""
    verdict = judge(history, version=version, grants=grants)
    if verdict is None:
        return
    assert (verdict.lag is BLOCKING) == bool(verdict.missing)
    assert (verdict.lag is TRIMMING) == bool(verdict.superfluous and not verdict.missing)
    assert (verdict.blocking_since is not None) == bool(verdict.missing)
    assert (verdict.trimming_since is not None) == bool(verdict.superfluous)
    assert (verdict.outdated_since is not None) == (verdict.versions_behind > 0)
    assert (verdict.since is not None) == (verdict.lag in {BLOCKING, TRIMMING})
    if version is not None:
        assert (verdict.lag is CURRENT) == (version == history[-1].number and not verdict.mismatch)


@given(histories(), st.integers(1, 6), GRANTS | st.none(), GRANTS, st.integers(0, 9))
def test_a_newer_release_gives_no_amnesty(
    history: History, version: int, grants: frozenset[str] | None, added: frozenset[str], on: int
) -> None:
    """A release moves no clock of a grant that stays missing, nor that of the first missed version."""
    before = judge(history, version=version, grants=grants)
    longer = (*history, ScopeVersion(len(history) + 1, added, day(on)))
    after = judge(longer, version=version, grants=grants)
    if before is None or after is None:
        return
    for grant in before.missing & after.missing:
        assert missing_since(longer, version, grant) == missing_since(history, version, grant)
    if before.outdated_since is not None:
        assert after.outdated_since == before.outdated_since
