"""How the CLI prints: tables for people, JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of words for people.")]
# Into a pipe or a file, lines are as long as they need to be.
console = Console() if sys.stdout.isatty() else Console(width=200)


def as_json(rows: Any) -> None:
    """Print what the matching API path answers."""
    import json  # noqa: PLC0415 - most calls print for people

    sys.stdout.write(json.dumps({"data": to_jsonable_python(rows), "next": None}, indent=2, ensure_ascii=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print *rows* under *columns*, or the sentence *empty*."""
    shown = list(rows)
    if not shown:
        console.print(Text(empty))
        return
    drawn = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        drawn.add_column(column)
    for row in shown:
        # Text, so that a tenant's name cannot be taken for markup.
        drawn.add_row(*(Text(_visible("" if cell is None else str(cell))) for cell in row))
    console.print(drawn)


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)
