"""How large and how often: what the command line chooses for all sections."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Scale:
    """The sizes of a run; *quick* ones only show that the harness works."""

    apps: int = 100
    tenants: int = 10_000
    page: int = 500
    rounds: int = 5
    quick: bool = False
    full: bool = False
    kept: Path | None = None  # where the two years are kept between runs
