"""What a next version would ask of whom, and how long tenants took before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class Asked:
    """How many connected tenants would have to accept, in one environment."""

    environment: str
    connected: int
    asked: int  # they lack a scope of the next version; the others would go on as they are
    already: int  # of these, such as lag today already
    never: Sequence[str]  # of these, such as were only ever seen at one version of this app, by name
    never_count: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How long tenants took to accept a version of the app, from its release."""

    accepted: int  # acceptances that were seen
    p50: timedelta | None
    p90: timedelta | None
    p95: timedelta | None


# A set of scopes is compared once, however many grant it.
_ASKED = text("""
WITH short AS MATERIALIZED (
    SELECT g.id, cast(:wanted AS text[]) <@ g.grants AS has_all FROM scope_set g
    WHERE g.id IN (SELECT scope_set_id FROM connection WHERE app_id = :app AND status = 'connected')
), held AS MATERIALIZED (
    SELECT c.environment, c.tenant_id, NOT short.has_all AS is_asked, s.lag = 'blocking' AS is_behind,
        (SELECT count(DISTINCT t.version) FROM tenure t WHERE t.connection_id = c.id) < 2 AS is_new
    FROM connection c JOIN short ON short.id = c.scope_set_id LEFT JOIN standing s ON s.connection_id = c.id
    WHERE c.app_id = :app AND c.status = 'connected'
)
SELECT h.environment, count(*) AS connected, count(*) FILTER (WHERE is_asked) AS asked,
    count(*) FILTER (WHERE is_asked AND is_behind) AS already,
    coalesce((array_agg(coalesce(t.name, t.external_id) ORDER BY t.external_id)
        FILTER (WHERE is_asked AND is_new))[1 : :most], '{}') AS never,
    count(*) FILTER (WHERE is_asked AND is_new) AS never_count
FROM held h JOIN tenant t ON t.id = h.tenant_id
GROUP BY h.environment ORDER BY h.environment = 'production' DESC, h.environment
""")
# A stretch that begins with a higher version than the one before it, in one unbroken connection, is an acceptance.
_PACE = text("""
WITH accepted AS (
    SELECT t.valid_from - v.released_at AS took
    FROM (
        SELECT *, lag(version) OVER (PARTITION BY connection_id, epoch ORDER BY valid_from) AS before FROM tenure
        WHERE app_id = :app AND version IS NOT NULL
    ) t JOIN app_version v ON v.app_id = t.app_id AND v.number = t.version
    WHERE t.version > t.before AND t.not_before IS NOT NULL
)
SELECT count(*) AS accepted,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY greatest(took, '0')) AS p50,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY greatest(took, '0')) AS p90,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY greatest(took, '0')) AS p95
FROM accepted
""")


def asked(session: Session, app_id: int, wanted: Sequence[str], *, most: int = 20) -> list[Asked]:
    """Whom a version that wants these scopes would ask, production first; up to *most* names."""
    bound = {"app": app_id, "wanted": list(wanted), "most": most}
    return [Asked(**row) for row in session.execute(_ASKED, bound).mappings()]


def pace(session: Session, app_id: int) -> Pace:
    """How long it took before; only those who accepted count, so whoever never did makes it look faster than it is."""
    return Pace(**session.execute(_PACE, {"app": app_id}).mappings().one())
