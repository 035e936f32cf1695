"""Which tenants there are, over all sources."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from models.queries.typed import HAS_LETTERS, MAY_HAVE_LETTERS, looked_for

# So many are put in order at once, and so many looked through for letters; so many are known by their ids, while all
# tenants are gone through by name.
FEW, SOME, KNOWN = 2000, 6000, 30_000
# Of more so many are looked at one by one (FAR), and so many for letters (NEAR): among these are nearly always enough
# for a page. More letters than two seldom are, and whoever has them costs little, however many stand so (SOON).
NEAR, SOON, FAR, ALL = 4000, 1000, 20_000, 2**60

_NAME = 'coalesce(t.name, t.external_id) COLLATE "C"'
_AFTER = f"""(cast(:after AS text) IS NULL
    OR ({_NAME}, t.id) > (cast(:after AS text) COLLATE "C", cast(:after_id AS int8)))"""
_SEEN = "(cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[])))"
# The kinds of connections (by app, version and scopes) that are meant, and how many there are of each: some hundreds
# of kinds, for a million connections.
_MEANT = f"""
meant AS MATERIALIZED (
    SELECT z.app_id, z.version, z.scope_set_id, z.tenants
    FROM tally z JOIN app ON app.id = z.app_id AND app.deleted_at IS NULL
    JOIN source s ON s.id = app.source_id AND {_SEEN}
    LEFT JOIN verdict v ON v.app_id = z.app_id AND v.version = z.version AND v.scope_set_id = z.scope_set_id
    WHERE z.environment = :environment AND z.status = 'connected' AND (cast(:app AS int8) IS NULL OR z.app_id = :app)
      AND (cast(:lag AS text) IS NULL OR coalesce(v.lag, 'unknown') = :lag)
)
"""  # noqa: S608 - constants only
_WHOSE = """
SELECT b.tenant_id FROM meant JOIN connection b ON b.app_id = meant.app_id AND b.environment = :environment
    AND b.status = 'connected' AND coalesce(b.version, 0) = meant.version
    AND coalesce(b.scope_set_id, 0) = meant.scope_set_id
