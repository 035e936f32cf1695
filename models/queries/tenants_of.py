"""Who has an app, and how each stands with it: a list in pages that stay in place while rows come and go."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from sqlalchemy import RowMapping, TextClause, text
from sqlalchemy.orm import Session

from models.queries.kinds import BEGAN, IN_ORDER, IS_OF_KIND
from models.queries.typed import HAS_LETTERS, MAY_HAVE_LETTERS, looked_for

Sort = Literal["name", "since"]
Place = tuple[str | int, ...]
# What a place is made of: the name and the connection's id, or since when it is blocked and connected (in microseconds)
# and the id.
PLACES: dict[Sort, tuple[type, ...]] = {"name": (str, int), "since": (int, int, int)}

_NEVER = 2**62
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FURTHEST = 2**55  # about a thousand years
# So many are put in order at once, and so many looked through for a letter or two; so many are known by their tenants'
# ids, while all of the source are gone through by name, or found by letters.
FEW, SOME, KNOWN = 2000, 6000, 30_000
# Of more, those that come next are near in an index; where only those with some letters are wanted, so many are looked
# at before all that have them: by name one after the other, by time those that come first of all kinds (SOON).
NEAR, SOON, ALL = 4000, 2000, 2**60

# Whoever lags does so since their kind does or since they connected, whichever is later; all others come last. Of each
# kind those that come after *after* begin at one point of its index.
_KINDS = """
kinds AS MATERIALIZED (
    SELECT k.*, CASE WHEN cast(:since_after AS timestamptz) IS NULL OR k.since > cast(:since_after AS timestamptz)
            THEN '-infinity' WHEN k.since = cast(:since_after AS timestamptz) THEN cast(:began_after AS timestamptz)
            ELSE cast(:since_after AS timestamptz) END AS from_began,
        CASE WHEN k.since = cast(:since_after AS timestamptz)
            OR cast(:began_after AS timestamptz) = cast(:since_after AS timestamptz) THEN cast(:after_id AS int8)
            ELSE 0 END AS from_id
    FROM (
        SELECT t.*, v.lag, v.missing, v.superfluous, v.latest, a.source_id,
            CASE WHEN v.lag IN ('blocking', 'trimming') THEN v.since ELSE 'infinity' END AS since
        FROM app a JOIN source src ON src.id = a.source_id JOIN tally t ON t.app_id = a.id
        LEFT JOIN verdict v ON v.app_id = t.app_id AND v.version = t.version AND v.scope_set_id = t.scope_set_id
            AND t.status IN ('connected', 'disabled')
        WHERE src.name || ':' || a.external_id = :app AND t.environment = :environment
          -- As in the counts of an app, who waits for an approval is not connected, either.
          AND (cast(:status AS text) IS NULL OR t.status = :status
              OR :status = 'not_connected' AND t.status = 'awaiting_approval')
          AND (cast(:version AS int4) IS NULL OR t.version = :version)
          AND (cast(:lag AS text) IS NULL OR t.status = 'connected' AND coalesce(v.lag, 'unknown') = :lag)
          AND (cast(:missing AS text) IS NULL OR t.status = 'connected' AND EXISTS (
              SELECT FROM scope_set g WHERE g.id = t.scope_set_id AND NOT g.grants @> ARRAY[cast(:missing AS text)]))
    ) k
)
"""
_NAME = 'coalesce(t.name, t.external_id) COLLATE "C"'
# As a condition of its own (IS TRUE) it is looked up among all that it lists at once, not joined to them.
_IS_KNOWN = f"""(t.id IN (SELECT c.tenant_id FROM kinds k JOIN connection c ON {IS_OF_KIND})) IS TRUE"""  # noqa: S608 - constants only
_FOUND = "k.*, c.id, c.tenant_id, c.began, greatest(k.since, c.began) AS lags_since"
_FURTHER = """(cast(:name_after AS text) IS NULL
    OR ({name}, c.id) > (cast(:name_after AS text) COLLATE "C", cast(:after_id AS int8)))"""
# The first of each kind, in the order of its index.
_NEAR_SINCE = f"""
SELECT {_FOUND} FROM kinds k CROSS JOIN LATERAL (
    SELECT c.id, c.tenant_id, {BEGAN} AS began FROM connection c
    WHERE {IS_OF_KIND} AND ({BEGAN}, c.id) > (k.from_began, k.from_id) ORDER BY {IN_ORDER} LIMIT :reach
) c ORDER BY lags_since, c.began, c.id LIMIT :reach
"""  # noqa: S608 - constants only
# The connection of each tenant t, looked up one by one (OFFSET 0): else all of the app would be read to be joined. That
# it is of one kind at most keeps the planner from believing that next to nobody is of any, and from reading them all.
_THEIRS = f"""CROSS JOIN LATERAL (
    SELECT c.*, {BEGAN} AS began FROM connection c
    WHERE c.tenant_id = t.id AND c.app_id = (SELECT min(app_id) FROM kinds) OFFSET 0
) c CROSS JOIN LATERAL (SELECT * FROM kinds k WHERE {IS_OF_KIND} LIMIT 1) k"""  # noqa: S608 - constants only
# The source's tenants by name, as far as is needed: no name is cut off from the same one.
_NEAR_NAME = f"""
SELECT {_FOUND} FROM (
    SELECT t.id, t.place AS name FROM (
        SELECT t.id, t.letters, {_NAME} AS place FROM tenant t WHERE t.source_id = (SELECT min(source_id) FROM kinds)
            AND {_NAME} >= coalesce(cast(:name_after AS text), '') COLLATE "C"
        ORDER BY {_NAME} FETCH FIRST (:looked_at) ROWS WITH TIES
    ) t WHERE {MAY_HAVE_LETTERS} AND {{whose}} ORDER BY t.place
) t {_THEIRS}
WHERE {_FURTHER.format(name="t.name")} ORDER BY t.name, c.id LIMIT :reach
"""  # noqa: S608 - constants only
# All of the kinds, or those of them whose tenants are found by letters.
_ALL = f"""
SELECT {_FOUND} FROM kinds k CROSS JOIN LATERAL (
    SELECT c.id, c.tenant_id, {BEGAN} AS began FROM connection c WHERE {IS_OF_KIND}
) c WHERE (c.began, c.id) > (k.from_began, k.from_id)
"""  # noqa: S608 - constants only
_LETTERED = f"""
SELECT {_FOUND} FROM (
    SELECT t.id FROM tenant t WHERE t.source_id = (SELECT min(source_id) FROM kinds) AND {HAS_LETTERS}
        AND {{whose}} OFFSET 0
) t {_THEIRS}
WHERE (c.began, c.id) > (k.from_began, k.from_id)
"""  # noqa: S608 - constants only
# By name, all with the letters are put in order, and looked up no further than is needed.
_LETTERED_NAME = f"""
SELECT {_FOUND} FROM (
    SELECT t.id, {_NAME} AS name FROM tenant t WHERE t.source_id = (SELECT min(source_id) FROM kinds) AND {HAS_LETTERS}
        AND {{whose}} AND {_NAME} >= coalesce(cast(:name_after AS text), '') COLLATE "C"
    ORDER BY {_NAME} OFFSET 0
) t {_THEIRS}
WHERE {_FURTHER.format(name="t.name")} ORDER BY t.name, c.id LIMIT :most
"""  # noqa: S608 - constants only
_PAGE = f"""
WITH {_KINDS}, page AS (
    SELECT c.*, t.external_id, t.name AS tenant_name, {_NAME} AS name
    FROM ({{candidates}}) c JOIN tenant t ON t.id = c.tenant_id
    WHERE {MAY_HAVE_LETTERS} AND {_FURTHER.format(name=_NAME)}
    ORDER BY {{order}} LIMIT :most
)
SELECT c.id AS connection_id, c.name, nullif(c.lags_since, 'infinity') AS since, nullif(c.began, 'infinity') AS began,
    c.external_id AS tenant, c.tenant_name, c.environment, c.status, nullif(c.version, 0) AS version,
    c.latest AS latest_version, c.lag, coalesce(c.missing, '{{{{}}}}') AS missing,
    coalesce(c.superfluous, '{{{{}}}}') AS superfluous, al.id AS alert_id, al.state AS alert, al.severity,
    coalesce(r.sent, 0) AS reminders_sent, r.last_sent_at AS last_reminder_at, r.due_at AS next_reminder_at,
    r.held_reason
