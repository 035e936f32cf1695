"""Who connected when, upgraded when and left when; and from that the tables that polls would have filled."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.years.sizes import Years

# A number from 0 to 1 for a whole number, the same in every run.
_CHANCE = "((hashint8extended({0}, {1}) & 1048575) / 1048576.0)"


def chance(of: str, seed: int) -> str:
    """The same for a column of SQL, independent for each *seed*."""
    return _CHANCE.format(of, seed)


# The step between an app's tenants is a prime, so that none comes twice and they do not stand together.
_LIVES = f"""
CREATE TEMP TABLE life ON COMMIT DROP AS
SELECT l.*, CASE WHEN {chance("id", 1)} < 0.04 THEN 'disconnected' WHEN {chance("id", 1)} < 0.05 THEN 'disabled' END
        AS ends_as,
    date_bin('15 minutes', joined_at + (cast(:now AS timestamptz) - joined_at) * {chance("id", 2)}, 'epoch')
        + interval '20 minutes' AS ends_at,
    -- Days from a release to its acceptance, on average: most are quick, a few take half a year.
    CASE WHEN {chance("id", 3)} < 0.02 THEN 200 ELSE 1 + 14 * {chance("id", 4)} ^ 3 END AS pace
FROM (
    SELECT row_number() OVER () AS id, a.id AS app_id, CASE WHEN k % 25 = 24 THEN 'integration' ELSE 'production' END
            AS environment,
        (a.source_id - (SELECT min(id) FROM source)) * cast(:tenants AS int8)
            + 1 + (k * 48271 + a.id * 7919) % cast(:tenants AS int8) AS tenant_id,
        -- A third was there from the beginning, and one of fifty never connects.
        CASE WHEN {chance("k * 1000 + a.id", 5)} >= 0.02 THEN date_bin('15 minutes', cast(:since AS timestamptz)
            + (cast(:now AS timestamptz) - :since) * greatest(0, {chance("k * 1000 + a.id", 6)} * 1.5 - 0.52), 'epoch')
        END AS joined_at
    FROM unnest(cast(:sizes AS int4[])) WITH ORDINALITY AS z (size, place)
    JOIN (SELECT *, row_number() OVER (ORDER BY id) AS place FROM app) a USING (place)
    CROSS JOIN LATERAL generate_series(cast(0 AS int8), z.size - 1) k
) l
"""
# Whoever takes longer than until the next version has accepted that one leaves the one between out.
_ACCEPTED = f"""
WITH accepted AS (
    SELECT l.*, v.number, v.scope_set_id, CASE WHEN v.number = f.number THEN l.joined_at ELSE date_bin('15 minutes',
            v.released_at - l.pace * interval '1 day' * ln(1 - 0.9999 * {chance("l.id * 64 + v.number", 7)}), 'epoch')
            + interval '15 minutes' END AS at
    FROM life l CROSS JOIN LATERAL (
        SELECT max(number) AS number FROM app_version v
        WHERE v.app_id = l.app_id AND (v.released_at <= l.joined_at OR v.number = 1)
    ) f JOIN app_version v ON v.app_id = l.app_id AND v.number >= f.number
    WHERE l.joined_at IS NOT NULL
), kept AS (
    SELECT *, CASE WHEN ends_as IS NOT NULL AND ends_at < :now THEN ends_at END AS gone_at, min(at) OVER (
        PARTITION BY id ORDER BY number ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS next_at
    FROM accepted WHERE at < :now
)
INSERT INTO tenure (connection_id, app_id, tenant_id, environment, epoch, status, version, scope_set_id, not_before,
    valid_from, valid_to)
SELECT id, app_id, tenant_id, environment, 1, 'connected', number, scope_set_id,
    CASE WHEN at > cast(:since AS timestamptz) THEN at - interval '15 minutes' END, at, least(next_at, gone_at)
FROM kept WHERE at < coalesce(next_at, 'infinity') AND at < coalesce(gone_at, 'infinity')
"""
_ENDED = """
INSERT INTO tenure (connection_id, app_id, tenant_id, environment, epoch, status, version, scope_set_id, not_before,
    valid_from)
SELECT l.id, l.app_id, l.tenant_id, l.environment, 1, l.ends_as, CASE WHEN l.ends_as = 'disabled' THEN t.version END,
    CASE WHEN l.ends_as = 'disabled' THEN t.scope_set_id END, l.ends_at - interval '15 minutes', l.ends_at
FROM life l JOIN tenure t ON t.connection_id = l.id AND t.valid_to = l.ends_at
WHERE l.ends_as IS NOT NULL AND l.ends_at < :now
UNION ALL
SELECT id, app_id, tenant_id, environment, 0, 'not_connected', NULL, NULL, NULL, :since FROM life
WHERE joined_at IS NULL
"""
_CONNECTIONS = """
INSERT INTO connection (id, app_id, tenant_id, environment, external_id, status, version, scope_set_id, client_id,
    epoch, epoch_started_at, allowed_at, accepted_at, accepted_by, version_not_before, version_not_after, upgraded_at,
    hash, observed_at, last_seq)
OVERRIDING SYSTEM VALUE
SELECT t.connection_id, t.app_id, t.tenant_id, t.environment, 'c-' || t.connection_id, t.status, t.version,
    t.scope_set_id, CASE WHEN t.status IN ('connected', 'disabled') THEN 'cid.' || md5(t.connection_id::text) END,
    t.epoch, CASE WHEN t.epoch > 0 THEN l.joined_at END,
    CASE WHEN t.status IN ('connected', 'disabled') THEN l.joined_at END,
    CASE WHEN t.status IN ('connected', 'disabled') THEN t.valid_from END,
    CASE WHEN t.status IN ('connected', 'disabled') THEN 'admin' END, t.not_before, t.valid_from,
    CASE WHEN t.valid_from > l.joined_at AND t.status = 'connected' THEN t.valid_from END,
    CASE WHEN t.status = 'disconnected' THEN 0 ELSE hashint8extended(t.connection_id, 99) | 1 END, t.valid_from, 0
FROM tenure t JOIN life l ON l.id = t.connection_id WHERE t.valid_to IS NULL ORDER BY t.connection_id
"""
_NUMBERED = "SELECT setval(pg_get_serial_sequence('connection', 'id'), (SELECT max(id) FROM connection))"
# In order of time, as they came.
_EVENTS = """
INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
SELECT valid_from, type, app_id, tenant_id, connection_id, jsonb_strip_nulls(jsonb_build_object(
    'environment', environment, 'from_version', before, 'to_version', version, 'epoch', epoch,
    'not_before', not_before, 'accepted_at', valid_from, 'accepted_by', 'admin'))
FROM (
    SELECT t.*, lag(version) OVER (PARTITION BY connection_id ORDER BY valid_from) AS before, CASE
        WHEN status = 'disconnected' THEN 'tenant.disconnected' WHEN status = 'disabled' THEN 'tenant.disabled'
        WHEN lag(version) OVER (PARTITION BY connection_id ORDER BY valid_from) IS NULL THEN 'tenant.connected'
        ELSE 'tenant.upgraded' END AS type
    FROM tenure t WHERE status <> 'not_connected'
) s ORDER BY valid_from, connection_id
"""
_RELEASES = """
INSERT INTO event (at, type, app_id, data)
SELECT v.released_at, 'version.released', v.app_id, jsonb_build_object('version', v.number, 'released_at',
    v.released_at, 'released_by', v.released_by, 'scopes', g.grants)
FROM app_version v JOIN scope_set g ON g.id = v.scope_set_id
"""
_ADOPTION = """
INSERT INTO adoption (app_id, environment, version, day, tenants)
SELECT app_id, environment, version, day, sum(step) OVER (PARTITION BY app_id, environment, version ORDER BY day)
FROM (
    SELECT app_id, environment, version, day, sum(step) AS step FROM (
        SELECT app_id, environment, coalesce(version, 0) AS version, cast(valid_from AS date) AS day, 1 AS step
        FROM tenure WHERE status = 'connected'
        UNION ALL
        SELECT app_id, environment, coalesce(version, 0), cast(valid_to AS date), -1
        FROM tenure WHERE status = 'connected' AND valid_to IS NOT NULL
    ) steps GROUP BY 1, 2, 3, 4 HAVING sum(step) <> 0
) days
"""
_TALLY = """
INSERT INTO tally (app_id, environment, status, version, scope_set_id, tenants)
SELECT app_id, environment, status, coalesce(version, 0), coalesce(scope_set_id, 0), count(*)
FROM connection GROUP BY 1, 2, 3, 4, 5
"""


def connect(session: Session, years: Years, *, now: datetime) -> None:
    """Write the history of every connection, and how each stands now."""
    bound = {
        "now": now,
        "since": now - timedelta(days=years.days),
        "sizes": years.sizes,
        "tenants": years.tenants,
    }
    for statement in (_LIVES, _ACCEPTED, _ENDED, _CONNECTIONS):
        session.execute(text(statement), bound)
        if statement is _LIVES:
            session.execute(text("ANALYZE life"))
    session.execute(text(_NUMBERED))


def remember(session: Session) -> None:
    """Write the events and counters that came of it."""
    for statement in (_EVENTS, _RELEASES, _ADOPTION, _TALLY):
        session.execute(text(statement))