"""
# As a condition of its own (IS TRUE) it is looked up among all that it lists at once, not joined to them.
_IS_KNOWN = f":stands = (t.id IN ({_WHOSE})) IS TRUE"
# For each by itself (OFFSET 0): else all that stand so would be found before the first page is.
_STANDS_SO = """:stands = EXISTS (
    SELECT FROM connection b WHERE b.tenant_id = t.id AND (cast(:app AS int8) IS NULL OR b.app_id = :app)
      AND b.environment = :environment AND b.status = 'connected'
      AND ((b.app_id, coalesce(b.version, 0), coalesce(b.scope_set_id, 0)) IN (
          SELECT app_id, version, scope_set_id FROM meant)) IS TRUE OFFSET 0)"""
# In the order of an index, which is all that is read of those that are not on the page.
_NEAR = f"""
SELECT t.id FROM (
    SELECT t.id, t.letters, {_NAME} AS named FROM tenant t WHERE {_AFTER} ORDER BY {_NAME}, t.id LIMIT :reach
) t WHERE {MAY_HAVE_LETTERS} AND {{stands}} ORDER BY t.named, t.id LIMIT :most
"""  # noqa: S608 - constants only
# Source by source, for a large one that is not meant would fill all that is looked at.
_NEAR_IN = f"""
SELECT t.id FROM source s CROSS JOIN LATERAL (
    SELECT t.id FROM (
        SELECT t.id, t.letters, {_NAME} AS named FROM tenant t
        WHERE t.source_id = s.id AND {_AFTER} ORDER BY {_NAME}, t.id LIMIT :reach
    ) t WHERE {MAY_HAVE_LETTERS} AND {{stands}} ORDER BY t.named, t.id LIMIT :most
) t WHERE {_SEEN}
"""  # noqa: S608 - constants only
# Of several sources so many of each, and again so many of them: else one that was cut off would lose what lies between
# there and the end of the page.
_NEAR_IN_SEVERAL = f"""
SELECT t.id FROM (
    SELECT t.* FROM source s CROSS JOIN LATERAL (
        SELECT t.id, t.letters, {_NAME} AS named FROM tenant t
        WHERE t.source_id = s.id AND {_AFTER} ORDER BY {_NAME}, t.id LIMIT :reach
    ) t WHERE {_SEEN} ORDER BY t.named, t.id LIMIT :reach
) t WHERE {MAY_HAVE_LETTERS} AND {{stands}} ORDER BY t.named, t.id LIMIT :most
"""  # noqa: S608 - constants only
# All that have the letters, or source by source, as the index has them.
_LETTERED = f"(SELECT * FROM tenant t WHERE {HAS_LETTERS} OFFSET 0) t JOIN source s ON s.id = t.source_id"  # noqa: S608
_LETTERED_IN = f"""source s CROSS JOIN LATERAL (
    SELECT * FROM tenant t WHERE t.source_id = s.id AND {HAS_LETTERS} OFFSET 0
) t"""  # noqa: S608 - constants only
_FOUND = f"""
SELECT t.id FROM {{among}} WHERE {_SEEN} AND {_AFTER} AND {{{{stands}}}} ORDER BY {_NAME}, t.id LIMIT :most
"""  # noqa: S608 - constants only
# Of very many that stand so, one by one by name until there are enough; where they are few, all are known at once.
_FOUND_ONE_BY_ONE = f"""
SELECT t.id FROM (
    SELECT t.id, {_NAME} AS named FROM {{among}} WHERE {_SEEN} AND {_AFTER} ORDER BY {_NAME}, t.id OFFSET 0
) t WHERE {_STANDS_SO} ORDER BY t.named, t.id LIMIT :most
"""  # noqa: S608 - constants only
_TOGETHER = f"""
SELECT t.id FROM tenant t JOIN source s ON s.id = t.source_id
WHERE {_SEEN} AND {_AFTER} AND {MAY_HAVE_LETTERS} AND t.id IN ({_WHOSE}) ORDER BY {_NAME}, t.id LIMIT :most
"""  # noqa: S608 - constants only
_MANY = text(f"WITH {_MEANT} SELECT coalesce(sum(tenants), 0) FROM meant")  # noqa: S608 - constants only
_PAGE = f"""
WITH {_MEANT}, page AS (
    SELECT t.id, t.external_id, t.name, t.first_seen_at, s.name AS source, {_NAME} AS place
    FROM ({{candidates}}) n JOIN tenant t ON t.id = n.id JOIN source s ON s.id = t.source_id
    ORDER BY {_NAME}, t.id LIMIT :most
), fresh AS MATERIALIZED (
    SELECT a.id, f.exact_at FROM app a JOIN freshness f ON f.app_id = a.id WHERE a.deleted_at IS NULL
), counted AS (
    SELECT p.id, count(*) FILTER (WHERE c.status = 'connected') AS apps,
        count(*) FILTER (WHERE c.status = 'connected' AND v.lag = 'blocking') AS blocking,
        count(*) FILTER (WHERE c.status = 'connected' AND v.lag = 'trimming') AS trimming,
        min(greatest(v.since, c.epoch_started_at)) FILTER (WHERE c.status = 'connected' AND v.lag = 'blocking')
            AS blocked_since,
        min(f.exact_at) AS as_of
    FROM page p JOIN connection c ON c.tenant_id = p.id AND c.environment = :environment
    JOIN fresh f ON f.id = c.app_id
    LEFT JOIN verdict v ON v.app_id = c.app_id AND v.version = coalesce(c.version, 0)
        AND v.scope_set_id = c.scope_set_id
    GROUP BY p.id
)
SELECT p.id AS tenant_id, p.place, p.source || ':' || p.external_id AS key, p.source, p.external_id AS tenant,
    p.name AS tenant_name, p.first_seen_at, coalesce(n.apps, 0) AS apps, coalesce(n.blocking, 0) AS blocking,
    coalesce(n.trimming, 0) AS trimming, n.blocked_since, n.as_of,
    (SELECT max(r.last_sent_at) FROM reminder r WHERE r.tenant_id = p.id AND r.stopped_at IS NULL) AS last_reminder_at
