"""The words of the pages: each kind and class has some."""

from dashboard.words import ALERTS, CLASSES, kind, standing
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
