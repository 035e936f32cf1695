"""The limit of writing: COPY of rows that are known already, into the same tables with the same indexes."""

from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

_BLOCK = 1 << 20


def copying(*, conninfo: str, place: str, tables: list[str]) -> Callable[[], int]:
    """Fill the empty *tables*, in this order, from the files of that name; how many rows in all."""
    connection = psycopg.connect(conninfo)

    def run() -> int:
        with connection:
            return sum(_copied(connection, table, Path(place, table)) for table in tables)

    return run


def _copied(connection: psycopg.Connection, table: str, source: Path) -> int:
    statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table))
    with connection.cursor() as cursor:
        with source.open("rb") as file, cursor.copy(statement) as copy:
            while block := file.read(_BLOCK):
                copy.write(block)
        return cursor.rowcount