FROM page p LEFT JOIN counted n ON n.id = p.id
ORDER BY p.place COLLATE "C", p.id
"""  # noqa: S608 - constants only


def _pages(candidates: str) -> dict[str, TextClause]:
    """What asks for a page of them, by how it is told whether they stand as is meant."""
    ways = {"any": "true", "known": _IS_KNOWN, "each": _STANDS_SO}
    return {way: text(_PAGE.format(candidates=candidates.format(stands=stands))) for way, stands in ways.items()}


def _by_letters(among: str) -> dict[str, TextClause]:
    one_by_one = text(_PAGE.format(candidates=_FOUND_ONE_BY_ONE.format(among=among)))
    return {**_pages(_FOUND.format(among=among)), "each": one_by_one}


_IN_ORDER, _IN_ORDER_IN, _IN_ORDER_IN_SEVERAL = (
    _pages(candidates) for candidates in (_NEAR, _NEAR_IN, _NEAR_IN_SEVERAL)
)
_BY_LETTERS, _BY_LETTERS_IN = _by_letters(_LETTERED), _by_letters(_LETTERED_IN)
_FEW_SO = text(_PAGE.format(candidates=_TOGETHER))
_APP = text("""SELECT app.id, s.name AS source FROM app JOIN source s ON s.id = app.source_id
    WHERE s.name || ':' || app.external_id = :app AND app.deleted_at IS NULL""")


@dataclass(frozen=True, slots=True)
class TenantRow:
    """One tenant at a glance; counts are of its connections in one environment."""

    tenant_id: int
    place: str  # what it is sorted by
    key: str  # source:tenant
    source: str
    tenant: str
    tenant_name: str | None
    first_seen_at: datetime
    apps: int  # that it is connected to
    blocking: int  # of them, those of which it lacks scopes
    trimming: int
    blocked_since: datetime | None  # by the one that it has been blocked in for longest
    last_reminder_at: datetime | None  # of what it is still reminded of
    as_of: datetime | None  # until when all of this is exact


def tenants(  # noqa: PLR0913 - each says which tenants are meant
    session: Session,
    *,
    letters: str | None = None,
    blocking: bool | None = None,
    lag: str | None = None,
    app: str | None = None,
    environment: str = "production",
    sources: Collection[str] | None = None,
    after: tuple[str, int] | None = None,
    most: int = 100,
) -> list[TenantRow]:
    """The next tenants (of *sources*) by name, *after* the place and id of the last one.

    *letters* are anywhere in the name or id, in any case; one or two of them begin it, or a word of it. *lag* is the
    class that it has in an app that it is connected to, *app* that app; *blocking* is the class, or that it has it not.
    """
    place, last = after or (None, None)
    found = None if app is None else session.execute(_APP, {"app": app}).one_or_none()
    if app is not None and (found is None or (sources is not None and found.source not in sources)):
        return []
    stands = blocking if blocking is not None else True if lag or app else None
    if found and stands:
        sources = [found.source]
    bound: dict[str, Any] = {
        **looked_for(letters),
        "stands": stands,
        "lag": "blocking" if blocking is not None else lag,
        "app": found.id if found else None,
        "environment": environment,
        "sources": None if sources is None else sorted(sources),
        "after": place,
        "after_id": last,
        "most": most,
    }
    return _next(session, bound)


def _next(session: Session, bound: Mapping[str, Any]) -> list[TenantRow]:
    """All put in order where they are few; else those near in it, if they fill a page; else found among all."""
    letters, stands, sources, most = (bound[name] for name in ("letters", "stands", "sources", "most"))
    many = session.scalars(_MANY, bound).one() if stands is not None else 0
    if stands and many <= (FEW if letters is None else SOME):
        return _rows(session, _FEW_SO, bound)
    in_order, is_one = _IN_ORDER if sources is None else _IN_ORDER_IN, sources is None or len(sources) == 1
    way, whole = "any" if stands is None else "each", "any" if stands is None else "known"
    if letters is not None or (many > KNOWN and is_one):
        near_by = in_order if is_one else _IN_ORDER_IN_SEVERAL
        reach = FAR if letters is None else SOON if stands is None and not bound["or_letters"] else NEAR
        near = _rows(session, near_by[way], {**bound, "reach": reach})
        if len(near) == most:
            return near
    if letters is not None:
        by_letters = _BY_LETTERS if sources is None else _BY_LETTERS_IN
        return _rows(session, by_letters[way if many > KNOWN else whole], bound)
    return _rows(session, in_order[whole], {**bound, "reach": ALL})


def _rows(session: Session, statement: TextClause, bound: Mapping[str, Any]) -> list[TenantRow]:
    return [TenantRow(**row) for row in session.execute(statement, bound).mappings()]


_LIKE, _LIKE_IN = (
    text(f"SELECT t.id FROM {among} WHERE {_SEEN} LIMIT :most")  # noqa: S608 - constants only
    for among in (_LETTERED, _LETTERED_IN)
)


def tenants_like(session: Session, letters: str, *, sources: Collection[str] | None = None, most: int) -> Sequence[int]:
    """The ids of tenants (of *sources*) with these *letters* in their name or id, as for `tenants`; *most* of them."""
    bound = {**looked_for(letters), "sources": None if sources is None else sorted(sources), "most": most}
    return session.scalars(_LIKE if sources is None else _LIKE_IN, bound).all()
