"""Threads of reminders in pages: whose turn is next, and which are over."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import RowMapping, text
from sqlalchemy.orm import Session

from models.queries.app_names import APP_ID

ThreadState = Literal["open", "stopped"]
NEVER = datetime(9999, 1, 1, tzinfo=UTC)  # after all that is due


@dataclass(frozen=True, slots=True)
class Thread:
    """The reminders to one tenant about one app and environment."""

    id: int
    state: str  # open | stopped
    source: str
    app: str
    app_name: str
    tenant: str
    tenant_name: str | None
    environment: str
    version: int | None  # that it runs now
    target_version: int
    opened_at: datetime
    sent: int
    last_sent_at: datetime | None
    due_at: datetime | None  # None: all that are sent were sent
    held_reason: str | None  # why the last due time sent nothing
    stopped_at: datetime | None
    stop_reason: str | None


_LINE = """
SELECT r.id, CASE WHEN r.stopped_at IS NULL THEN 'open' ELSE 'stopped' END AS state, s.name AS source,
    s.name || ':' || app.external_id AS app, app.name AS app_name, t.external_id AS tenant, t.name AS tenant_name,
    r.environment, c.version, r.target_version, r.opened_at, r.sent, r.last_sent_at, r.due_at, r.held_reason,
    r.stopped_at, r.stop_reason
FROM ({page}) r JOIN app ON app.id = r.app_id JOIN source s ON s.id = app.source_id
JOIN tenant t ON t.id = r.tenant_id JOIN connection c ON c.id = r.connection_id
ORDER BY {order}
"""
_SEEN = """(cast(:sources AS text[]) IS NULL OR r.app_id = ANY(ARRAY(
    SELECT app.id FROM app JOIN source s ON s.id = app.source_id WHERE s.name = ANY(cast(:sources AS text[])))))"""
_NEXT = "coalesce(r.due_at, '9999-01-01 00:00:00+00')"
_OPEN = f"""r.stopped_at IS NULL AND (cast(:until AS timestamptz) IS NULL OR {_NEXT} <= :until)
AND (cast(:after AS timestamptz) IS NULL OR ({_NEXT}, r.id) > (:after, cast(:last AS int8)))"""
_STOPPED = "r.stopped_at IS NOT NULL AND (cast(:last AS int8) IS NULL OR r.id < :last)"
_ORDERS = {_OPEN: f"{_NEXT}, r.id", _STOPPED: "r.id DESC"}
_EVERYWHERE = "SELECT r.* FROM reminder r WHERE"
_OF_APP = f"SELECT r.* FROM reminder r WHERE r.app_id = ({APP_ID}) AND"  # noqa: S608 - constants only
# A thread is found by its connection, be it over or not.
_OF_TENANTS = f"""
SELECT r.* FROM connection c JOIN reminder r ON r.app_id = c.app_id AND r.connection_id = c.id
WHERE c.tenant_id = ANY(cast(:tenants AS int8[])) AND (cast(:app AS text) IS NULL OR c.app_id = ({APP_ID})) AND
"""  # noqa: S608 - constants only
_PAGES = {
    (whence, which): text(
        _LINE.format(page=f"{whence} {_SEEN} AND {which} ORDER BY {_ORDERS[which]} LIMIT :most", order=_ORDERS[which])
    )
    for whence in (_EVERYWHERE, _OF_APP, _OF_TENANTS)
    for which in (_OPEN, _STOPPED)
}


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedThreads:
    """Which threads are meant; None: whichever."""

    state: ThreadState = "open"
    app: str | None = None  # as source:id
    tenants: Sequence[int] | None = None  # by id
    until: datetime | None = None  # due then, or before; of open ones


def threads_after(
    session: Session,
    wanted: WantedThreads,
    *,
    sources: Collection[str] | None = None,
    after: tuple[datetime, int] | tuple[int] | None = None,
    most: int = 100,
) -> list[tuple[tuple[datetime, int] | tuple[int], Thread]]:
    """The next threads (of *sources*) *after* the place of the last one, each with its own.

    Open ones by when they are due, those that are not any more at the end; stopped ones from the newest on.
    """
    is_open = wanted.state == "open"
    whence = _OF_TENANTS if wanted.tenants is not None else _OF_APP if wanted.app is not None else _EVERYWHERE
    bound = {
        "app": wanted.app,
        "tenants": wanted.tenants,
        "until": wanted.until,
        "sources": None if sources is None else sorted(sources),
        "after": after[0] if after and is_open else None,
        "last": after[-1] if after else None,
        "most": most,
    }
    statement = _PAGES[whence, _OPEN if is_open else _STOPPED]
    rows = session.execute(statement, bound).mappings()
    return [(_place(row, is_open=is_open), Thread(**row)) for row in rows]


def _place(row: RowMapping, *, is_open: bool) -> tuple[datetime, int] | tuple[int]:
    return (row["due_at"] or NEVER, row["id"]) if is_open else (row["id"],)
