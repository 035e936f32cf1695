"""The portal's README names tests that exist, one for each sentence of the seed."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_sentence_names_a_test_and_every_test_has_its_sentence() -> None:
    """The table and the test file say the same."""
    named = re.findall(r"\| `(test_\w+)` \|", (ROOT / "portal/README.md").read_text())
    written = re.findall(r"^def (test_\w+)", (ROOT / "tests/integration/portal/test_seed.py").read_text(), re.MULTILINE)
    assert named == written
