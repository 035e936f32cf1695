"""How the CLI prints: tables for people, JSON for programs."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic_core import to_jsonable_python
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of words for people.")]
# Into a pipe or a file, lines are as long as they need to be.
# Longer words may be folded in a table: scopes, addresses.
_WIDEST_WORD = 20
console = Console() if sys.stdout.isatty() else Console(width=200)


def as_json(rows: Any) -> None:
    """Print what the matching API path answers."""
    import json  # noqa: PLC0415 - most calls print for people

    sys.stdout.write(json.dumps({"data": to_jsonable_python(rows), "next": None}, indent=2, ensure_ascii=False) + "\n")


def one_as_json(row: Any) -> None:
    """The same of a path that answers one thing."""
    import json  # noqa: PLC0415 - as above

    sys.stdout.write(json.dumps(to_jsonable_python(row), indent=2, ensure_ascii=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print *rows* under *columns*, or the sentence *empty*."""
    shown = list(rows)
    if not shown:
        console.print(Text(empty))
        return
    # Text, so that a tenant's name cannot be taken for markup.
    cells = [[_visible("" if cell is None else str(cell)) for cell in row] for row in shown]
    drawn = Table(title=title, title_justify="left", header_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        widest = max(len(word) for row in cells for word in (column, *row[index].split()))
        drawn.add_column(column, overflow="fold", min_width=min(widest, _WIDEST_WORD))
    for row in cells:
        drawn.add_row(*map(Text, row))
    # Measured as if there were room: rich would clip the answer, as it would the table.
    if console.measure(drawn, options=console.options.update(max_width=1000)).minimum > console.width:
        _records(title, columns, cells)
    else:
        console.print(drawn)


def at(when: datetime | None) -> str:
    """An instant in UTC, to the minute; nothing for none."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M}" if when else ""


def _records(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    """Line by line what is too wide for a table: ids are there to be copied, so nothing is cut."""
    console.print(Text(title, style="bold"))
    for row in cells:
        console.print(Text(" ".join(filter(None, row[:2])), style="bold"), soft_wrap=True)
        rest = (f"{name.lower()}: {cell}" for name, cell in zip(columns[2:], row[2:], strict=True) if cell)
        console.print(Text("   " + "; ".join(rest)))


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in text)
