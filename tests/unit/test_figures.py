"""What the charts draw is what was counted, and the words and the table beside them say the same."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from dashboard.figures import adoption_figure, forecast_figure, lasting, upgrade_figure
from models.queries.rollouts import Uptake, Version
from models.queries.upgrades import CurvePoint, Expected, Reached, TimeToUpgrade
from uptake.forecast import Outcome

FIRST = date(2026, 3, 30)
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
DAY = 86_400


def version(number: int, day: int) -> Version:
    """A version released at noon on a day of April."""
    return Version("acme:1", number, datetime(2026, 4, day, 12, tzinfo=UTC), None, (), (), (), 0)


def test_adoption() -> None:
    """The latest version lies at the bottom, releases are marked at their moment, shares are of the day's tenants."""
    curves = [Uptake("acme:1", 1, FIRST, [3, 2, 1]), Uptake("acme:1", 2, FIRST, [0, 1, 3])]
    drawn = adoption_figure(curves, [version(2, 1), version(1, 1)], as_share=True)
    assert drawn
    assert [(one["label"], one["colour"], one["values"]) for one in drawn.spec["series"]] == [
        ("v2", "v0", [0.0, 0.3333, 0.75]),
        ("v1", "v1", [1.0, 0.6666, 0.25]),
    ]
    assert drawn.spec["x"] == [int(datetime(2026, 3, 30, tzinfo=UTC).timestamp()) + n * DAY for n in range(3)]
    assert drawn.summary == "3 of 4 connected tenants run version 2 at the end of these 3 days"
    assert drawn.rows == [["2026-03-30", "0", "3"], ["2026-03-31", "1", "2"], ["2026-04-01", "3", "1"]]


def test_a_latest_version_that_nobody_runs() -> None:
    """Its colour is left to nobody else, and a version that was not told is called so."""
    drawn = adoption_figure([Uptake("acme:1", 0, FIRST, [3])], [version(1, 1)], as_share=False)
    assert drawn
    assert [(one["label"], one["colour"]) for one in drawn.spec["series"]] == [("not told", "v1")]
    assert drawn.summary.startswith("0 of 3 connected tenants run version 1")


def test_nobody() -> None:
    """Without a curve there is no picture."""
    assert adoption_figure([], [version(1, 1)], as_share=False) is None


def taken(upgraded: int) -> TimeToUpgrade:
    """Four tenants, of whom so many have upgraded."""
    curve = [CurvePoint(n * DAY, 5 - n, 1 - n / 4, max(0, 0.8 - n / 4), 1.0) for n in range(1, upgraded + 1)]
    reached = [Reached(0.5, 2 * DAY, DAY, None), Reached(0.9, None, None, None)]
    return TimeToUpgrade(3, "production", NOON, NOON, None, 4, upgraded, 4 - upgraded, 0, 0, reached, [], curve)


def test_time_to_upgrade() -> None:
    """It begins with nobody, rises to who has upgraded, lies within its bounds, and marks what was reached."""
    drawn = upgrade_figure(taken(3))
    assert drawn
    assert drawn.spec["x"] == [0, 1, 2, 3]
    done, most, least = (one["values"] for one in drawn.spec["series"])
    assert done == [0, 0.25, 0.5, 0.75]
    assert all(low <= it <= high for low, it, high in zip(least, done, most, strict=True))
    assert drawn.spec["marks"] == [{"x": 2, "label": "50 %"}]
    assert drawn.rows == [["50 %", "2 days", "24 h", "not reached"], ["90 %", *["not reached"] * 3]]
    assert upgrade_figure(taken(0)) is None


def expected(outcome: Outcome, low: int | None, high: int | None) -> Expected:
    """A forecast for version 2, so many days from noon on."""
    low_at, high_at = (None if days is None else NOON + timedelta(days=days) for days in (low, high))
    return Expected(
        2, "production", NOON, NOON, 0.95, outcome, 0.8, low_at, low_at, high_at, 0.9, 4, 3, 4, 0.0, [1], []
    )


@pytest.mark.parametrize(
    ("found", "words", "spans"),
    [
        (expected(Outcome.EXPECTED, 2, 9), "95 % is expected between 03 April 2026 and 10 April 2026", 1),
        (expected(Outcome.EXPECTED, 2, None), "95 % is not expected before 03 April 2026, and it may be", 1),
        (expected(Outcome.NOT_REACHED, 400, None), "95 % is not reached at this pace within a year", 0),
        (expected(Outcome.REACHED, 0, 0), "95 % of the connected tenants have version 2", 0),
        (expected(Outcome.UNKNOWN, None, None), "Too little is known to say when 95 % is reached", 0),
    ],
)
def test_forecast(found: Expected, words: str, spans: int) -> None:
    """The sentence says what the forecast does, and what is ahead is drawn only where it is expected."""
    curves = [Uptake("acme:1", 1, FIRST, [3, 2, 1]), Uptake("acme:1", 2, FIRST, [0, 1, 3])]
    drawn = forecast_figure(found, curves)
    assert drawn
    assert drawn.summary.startswith(words)
    assert len(drawn.spec["spans"]) == spans
    assert drawn.spec["series"][0]["values"][0] == 0.75
    assert drawn.spec["x"] == sorted(drawn.spec["x"])


def test_nearly_everybody_is_not_everybody() -> None:
    """A share of the table is rounded down, as every share in words is."""
    curves = [Uptake("acme:1", 1, FIRST, [0, 0, 1]), Uptake("acme:1", 2, FIRST, [0, 0, 20_000])]
    drawn = forecast_figure(expected(Outcome.REACHED, 0, 0), curves)
    assert drawn
    assert drawn.rows == [["2026-04-01", "99.9 %"]]


def test_no_text_ends_the_element() -> None:
    """A label cannot close the script element that carries the figures."""
    drawn = adoption_figure([Uptake("acme:1", 1, FIRST, [3])], [version(1, 1)], as_share=False)
    assert drawn
    drawn.spec["series"][0]["label"] = "</script><b>"
    assert "<" not in drawn.figures
    assert json.loads(drawn.figures)["series"][0]["label"] == "</script><b>"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "not reached"), (90, "2 min"), (3 * 3600, "3 h"), (47 * 3600, "47 h"), (3 * DAY, "3 days")],
)
def test_lasting(seconds: float | None, said: str) -> None:
    """In the unit that says it best."""
    assert lasting(seconds) == said
