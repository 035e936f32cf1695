"""Which tenants there are, over all sources, and which is meant by a name."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from models.queries.typed import anywhere, escaped

# From so many letters on, they are looked for anywhere: fewer are in nearly every name, and in no index.
ANYWHERE = 3

# So many are put in order at once. Of more, those that come next are near in the order, and so many are looked at.
FEW = 2000

_NAME = 'coalesce(t.name, t.external_id) COLLATE "C"'
_LETTERS = "(t.name ILIKE ANY(cast(:patterns AS text[])) OR t.external_id ILIKE ANY(cast(:patterns AS text[])))"
_AFTER = f"""(cast(:after AS text) IS NULL
    OR ({_NAME}, t.id) > (cast(:after AS text) COLLATE "C", cast(:after_id AS int8)))"""
_SEEN = "(cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[])))"
_STANDS = """SELECT {columns} FROM standing b JOIN app ON app.id = b.app_id AND app.deleted_at IS NULL
    WHERE b.environment = :environment AND b.status = 'connected'
      AND (cast(:lag AS text) IS NULL OR b.lag = :lag) AND (cast(:app AS int8) IS NULL OR b.app_id = :app)"""
# For each by itself (OFFSET 0): else all that stand so would be found before the first page is.
_STANDS_SO = f"""(cast(:stands AS boolean) IS NULL
    OR :stands = EXISTS ({_STANDS.format(columns="")} AND b.tenant_id = t.id OFFSET 0))"""
# Source by source in the order of its index; what is not on the page is not counted.
_NEAR = f"""
SELECT t.*, s.name AS source FROM source s CROSS JOIN LATERAL (
    SELECT t.id, t.external_id, t.name, t.first_seen_at FROM (
        SELECT t.id, t.external_id, t.name, t.first_seen_at, {_NAME} AS named FROM tenant t
        WHERE t.source_id = s.id AND {_AFTER} ORDER BY {_NAME}, t.id LIMIT :reach
    ) t WHERE (cast(:patterns AS text[]) IS NULL OR {_LETTERS}) AND {_STANDS_SO}
    ORDER BY t.named, t.id LIMIT :most
) t WHERE {_SEEN}
"""  # noqa: S608 - constants only
_FOUND = f"""
SELECT t.id, t.external_id, t.name, t.first_seen_at, s.name AS source
FROM (SELECT * FROM tenant t WHERE {_LETTERS} OFFSET 0) t JOIN source s ON s.id = t.source_id
WHERE {_SEEN} AND {_AFTER} AND {_STANDS_SO}
"""  # noqa: S608 - constants only
_MATCHES = text(f"""
SELECT count(*) FROM (SELECT FROM tenant t WHERE {_LETTERS} AND {_AFTER} LIMIT :reach + 1) x
""")  # noqa: S608 - constants only
_TOGETHER = f"""
SELECT t.id, t.external_id, t.name, t.first_seen_at, s.name AS source FROM tenant t JOIN source s ON s.id = t.source_id
WHERE {_SEEN} AND {_AFTER} AND t.id {{among}} ({_STANDS.format(columns="b.tenant_id")})
"""  # noqa: S608 - constants only
_PAGE = f"""
WITH page AS (
    SELECT t.*, {_NAME} AS place FROM ({{candidates}}) t ORDER BY {_NAME}, t.id LIMIT :most
), fresh AS MATERIALIZED (
    SELECT a.id, f.exact_at FROM app a JOIN freshness f ON f.app_id = a.id WHERE a.deleted_at IS NULL
)
SELECT p.id AS tenant_id, p.place, p.source || ':' || p.external_id AS key, p.source, p.external_id AS tenant,
    p.name AS tenant_name, p.first_seen_at, n.*,
    (SELECT max(r.last_sent_at) FROM reminder r WHERE r.tenant_id = p.id AND r.stopped_at IS NULL) AS last_reminder_at
