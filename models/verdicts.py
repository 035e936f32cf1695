"""Judging an app's connections: the pure core decides once per distinct (version, scope set), rows join it."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from uptake.lag import judge
from uptake.scopes import canonical
from uptake.versions import History, ScopeVersion, ordered

UNKNOWN = "unknown"

_HISTORY = text("""
SELECT v.number, s.grants, v.released_at FROM app_version v JOIN scope_set s ON s.id = v.scope_set_id
WHERE v.app_id = :app ORDER BY v.number
""")
_DISTINCT = text("""
SELECT d.version, d.scope_set_id, s.grants, d.is_held AND s.id IS NOT NULL AS is_judged FROM (
    SELECT coalesce(version, 0) AS version, scope_set_id,
        bool_or(status IN ('connected', 'disabled')) AS is_held
    FROM connection WHERE app_id = :app AND (:whole OR id = ANY(cast(:only AS int8[]))) GROUP BY 1, 2
) d LEFT JOIN scope_set s ON s.id = d.scope_set_id
""")
_STORE = text("""
INSERT INTO verdict AS v (app_id, version, scope_set_id, latest, lag, missing, superfluous, versions_behind,
    outdated_since, since, mismatch)
VALUES (:app, :version, :scope_set, :latest, :lag, :missing, :superfluous, :behind, :outdated_since, :since, :mismatch)
ON CONFLICT (app_id, version, scope_set_id) DO UPDATE SET latest = excluded.latest, lag = excluded.lag,
    missing = excluded.missing, superfluous = excluded.superfluous, versions_behind = excluded.versions_behind,
    outdated_since = excluded.outdated_since, since = excluded.since, mismatch = excluded.mismatch
WHERE (v.latest, v.lag, v.missing, v.superfluous, v.versions_behind, v.outdated_since, v.since, v.mismatch)
    IS DISTINCT FROM (excluded.latest, excluded.lag, excluded.missing, excluded.superfluous, excluded.versions_behind,
                      excluded.outdated_since, excluded.since, excluded.mismatch)
""")
_FORGET = text("""
DELETE FROM verdict v WHERE v.app_id = :app AND NOT EXISTS (
    SELECT FROM unnest(cast(:versions AS int[]), cast(:scope_sets AS int8[])) AS j (version, scope_set_id)
    WHERE j.version = v.version AND j.scope_set_id = v.scope_set_id)
""")


def history_of(session: Session, app_id: int) -> History:
    """The app's versions, oldest first."""
    rows = session.execute(_HISTORY, {"app": app_id})
    return ordered(ScopeVersion(row.number, frozenset(row.grants), row.released_at) for row in rows)


def judge_app(session: Session, app_id: int, history: History, *, only: Sequence[int] | None = None) -> None:
    """Bring the app's verdicts up to date; twice writes nothing.

    *only*: these connections changed since it was done, and nothing else. Verdicts that nobody is left for then stay.
    """
    found = session.execute(_DISTINCT, {"app": app_id, "whole": only is None, "only": list(only or ())}).all()
    judged = [row for row in found if row.is_judged]
    for row in judged:
        session.execute(_STORE, _verdict(app_id, history, row.version, row.scope_set_id, frozenset(row.grants)))
    if only is None:
        kept = {"versions": [row.version for row in judged], "scope_sets": [row.scope_set_id for row in judged]}
        session.execute(_FORGET, {"app": app_id} | kept)


def _verdict(
    app_id: int, history: History, version: int, scope_set_id: int, grants: frozenset[str]
) -> dict[str, object]:
    verdict = judge(history, version=version or None, grants=grants)
    latest = history[-1].number if history else 0
    base = {"app": app_id, "version": version, "scope_set": scope_set_id, "latest": latest}
    if verdict is None:
        no_time: datetime | None = None
        return base | {
            "lag": UNKNOWN,
            "missing": [],
            "superfluous": [],
            "behind": 0,
            "outdated_since": no_time,
            "since": no_time,
            "mismatch": False,
        }
    return base | {
        "lag": verdict.lag.value,
        "missing": list(canonical(verdict.missing)),
        "superfluous": list(canonical(verdict.superfluous)),
        "behind": verdict.versions_behind,
        "outdated_since": verdict.outdated_since,
        "since": verdict.since,
        "mismatch": verdict.mismatch,
    }
