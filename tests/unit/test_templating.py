"""How pages write figures."""

import pytest
from jinja2 import DictLoader

from dashboard.templating import page


@pytest.fixture(autouse=True)
def percents(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is one share."""
    monkeypatch.setattr("dashboard.templating._pages.loader", DictLoader({"share": "{{ share|percent }}"}))


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
