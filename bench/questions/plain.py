"""The same asked of plain history, as a job that only keeps who ran what would have to: no counter, no verdict."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.questions.asked import QUESTIONS
from bench.questions.known import Known

# Who is connected now and how they stand, from the open stretches and the scopes themselves.
_STANDING = """
now AS (
    SELECT t.app_id, t.environment, t.connection_id, t.version, t.status, CASE
        WHEN NOT latest.grants <@ g.grants THEN 'blocking' WHEN NOT g.grants <@ latest.grants THEN 'trimming'
        WHEN t.version < a.latest_version THEN 'equivalent' ELSE 'current' END AS lag, g.grants
    FROM tenure t JOIN app a ON a.id = t.app_id JOIN scope_set g ON g.id = t.scope_set_id
    JOIN app_version v ON v.app_id = a.id AND v.number = a.latest_version
    JOIN scope_set latest ON latest.id = v.scope_set_id
    JOIN source s ON s.id = a.source_id
    WHERE t.valid_to IS NULL AND t.environment = 'production'
      AND (cast(:app AS text) IS NULL OR s.name || ':' || a.external_id = :app)
)
"""
# Who came to a version and left it, day by day, summed up from the first stretch on.
_CURVES = """
WITH steps AS (
    SELECT t.app_id, t.version, s.at, s.step FROM tenure t
    CROSS JOIN LATERAL (VALUES (t.valid_from, 1), (t.valid_to, -1)) AS s (at, step)
    WHERE t.status = 'connected' AND t.environment = 'production' AND s.at IS NOT NULL
      AND (cast(:app AS text) IS NULL OR t.app_id = (
          SELECT a.id FROM app a JOIN source s ON s.id = a.source_id WHERE s.name || ':' || a.external_id = :app))
), days AS (
    SELECT app_id, version, greatest(cast(at AS date), cast(:today AS date) - 89) AS day, sum(step) AS step
    FROM steps GROUP BY 1, 2, 3
)
SELECT app_id, version, day, sum(step) OVER (PARTITION BY app_id, version ORDER BY day) FROM days ORDER BY 1, 2, 3
"""
_PLAIN = {
    "overview": f"""
WITH {_STANDING}
SELECT app_id, count(*) FILTER (WHERE status = 'connected') AS connected,
    count(*) FILTER (WHERE status = 'connected' AND lag = 'current') AS current,
    count(*) FILTER (WHERE status = 'connected' AND lag = 'blocking') AS blocking,
    count(*) FILTER (WHERE status = 'connected' AND lag = 'trimming') AS trimming
FROM now GROUP BY app_id ORDER BY app_id
""",
    "versions of an app": f"""
WITH {_STANDING}
SELECT version, count(*) FROM now WHERE status = 'connected' GROUP BY version ORDER BY version
""",
    "trends of all apps": _CURVES,
    "curves of an app": _CURVES,
    "readiness of an app": f"""
WITH {_STANDING}
SELECT scope, count(*) FROM now, unnest(grants) AS scope WHERE status = 'connected' GROUP BY scope ORDER BY scope
""",
    "who lags, of an app": f"""
WITH {_STANDING}
SELECT n.connection_id, (
    SELECT min(v.released_at) FROM app_version v JOIN scope_set g ON g.id = v.scope_set_id
    WHERE v.app_id = n.app_id AND v.number > n.version AND NOT g.grants <@ n.grants) AS since
FROM now n WHERE status = 'connected' AND lag IN ('blocking', 'trimming') ORDER BY lag, since LIMIT 500
""",
}
_ASKED = {question.name: question for question in QUESTIONS}
PLAIN = tuple(_PLAIN)


def plainly(session: Session, name: str, known: Known) -> object:
    """Ask it of plain history, with the arguments that the question of this *name* would draw."""
    app = known.app().key if name.endswith("of an app") else None
    return session.execute(text(_PLAIN[name]), {"app": app, "today": known.now.date()}).all()


def kept(session: Session, name: str, known: Known) -> object:
    """Ask it as the pages do."""
    return _ASKED[name].ask(session, known)