FROM page c
LEFT JOIN alert al ON al.app_id = c.app_id AND al.connection_id = c.id AND al.resolved_at IS NULL
    AND al.kind = CASE c.lag WHEN 'blocking' THEN 'tenant_lagging' WHEN 'trimming' THEN 'tenant_overgranted' END
LEFT JOIN reminder r ON r.app_id = c.app_id AND r.connection_id = c.id AND r.stopped_at IS NULL
ORDER BY {{order}}
"""  # noqa: S608 - constants only
_ORDER: dict[Sort, str] = {"name": "name, c.id", "since": "c.lags_since, c.began, c.id"}


def _queries(candidates: Mapping[Sort, str]) -> dict[Sort, TextClause]:
    return {sort: text(_PAGE.format(candidates=candidates[sort], order=order)) for sort, order in _ORDER.items()}


def _whose(among: str) -> tuple[dict[Sort, TextClause], dict[Sort, TextClause]]:
    """What asks for those that are near, and for all with the letters, *among* those that are known to be meant."""
    near: dict[Sort, str] = {"name": _NEAR_NAME.format(whose=among), "since": _NEAR_SINCE}
    lettered: dict[Sort, str] = {
        "name": _LETTERED_NAME.format(whose=among),
        "since": _LETTERED.format(whose=among),
    }
    return _queries(near), _queries(lettered)


_WHOLE = _queries(dict.fromkeys(_ORDER, _ALL))
_NEAR, _BY_LETTERS = _whose("true")
_NEAR_KNOWN, _BY_LETTERS_KNOWN = _whose(_IS_KNOWN)
_MANY = text(f"WITH {_KINDS} SELECT coalesce(sum(tenants), 0) FROM kinds")  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class TenantOf:
    """How one tenant stands with an app in one environment."""

    connection_id: int
    place: Place  # in the list, as it is sorted
    tenant: str
    tenant_name: str | None
    environment: str
    status: str
    version: int | None
    latest_version: int | None
    lag: str | None  # the class of a connected tenant; None: not judged, or not connected
    missing: Sequence[str]
    superfluous: Sequence[str]
    since: datetime | None  # since when it is blocked, or holds too much
    alert_id: int | None
    alert: str | None  # pending | firing
    severity: str | None
    reminders_sent: int
    last_reminder_at: datetime | None
    next_reminder_at: datetime | None
    held_reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which of an app's tenants are meant; None: whichever."""

    environment: str = "production"
    status: str | None = None
    lag: str | None = None
    version: int | None = None
    missing: str | None = None  # connected, and known not to grant this scope
    letters: str | None = None  # of the name or the id, in any case; one or two begin it, or a word of it


