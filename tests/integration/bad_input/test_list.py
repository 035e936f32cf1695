"""The list itself: none of its seventy cases is forgotten."""

import re
from pathlib import Path


def test_every_case_has_a_test() -> None:
    """Each number from 1 to 70 begins the id of a test here."""
    here = Path(__file__).parent.glob("test_*.py")
    found = {int(number) for path in here for number in re.findall(r"case_(\d\d)_", path.read_text(encoding="utf-8"))}
    assert found == set(range(1, 71))
