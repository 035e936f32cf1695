"""What was found, kept as one JSON file per section, and RESULTS.md made of all of them."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.measure import Measured, median, ratio

MIB = 1024 * 1024
_COLUMNS = ["what", "s", "rows/s", "CPU s", "PostgreSQL CPU s", "MiB above idle", "WAL bytes"]

_HEAD = """
Made by `make bench` on {cores} cores with Python {python}, PostgreSQL {database} (its defaults, durable) and nginx as
the portal, all on one machine. Every subject runs in a process of its own, they take turns, and figures are medians;
a ratio is the median of the ratios within each round. Absolute figures belong to the machine: the ratios count.
"""


class Target(msgspec.Struct):
    """A figure that has to be at *most*, or at *least*, or between the two."""

    what: str
    found: float
    most: float | None = None
    least: float | None = None
    unit: str = "x"

    @property
    def is_met(self) -> bool:
        """Whether it is."""
        above = self.least is None or self.found >= self.least
        return above and (self.most is None or self.found <= self.most)

    @property
    def wanted(self) -> str:
        """The bounds, in signs."""
        if self.least is not None and self.most is not None:
            return f"{_figure(self.least)} to {_figure(self.most)} {self.unit}".strip()
        bound = self.most if self.least is None else self.least
        return f"{'≤' if self.least is None else '≥'} {_figure(bound or 0)} {self.unit}".strip()


class Table(msgspec.Struct):
    """Rows of cells, ready to be shown; the first column holds words, the others figures."""

    columns: list[str]
    rows: list[list[str]]
    title: str = ""


class Section(msgspec.Struct):
    """All of one section; *setting* says what it was measured on, *notes* what a reader has to know."""

    name: str
    title: str
    setting: str
    tables: list[Table]
    targets: list[Target]
    notes: list[str] = []
    command: str = ""


def usage_table(
    lines: Sequence[tuple[str, Sequence[Measured], int]],
    *,
    floor: Sequence[Measured] | None = None,
    against: str = "to the floor",
) -> Table:
    """A table of (what, its runs, rows that each run went through), with the ratio to the *floor* if there is one."""
    rows = [_usage_row(what, runs, count) for what, runs, count in lines]
    columns = list(_COLUMNS)
    if floor is not None:
        columns.append(against)
        for row, (_, runs, _count) in zip(rows, lines, strict=True):
            row.append(f"{ratio(runs, floor):.2f} x")
    return Table(columns, rows)


def _usage_row(what: str, runs: Sequence[Measured], count: int) -> list[str]:
    seconds = median(runs)
    return [
        what,
        f"{seconds:.2f}" if seconds >= 1 else f"{seconds:.3f}",
        f"{count / seconds:,.0f}",
        f"{median(runs, lambda run: run.cpu):.2f}",
        f"{median(runs, lambda run: run.database_cpu):.2f}",
        f"{max(run.memory for run in runs) / MIB:.0f}",
        f"{median(runs, lambda run: run.wal):,.0f}",
    ]


def kept(directory: Path) -> list[Section]:
    """The sections found in *directory*, in no order."""
    return [msgspec.json.decode(path.read_bytes(), type=Section) for path in directory.glob("*.json")]


def keep(directory: Path, section: Section) -> None:
    """Put the section in place of what it was."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{section.name}.json").write_bytes(
        msgspec.json.format(msgspec.json.encode(section), indent=1) + b"\n"
    )


def rendered(sections: Sequence[Section], *, database: str) -> str:
    """RESULTS.md."""
    lines = [
        "# Measurements",
        "",
        _HEAD.format(cores=os.cpu_count(), python=platform.python_version(), database=database).strip(),
        "",
        "## Targets",
        "",
        *_markdown(_targets([(section.title, target) for section in sections for target in section.targets])),
    ]
    for section in sections:
        lines += ["", f"## {section.title}", "", f"{section.setting} (`python -m bench {section.command}`)."]
        for table in section.tables:
            lines += ["", *([f"{table.title}:", ""] if table.title else []), *_markdown(table)]
        lines += [""] if section.notes else []
        lines += [f"- {note}" for note in section.notes]
    return "\n".join(lines) + "\n"


def shown(section: Section) -> str:
    """One section for the terminal."""
    lines = [section.title, section.setting]
    for table in [*section.tables, _targets([("", target) for target in section.targets])]:
        lines += ["", *([table.title] if table.title else []), *_aligned(table)]
    return "\n".join([*lines, *section.notes])


def _targets(targets: Sequence[tuple[str, Target]]) -> Table:
    rows = [
        [
            f"{title}: {target.what}" if title else target.what,
            target.wanted,
            f"{_figure(target.found)} {target.unit}".strip(),
            "yes" if target.is_met else "**no**",
        ]
        for title, target in targets
    ]
    return Table(["target", "wanted", "found", "met"], rows)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.2f}"


def _markdown(table: Table) -> list[str]:
    ruler = "|---|" + "---:|" * (len(table.columns) - 1)
    return [f"| {' | '.join(table.columns)} |", ruler, *(f"| {' | '.join(row)} |" for row in table.rows)]


def _aligned(table: Table) -> list[str]:
    widths = [max(len(row[index]) for row in [table.columns, *table.rows]) for index in range(len(table.columns))]
    return [
        "  ".join(cell.ljust(width) if not index else cell.rjust(width) for index, (cell, width) in enumerate(pairs))
        for pairs in (list(zip(row, widths, strict=True)) for row in [table.columns, *table.rows])
    ]