def tenants_of(
    session: Session,
    app: str,
    wanted: Wanted,
    *,
    sort: Sort = "since",
    after: Place | None = None,
    most: int = 100,
) -> list[TenantOf]:
    """The next tenants of *app* by name, or the longest blocked first, *after* the place of the last one.

    Whoever did not change between two pages is on exactly one of them.
    """
    bound: dict[str, Any] = {
        "app": app,
        "environment": wanted.environment,
        "status": wanted.status,
        "lag": wanted.lag,
        "version": wanted.version,
        "missing": wanted.missing,
        "most": most,
        **looked_for(wanted.letters),
        **_beginning(sort, after),
    }
    rows = _rows(session, bound, sort)
    return [TenantOf(place=_place(row, sort), **{name: row[name] for name in _NAMES}) for row in rows]


_NAMES = [one.name for one in fields(TenantOf) if one.name != "place"]


def _rows(session: Session, bound: Mapping[str, Any], sort: Sort) -> Sequence[RowMapping]:
    """Those that are near in the order, or found among all where these are few or seldom have the letters."""
    letters, most = bound["letters"], bound["most"]
    if sort == "since" and letters is None:
        return session.execute(_NEAR[sort], {**bound, "reach": most}).mappings().all()
    many, is_short = session.scalar(_MANY, bound) or 0, bound["or_letters"] is not None
    if many <= (SOME if is_short else FEW):
        return session.execute(_WHOLE[sort], bound).mappings().all()
    by_letters = _BY_LETTERS if many > KNOWN else _BY_LETTERS_KNOWN
    # A letter or two are in very many names, so enough are near; more of them are where very many are meant.
    if letters is not None and not is_short and many <= KNOWN:
        return session.execute(by_letters[sort], bound).mappings().all()
    near_by = {"reach": SOON if sort == "since" else most, "looked_at": ALL if letters is None else NEAR}
    near = _NEAR if letters is not None or many > KNOWN else _NEAR_KNOWN
    rows = session.execute(near[sort], {**bound, **near_by}).mappings().all()
    if letters is None or len(rows) == most:
        return rows
    return session.execute(by_letters[sort], bound).mappings().all()


def _beginning(sort: Sort, after: Place | None) -> dict[str, Any]:
    """The parameters for what comes after the place."""
    begins: dict[str, Any] = dict.fromkeys(("name_after", "since_after", "began_after"))
    if after is None:
        return begins | {"after_id": 0}
    if sort == "name":
        return begins | {"name_after": after[0], "after_id": after[1]}
    since, began, last = (int(one) for one in after)
    return begins | {"since_after": _told(since), "began_after": _told(began), "after_id": last}


def _place(row: RowMapping, sort: Sort) -> Place:
    if sort == "name":
        return (row["name"], row["connection_id"])
    return (_micros(row["since"]), _micros(row["began"]), row["connection_id"])


def _micros(at: datetime | None) -> int:
    """Microseconds since 1970; whoever has no such instant comes last."""
    return _NEVER if at is None else (at - _EPOCH) // timedelta(microseconds=1)


def _told(micros: int) -> str:
    """The instant again, as PostgreSQL reads it; a cursor that nobody was given is within its bounds all the same."""
    if micros >= _NEVER:
        return "infinity"
    return (_EPOCH + timedelta(microseconds=max(min(micros, _FURTHEST), -_FURTHEST))).isoformat()
