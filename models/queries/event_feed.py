"""The feed: every event in the order of commits, with no gap that is filled later."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.app_names import APP_ID
from models.queries.typed import escaped

# So many events are looked at for one answer, however few of them are meant.
REACH = 5_000

Place = tuple[int, int]  # of an event: its transaction and its number
FIRST: Place = (0, 0)

# Numbers are handed out before commits: what is still being written comes before what is there already. So nothing is
# told that a transaction which still runs may come before.
_TOLD = "e.tx < pg_snapshot_xmin(pg_current_snapshot())"
# The source of an event e that is about no app.
_OF = """(SELECT x.name FROM source x JOIN tenant y ON y.source_id = x.id WHERE y.id = coalesce(
    e.tenant_id, (SELECT z.tenant_id FROM connection z WHERE z.id = e.connection_id)))"""
_SCANNED = f"""
SELECT e.* FROM {{whence}} {_TOLD} AND (e.tx, e.id) > (cast(cast(:tx AS text) AS xid8), cast(:id AS int8))
ORDER BY e.tx, e.id LIMIT :reach
"""  # noqa: S608 - constants only
# No more are read than it takes to find as many as are told. Where fewer are found, how far was looked is read from the
# same snapshot, so that nothing is passed by that is committed meanwhile. Names are looked up for what is told only.
_FEED = f"""
WITH {{before}}meant AS MATERIALIZED (
    SELECT e.* FROM {{scanned}} e
    WHERE (cast(:sources AS text[]) IS NULL OR CASE
            WHEN e.app_id IS NOT NULL THEN e.app_id = ANY(ARRAY(SELECT a.id FROM app a
                JOIN source x ON x.id = a.source_id WHERE x.name = ANY(cast(:sources AS text[]))))
            ELSE {_OF} = ANY(cast(:sources AS text[])) END)
      AND (cast(:types AS text[]) IS NULL OR e.type LIKE ANY(cast(:types AS text[])))
      AND (cast(:app AS text) IS NULL OR e.app_id = ({APP_ID}))
      AND (cast(:since AS timestamptz) IS NULL OR e.at >= :since)
    ORDER BY e.tx, e.id LIMIT :most
), seen AS (
    SELECT count(*) OVER () AS scanned, e.tx AS last_tx, e.id AS last_number FROM {{scanned}} e
    WHERE (SELECT count(*) FROM meant) < :most ORDER BY e.tx DESC, e.id DESC LIMIT 1
)
SELECT coalesce(seen.scanned, 0) AS scanned, cast(seen.last_tx AS text) AS last_tx, seen.last_number,
    cast(e.tx AS text) AS tx, e.id AS number, e.at, e.type, s.name AS source,
    CASE WHEN app.id IS NOT NULL THEN s.name || ':' || app.external_id END AS app, app.name AS app_name,
    t.external_id AS tenant, t.name AS tenant_name, c.environment, e.data
FROM (SELECT) AS always LEFT JOIN seen ON true LEFT JOIN meant e ON true LEFT JOIN app ON app.id = e.app_id
LEFT JOIN connection c ON c.id = e.connection_id LEFT JOIN tenant t ON t.id = coalesce(e.tenant_id, c.tenant_id)
LEFT JOIN source s ON s.id = coalesce(app.source_id, t.source_id)
ORDER BY e.tx, e.id
"""  # noqa: S608 - constants only


_EVERYWHERE = _SCANNED.format(whence="event e WHERE (cast(:since AS timestamptz) IS NULL OR e.at >= :since) AND")
_OF_TENANTS = _SCANNED.format(
    whence="""(
    SELECT e.* FROM connection x JOIN event e ON e.connection_id = x.id
    WHERE x.tenant_id = ANY(cast(:tenants AS int8[]))
    UNION ALL
    SELECT e.* FROM event e WHERE e.tenant_id = ANY(cast(:tenants AS int8[])) AND e.connection_id IS NULL
) e WHERE"""
)
_ALL = text(_FEED.format(before="", scanned=f"({_EVERYWHERE})"))
# Of a tenant there are few: all of them are looked at anyway.
_THEIRS = text(_FEED.format(before=f"scanned AS MATERIALIZED ({_OF_TENANTS}), ", scanned="scanned"))
_LAST = text(f"SELECT cast(e.tx AS text) AS tx, e.id FROM event e WHERE {_TOLD} ORDER BY e.tx DESC, e.id DESC LIMIT 1")  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class FeedEvent:
    """One event; its id is its place in the feed."""

    id: str
    at: datetime
    type: str  # such as tenant.upgraded
    source: str | None  # None: it is about none, or about Uptake itself
    app: str | None  # as source:id
    app_name: str | None
    tenant: str | None
    tenant_name: str | None
    environment: str | None
    data: dict[str, Any]

    @property
    def place(self) -> Place:
        """Its place."""
        return place_of(self.id)


def place_of(event_id: str) -> Place:
    """The place that an event's id says; raises ValueError for what is none."""
    tx, _, number = event_id.partition("-")
    found = int(tx), int(number)
    if not (found[0] < 2**64 and found[1] < 2**63 and event_id == id_of(found)):
        raise ValueError(event_id)
    return found


def id_of(place: Place) -> str:
    """The id of the event at *place*."""
    return f"{place[0]}-{place[1]}"


@dataclass(frozen=True, slots=True)
class Fed:
    """The next events, and the place up to which all that is meant has been told."""

    events: Sequence[FeedEvent]
    last: Place
    is_whole: bool  # nothing more is there at present


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedEvents:
    """Which events are meant; None: whichever."""

    types: Sequence[str] | None = None  # in each, * stands for anything
    app: str | None = None  # as source:id
    tenants: Sequence[int] | None = None  # by id
    since: datetime | None = None


def events_after(
    session: Session,
    after: Place = FIRST,
    wanted: WantedEvents = WantedEvents(),
    *,
    sources: Collection[str] | None = None,
    most: int = 100,
) -> Fed:
    """The next events (of *sources*) *after* a place, in commit order: none is told later that belongs before these.

    While a transaction that writes runs on, whatever was written after its beginning waits.
    """
    # Where nothing is chosen among them, no more are looked at than are told.
    is_any = wanted.types is None and wanted.app is None and sources is None
    reach = most if is_any and wanted.tenants is None else max(REACH, most)
    bound = {
        "tx": str(after[0]),
        "id": after[1],
        "types": None if wanted.types is None else [escaped(one).replace("*", "%") for one in wanted.types],
        "app": wanted.app,
        "tenants": wanted.tenants,
        "since": wanted.since,
        "sources": None if sources is None else sorted(sources),
        "most": most,
        "reach": reach,
    }
    rows = session.execute(_ALL if wanted.tenants is None else _THEIRS, bound).all()
    found = [FeedEvent(id_of((int(row.tx), row.number)), *row[5:]) for row in rows if row.number is not None]
    if len(found) == most:
        return Fed(found, found[-1].place, is_whole=False)
    last = (int(rows[0].last_tx), rows[0].last_number) if rows[0].scanned else after
    return Fed(found, last, is_whole=rows[0].scanned < reach)


def last_event(session: Session) -> Place:
    """The place of the last event that is told at present."""
    row = session.execute(_LAST).one_or_none()
    return (int(row.tx), row.id) if row else FIRST


def is_ahead(session: Session, place: Place) -> bool:
    """Whether no event can have been told at *place*: it is of another database, or of this one before a restore."""
    oldest = session.scalars(text("SELECT cast(pg_snapshot_xmin(pg_current_snapshot()) AS text)")).one()
    return place[0] >= int(oldest)
