"""How PostgreSQL goes about what a question asks, and which large tables it would look through whole."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

# All that grows with the connections or with time; a month of a table counts for the table.
LARGE = (
    "connection", "tenure", "event", "alert", "alert_step", "reminder", "notice", "notice_reminder", "attempt",
    "tenant", "contact", "poll", "adoption", "told", "walked_page",
)  # fmt: skip
_NEXT_TO_NOTHING = 100.0  # as the planner reckons: a hundred pages in a row
_LOOKS_THROUGH = ("seqscan", "hashjoin", "mergejoin")


@dataclass(frozen=True, slots=True)
class Scan:
    """A table or an index that is read from one end to the other."""

    table: str
    index: str | None
    statement: str


def whole(session: Session, ask: Callable[[Session], object], *, forced: bool = False) -> list[Scan]:
    """The large tables that *ask* reads whole; *forced*: only those in which no index finds what is wanted.

    A month in which next to nothing happened, or an index with few rows in it, is not large.

    Forced, it says the same of small tables as of large ones: nothing is joined by looking through all of it, either.
    That the planner takes the index at full size is another matter, which the measurements tell.
    """
    return [
        Scan(table, node.get("Index Name"), statement)
        for statement, plan in plans(session, ask, forced=forced)
        for node, bounded in _nodes(plan)
        if (table := _table(node)) in LARGE and not bounded and _is_whole(node)
        if forced or node["Total Cost"] >= _NEXT_TO_NOTHING
    ]


def plans(session: Session, ask: Callable[[Session], object], *, forced: bool = False) -> list[tuple[str, Any]]:
    """Each statement that *ask* sends, with its plan."""
    sent: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent.append((statement, parameters))

    engine = session.connection().engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        ask(session)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    driver = session.connection().connection.driver_connection
    found = []
    with driver.cursor() as cursor:  # type: ignore[union-attr]  # psycopg's, as models.base binds no other
        for way in _LOOKS_THROUGH if forced else ():
            cursor.execute(f"SET enable_{way} = off")
        for statement, parameters in sent:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            found.append((statement, cursor.fetchone()[0][0]["Plan"]))
        for way in _LOOKS_THROUGH:
            cursor.execute(f"RESET enable_{way}")
    return found


def _nodes(plan: Any, *, bounded: bool = False) -> Iterator[tuple[Any, bool]]:
    """Each node of the plan, and whether no more is read of it than is asked for."""
    yield plan, bounded
    kind = plan["Node Type"]
    for inner in plan.get("Plans", ()):
        # Whatever has to have all before it gives any takes the bound away.
        is_bounded = kind == "Limit" or (bounded and kind in _PASSING)
        # The inner side of a loop is read as often as the outer has rows.
        yield from _nodes(inner, bounded=is_bounded and inner.get("Parent Relationship") != "Inner")


_PASSING = {"Nested Loop", "Incremental Sort", "Merge Append", "Append", "Subquery Scan", "Result", "Memoize", "Unique"}


def _table(node: Any) -> str:
    name: str = node.get("Relation Name", "")
    return next(
        (table for table in ("event", "poll") if name.startswith(f"{table}_2") or name == f"{table}_rest"), name
    )


def _is_whole(node: Any) -> bool:
    if node["Node Type"] == "Seq Scan":
        return True
    return node["Node Type"] in {"Index Scan", "Index Only Scan"} and "Index Cond" not in node
