"""How the CLI prints, in terminals of any width: nothing is cut."""

import pytest
from rich.console import Console

from worker.cli import output

COLUMNS = ("App", "Tenant id", "Tenant", "Version", "Class", "Missing scopes", "Since", "Alert", "Reminders")
SCOPES = "tn.dis.capacity:r, tn.dis.technicianshifts:r"
ROW = ("demo:4001", "1000210592", "Larkspur Plumbing", "1 of 3", "blocking", SCOPES, "66 d", "critical", 5)


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_nothing_is_cut(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids can be copied whole, and every word is there, if need be over several lines."""
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115 - closed below
    monkeypatch.setattr(output, "console", console)
    output.table("Laggards", COLUMNS, [ROW], empty="")
    said = console.export_text()
    console.file.close()
    assert "…" not in said
    for whole in ("demo:4001", "1000210592", "blocking", "critical", "66 d"):
        assert whole in said
    assert all(len(line) <= width for line in said.splitlines()[1:] if "demo:" not in line)
