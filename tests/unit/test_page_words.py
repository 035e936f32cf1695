"""The words of the pages: each kind and class has some."""

import pytest

from dashboard.words import ALERTS, CLASSES, kind, percent, standing
from uptake.lag import LagClass
from uptake.policy import AlertKind


def test_everything_has_words() -> None:
    """No page shows a name that was made for programs."""
    assert set(ALERTS) == {one.value for one in AlertKind}
    assert set(CLASSES) == {one.value for one in LagClass} | {"unknown"}


def test_what_has_none() -> None:
    """What is unknown to these words, such as a status, is shown as it is called."""
    assert (kind("new_kind"), standing("not_connected")) == ("new kind", "not connected")
    assert (kind("poll_failing"), standing("trimming")) == ("cannot be read", "holds too much")


@pytest.mark.parametrize(("share", "said"), [(None, "\N{EN DASH}"), (0.29, "29 %"), (0.9999, "99 %"), (1, "100 %")])
def test_percent(share: float | None, said: str) -> None:
    """All is said of all only."""
    assert percent(share) == said


def test_percent_with_digits() -> None:
    """Behind the point, too."""
    assert (percent(0.9996, digits=1), percent(None, digits=1)) == ("99.9 %", "\N{EN DASH}")
