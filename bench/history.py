"""Two histories of the same polls, as intervals of versions by the number of the poll, to be compared row by row."""

from typing import NamedTuple

import psycopg
from psycopg import sql

from bench.dlt_script import DATASET

# The moment of a poll lies between its beginning and the beginning of the next one.
_OURS = """
SELECT a.external_id, t.external_id, s.version,
    (SELECT count(*) FROM poll p WHERE p.app_id = s.app_id AND p.started_at <= s.valid_from),
    CASE WHEN s.valid_to IS NOT NULL THEN
        (SELECT count(*) FROM poll p WHERE p.app_id = s.app_id AND p.started_at <= s.valid_to) END
FROM tenure s JOIN app a ON a.id = s.app_id JOIN tenant t ON t.id = s.tenant_id
"""
# Every run of dlt has one moment for all its rows.
_THEIRS = """
WITH run AS (SELECT _dlt_valid_from AS at, row_number() OVER (ORDER BY _dlt_valid_from) AS number
             FROM (SELECT DISTINCT _dlt_valid_from FROM {connections}) moments)
SELECT c.app_id::text, c.resource_owner ->> 'id', c.version, began.number, ended.number
FROM {connections} c JOIN run began ON began.at = c._dlt_valid_from LEFT JOIN run ended ON ended.at = c._dlt_valid_to
"""


class Stretch(NamedTuple):
    """A tenant ran this version of an app from the poll *began* until the poll *ended*, None: still."""

    app: str
    tenant: str
    version: int
    began: int
    ended: int | None


def ours(session: psycopg.Connection) -> list[Stretch]:
    """What Uptake remembers."""
    return sorted(Stretch(*row) for row in session.execute(_OURS))


def theirs(session: psycopg.Connection) -> list[Stretch]:
    """What dlt remembers."""
    query = sql.SQL(_THEIRS).format(connections=sql.Identifier(DATASET, "connections"))
    return sorted(Stretch(*row) for row in session.execute(query))


def present(session: psycopg.Connection) -> int:
    """How many connections there are now, as dlt remembers it."""
    query = sql.SQL("SELECT count(*) FROM {} WHERE _dlt_valid_to IS NULL").format(
        sql.Identifier(DATASET, "connections")
    )
    (count,) = session.execute(query).fetchone() or (0,)
    return int(count)