FROM page p CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE c.status = 'connected') AS apps,
        count(*) FILTER (WHERE c.status = 'connected' AND v.lag = 'blocking') AS blocking,
        count(*) FILTER (WHERE c.status = 'connected' AND v.lag = 'trimming') AS trimming,
        min(greatest(v.since, c.epoch_started_at)) FILTER (WHERE c.status = 'connected' AND v.lag = 'blocking')
            AS blocked_since,
        min(f.exact_at) AS as_of
    FROM connection c JOIN fresh f ON f.id = c.app_id
    LEFT JOIN verdict v ON v.app_id = c.app_id AND v.version = coalesce(c.version, 0)
        AND v.scope_set_id = c.scope_set_id
    WHERE c.tenant_id = p.id AND c.environment = :environment
) n
ORDER BY p.place COLLATE "C", p.id
"""  # noqa: S608 - constants only
_IN_ORDER, _BY_LETTERS, _BY_LAG, _BY_NO_LAG = (
    text(_PAGE.format(candidates=each))
    for each in (_NEAR, _FOUND, _TOGETHER.format(among="IN"), _TOGETHER.format(among="NOT IN"))
)

_APP = text("""SELECT app.id FROM app JOIN source s ON s.id = app.source_id
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
    app_id = None if app is None else session.scalar(_APP, {"app": app})
    if app is not None and app_id is None:
        return []
    bound: dict[str, object] = {
        "patterns": None if letters is None else _patterns(letters),
        "stands": blocking if blocking is not None else True if lag or app else None,
        "lag": "blocking" if blocking is not None else lag,
        "app": app_id,
        "environment": environment,
        "sources": None if sources is None else sorted(sources),
        "after": place,
        "after_id": last,
        "most": most,
    }
    if letters is None and bound["stands"] is None:
        return _rows(session, _IN_ORDER, bound | {"reach": most})
    reach = {"reach": max(FEW, most)}
    if letters is not None and session.scalars(_MATCHES, bound | reach).one() <= reach["reach"]:
        return _rows(session, _BY_LETTERS, bound)
    near = _rows(session, _IN_ORDER, bound | reach)
    if len(near) == most:
        return near
    by_lag = _BY_LAG if bound["stands"] else _BY_NO_LAG
    return _rows(session, by_lag if letters is None else _BY_LETTERS, bound)


def _rows(session: Session, statement: TextClause, bound: Mapping[str, object]) -> list[TenantRow]:
    return [TenantRow(**row) for row in session.execute(statement, bound).mappings()]


def _patterns(letters: str) -> list[str]:
    """What LIKE takes for *letters*, of which those that mean something to it are themselves."""
    return [anywhere(letters)] if len(letters) >= ANYWHERE else [f"{escaped(letters)}%", f"% {escaped(letters)}%"]


@dataclass(frozen=True, slots=True)
class Named:
    """A tenant that a name may mean."""

    tenant_id: int
    key: str  # source:tenant


_NAMED = text("""
SELECT t.id AS tenant_id, s.name || ':' || t.external_id AS key
FROM source s JOIN tenant t ON t.source_id = s.id AND t.external_id = ANY(ARRAY[cast(:name AS text),
    CASE WHEN starts_with(:name, s.name || ':') THEN substr(:name, length(s.name) + 2) END])
WHERE cast(:sources AS text[]) IS NULL OR s.name = ANY(cast(:sources AS text[]))
ORDER BY s.name || ':' || t.external_id = :name DESC, s.name LIMIT :most
""")


def tenants_named(
    session: Session, name: str, *, sources: Collection[str] | None = None, most: int = 10
) -> Sequence[Named]:
    """Which tenants (of *sources*) *name* may mean: the one that it is the key of, else all with that id."""
    bound = {"name": name, "sources": None if sources is None else sorted(sources), "most": most}
    found = [Named(**row) for row in session.execute(_NAMED, bound).mappings()]
    return found[:1] if found and found[0].key == name else found


_LIKE = text(f"""
SELECT t.id FROM tenant t JOIN source s ON s.id = t.source_id WHERE {_LETTERS} AND {_SEEN} LIMIT :most
""")  # noqa: S608 - constants only


def tenants_like(
    session: Session, letters: str, *, sources: Collection[str] | None = None, most: int = FEW
) -> Sequence[int]:
    """The ids of tenants (of *sources*) with these *letters* in their name or id, as for `tenants`; *most* of them."""
    bound = {"patterns": _patterns(letters), "sources": None if sources is None else sorted(sources), "most": most}
    return session.scalars(_LIKE, bound).all()
