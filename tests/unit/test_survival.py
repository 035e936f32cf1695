"""How long tenants take to upgrade: against lifelines on anything, and by hand where the answer is known."""

import math
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.utils import qth_survival_times

from uptake.survival import STAGES, Percentile, Spell, Stage, Step, grouped, percentiles, stages, survival_curve

SHARES = (0.1, 0.5, 0.9, 0.95)
DAY = 86400.0
# Few values make ties, within and between those that upgraded and those that did not.
SECONDS = st.one_of(st.sampled_from([0.0, 1.0, 2.0, DAY]), st.floats(0, 400 * DAY))
ROWS = st.lists(st.tuples(SECONDS, st.booleans()), min_size=1, max_size=60)


def split(rows: list[tuple[float, bool]]) -> tuple[list[Spell], list[Spell]]:
    """The rows as spells of those that upgraded, and of the others."""
    return grouped(at for at, is_event in rows if is_event), grouped(at for at, is_event in rows if not is_event)


def fitted(rows: list[tuple[float, bool]]) -> KaplanMeierFitter:
    """What lifelines makes of the same rows."""
    return KaplanMeierFitter().fit([at for at, _ in rows], [is_event for _, is_event in rows])


def near(ours: float | None, theirs: float) -> bool:
    """Equal to 1e-9; where lifelines says infinite, we say that it is not reached."""
    return math.isinf(theirs) if ours is None else math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-9)


@settings(max_examples=40)
@given(ROWS)
@example([(0.0, True)])
@example([(0.0, False)])
@example([(DAY, True)])
@example([(DAY, False)] * 3)
@example([(DAY, True)] * 3)
@example([(0.0, True), (0.0, False), (DAY, True), (DAY, False)])
@example([(float(day), day % 3 > 0) for day in range(300)])
def test_curve_is_that_of_lifelines(rows: list[tuple[float, bool]]) -> None:
    """Each step has the numbers and the bounds that lifelines has at that time, and no event is left out."""
    curve, model = survival_curve(*split(rows)), fitted(rows)
    table = model.event_table.join(model.survival_function_).join(model.confidence_interval_)
    table = table[table["observed"] > 0]
    assert [step.seconds for step in curve.steps] == list(table.index)
    for step, (_, row) in zip(curve.steps, table.iterrows(), strict=True):
        assert (step.at_risk, step.events) == (row["at_risk"], row["observed"])
        ours = (step.survival, step.lower, step.upper)
        theirs = row[["KM_estimate", "KM_estimate_lower_0.95", "KM_estimate_upper_0.95"]]
        assert all(near(mine, its) for mine, its in zip(ours, theirs, strict=True))
    assert (curve.tenants, curve.upgraded) == (len(rows), sum(is_event for _, is_event in rows))
    assert curve.until_seconds == max(at for at, _ in rows)


@settings(max_examples=40)
@given(ROWS)
@example([(DAY, False)] * 3)
@example([(float(day), True) for day in range(1, 11)])
def test_percentiles_are_those_of_lifelines(rows: list[tuple[float, bool]]) -> None:
    """The first time at which the curve, and each bound of it, is low enough."""
    model = fitted(rows)
    # lifelines takes a share that is met exactly as missed when its quotients round the other way.
    lefts = [1 - share + 1e-12 for share in SHARES]
    times = qth_survival_times(lefts, model.survival_function_).iloc[:, 0]
    bounds = qth_survival_times(lefts, model.confidence_interval_)
    for found, left in zip(percentiles(survival_curve(*split(rows)), SHARES), lefts, strict=True):
        assert near(found.seconds, times.loc[left])
        assert near(found.lower_seconds, bounds.loc[left].iloc[0])
        assert near(found.upper_seconds, bounds.loc[left].iloc[1])


@settings(max_examples=40)
@given(ROWS)
def test_stages_are_read_off_the_curve(rows: list[tuple[float, bool]]) -> None:
    """A stage that was watched is what lifelines predicts for its time."""
    model = fitted(rows)
    for stage in stages(survival_curve(*split(rows))):
        if stage.share is not None:
            assert near(1 - stage.share, model.predict(stage.within.total_seconds()))


def test_counts_are_as_good_as_single_tenants() -> None:
    """Ten thousand tenants come as some hundred pairs, in any order."""
    alone = survival_curve(grouped([3, 1, 1, 1]), grouped([2, 2]))
    assert survival_curve([(3, 1), (1, 2), (1, 1)], [(2, 2)]) == alone
    assert [(step.at_risk, step.events) for step in alone.steps] == [(6, 3), (1, 1)]


def test_by_hand() -> None:
    """Half of four upgrade at once; of two that are left, one leaves in the second of the other's upgrade."""
    curve = survival_curve([(0.0, 2), (5.0, 1)], [(5.0, 1)])
    (first, second) = curve.steps
    assert first[:4] == (0.0, 4, 2, 0.5)
    assert second[:4] == (5.0, 2, 1, 0.25)
    assert first.lower < 0.5 < first.upper


def test_nobody_at_all() -> None:
    """An app without tenants has an empty curve, and nothing is known of it."""
    curve = survival_curve([], [])
    assert (curve.steps, curve.tenants, curve.until_seconds) == ((), 0, 0)
    assert percentiles(curve, (0.5,)) == (Percentile(0.5, None, None, None),)
    assert {stage.share for stage in stages(curve)} == {None}


def test_all_have_upgraded() -> None:
    """The curve ends at nobody, and what comes later is known."""
    curve = survival_curve([(DAY, 10)], [])
    assert curve.steps == (Step(DAY, 10, 10, 0.0, 0.0, 0.0),)
    assert [stage.share for stage in stages(curve)] == [1.0] * 6


def test_nine_of_ten_are_ninety_percent() -> None:
    """A quotient that is a hair too large does not hide that the share is reached."""
    (found,) = percentiles(survival_curve(grouped(range(1, 11)), []), (0.9,))
    assert found.seconds == 9


def test_stage_that_nobody_was_watched_for() -> None:
    """Ten days after the release nothing is said of two weeks, and a stage before the first upgrade is zero."""
    found = stages(survival_curve([(3 * DAY, 4)], [(10 * DAY, 6)]))
    assert [stage.within for stage in found] == list(STAGES)
    assert found[0] == Stage(timedelta(days=1), 0.0, 0.0, 0.0)
    assert found[1].share == pytest.approx(0.4)
    assert found[1].lower is not None
    assert found[1].upper is not None
    assert found[1].lower < 0.4 < found[1].upper
    assert [stage.share for stage in found[2:]] == [found[1].share, None, None, None]


def test_leavers_are_not_refusers() -> None:
    """Six of ten leave after two days: of the four that could be watched, two upgrade within a week."""
    (_, _, week, *_) = stages(survival_curve([(5 * DAY, 2)], [(2 * DAY, 6), (10 * DAY, 2)]))
    assert week.share == pytest.approx(0.5)


@pytest.mark.parametrize("spell", [(-1.0, 1), (1.0, 0), (1.0, -1)])
def test_impossible_spells(spell: Spell) -> None:
    """A caller's mistake is refused, and does not bend the curve."""
    with pytest.raises(ValueError, match="at least one tenant"):
        survival_curve([spell], [])
