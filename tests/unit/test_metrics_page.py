"""docs/metrics.md against what is declared, which tests/integration/metrics compares with what is told."""

import re
from pathlib import Path

from dashboard.metrics.declared import DECLARED
from dashboard.metrics.now import CLASSES, DAYS, THREADS

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
ROW = re.compile(r"^\| `(uptake_\w+)` \| (\w+) \| (.*?) \| (.*) \|$", re.MULTILINE)


def test_the_page_lists_every_metric() -> None:
    """Name, kind, labels and meaning of each stand there in order, and of no other."""
    rows = [(name, kind, tuple(re.findall(r"`(\w+)`", labels)), said) for name, kind, labels, said in ROW.findall(PAGE)]
    assert rows == [(one.name, one.kind, one.labels, one.help) for one in DECLARED]


def test_the_page_explains_the_labels() -> None:
    """What may stand in a label is said."""
    explained = PAGE[PAGE.index("- **`class`**") :]
    for said in (*CLASSES, *THREADS, DAYS[0], DAYS[-1]):
        assert f"`{said}`" in explained, said


def test_names_follow_the_rules() -> None:
    """Counters end in _total, nothing else does; times and spans name their unit; nothing is told per tenant."""
    for one in DECLARED:
        assert (one.kind == "counter") == one.name.endswith("_total"), one.name
        assert not {"tenant", "connection"} & set(one.labels), one.name
        assert one.help.endswith("."), one.name
