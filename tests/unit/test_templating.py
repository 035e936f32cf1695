"""How pages write figures."""

import pytest
from jinja2 import DictLoader

from dashboard.templating import page


@pytest.fixture(autouse=True)
def percents(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are one share, and one difference of shares."""
    pages = {"share": "{{ share|percent }}", "gain": "{{ gain|points }}"}
    monkeypatch.setattr("dashboard.templating._pages.loader", DictLoader(pages))


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.29, "29 %"),
        (0.57, "57 %"),
        (0.9999, "99 %"),
        (1.0, "100 %"),
        (0.0, "0 %"),
        (None, "\N{EN DASH}"),
        (2 / 3, "66 %"),
    ],
)
def test_percent(share: float | None, said: str) -> None:
    """Rounded down, but never because of how numbers are held: 29 of 100 are 29 %, and 100 % means everybody."""
    assert page("share", share=share) == said


@pytest.mark.parametrize(
    ("gain", "said"),
    [(0.678, "+67"), (0.29, "+29"), (-0.29, "\N{MINUS SIGN}29"), (-0.004, "+0"), (0.0, "+0"), (None, "")],
)
def test_points(gain: float | None, said: str) -> None:
    """No more points than the share that they were gained to has."""
    assert page("gain", gain=gain) == said
