"""An uptake.toml of the test's own, read by the tasks as any other."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import settings
from tasks.rules import rules

TOML = """
[policy]
receivers = ["ops"]
reminders = "tenants"

[[receiver]]
name = "ops"
kind = "log"

[[receiver]]
name = "tenants"
kind = "log"
"""


@pytest.fixture(autouse=True)
def chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file, as the settings of this test name it."""
    path = tmp_path / "uptake.toml"
    path.write_text(TOML)
    monkeypatch.setenv("UPTAKE_CONFIG", str(path))
    settings.cache_clear()
    rules.cache_clear()
    yield path
    settings.cache_clear()
    rules.cache_clear()
