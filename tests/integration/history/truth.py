"""The truth of a model portal: its apps, their versions and who is connected at which, by a clock that only goes on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

SCOPES = tuple(f"tn.x.s{number}:r" for number in range(1, 6))
HELD = ("connected", "disabled")
Key = tuple[str, str]  # tenant and environment


class Version(NamedTuple):
    """One version of an app."""

    number: int
    grants: frozenset[str]
    released: datetime


@dataclass
class Clock:
    """The one clock of a history: each look at it and each change is a millisecond later than the one before."""

    now: datetime = datetime(2026, 3, 2, 9, tzinfo=UTC)
    reads: list[datetime] = field(default_factory=list)

    def tick(self) -> datetime:
        """The next instant."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def read(self) -> datetime:
        """What Uptake is told when it asks Postgres."""
        self.reads.append(self.tick())
        return self.now


@dataclass
class Row:
    """One resource owner in one environment of an app, as it truly stands."""

    id: int
    tenant: str
    environment: str
    since: datetime  # when the facts became as they are
    status: str = "awaitingApproval"
    version: int | None = None
    grants: frozenset[str] = frozenset()
    client: str | None = None
    allowed: datetime | None = None
    accepted: datetime | None = None
    listed: bool = True

    @property
    def key(self) -> Key:
        """Whose it is."""
        return self.tenant, self.environment


@dataclass
class App:
    """An app with its versions and its rows by id."""

    id: int
    clock: Clock
    name: str = "Dispatch Helper"
    approval: str = "approved"
    deleted: bool = False
    versions: list[Version] = field(default_factory=list)
    rows: dict[int, Row] = field(default_factory=dict)
    epochs: int = 0

    @property
    def latest(self) -> Version:
        """The newest version."""
        return self.versions[-1]

    def release(self, grants: frozenset[str]) -> None:
        """Publish the next version."""
        self.versions.append(Version(len(self.versions) + 1, grants, self.clock.tick()))

    def invite(self, tenant: str, environment: str) -> Row:
        """Add a resource owner, unless it is there."""
        for row in self.rows.values():
            if row.key == (tenant, environment):
                return row
        number = len(self.rows) + 1
        self.rows[number] = Row(number, tenant, environment, self.clock.tick())
        return self.rows[number]

    def change(self, what: str, pick: int, *, only: bool = False) -> Row | None:
        """Do *what* to one of the rows to which it can be done, else (unless *only* that) what comes next in the list.

        None when there is nothing to be done.
        """
        names = list(CHANGES)
        first = names.index(what)
        for name in [what] if only else names[first:] + names[:first]:
            able, act = CHANGES[name]
            rows = [row for row in self.rows.values() if able(self, row)]
            if rows and not self.deleted:
                row = rows[pick % len(rows)]
                act(self, row)
                row.since = self.clock.tick()
                return row
        return None


def _allow(app: App, row: Row) -> None:
    app.epochs += 1
    row.status, row.client = "connected", f"cid.{app.id}.{app.epochs}"
    row.allowed = app.clock.tick()
    _accept(app, row, app.latest.number)


def _accept(app: App, row: Row, number: int) -> None:
    row.version, row.grants = number, app.versions[number - 1].grants
    row.accepted = app.clock.tick()


def _upgrade(app: App, row: Row) -> None:
    _accept(app, row, (row.version or 0) + 1)


def _climb(app: App, row: Row) -> None:
    """Through two versions or more, between two looks."""
    while row.version != app.latest.number:
        _upgrade(app, row)


def _regress(app: App, row: Row) -> None:
    _accept(app, row, (row.version or 2) - 1)


def _narrow(_app: App, row: Row) -> None:
    """The platform takes a granted scope back and leaves the version."""
    row.grants = frozenset(sorted(row.grants)[1:])


def _revoke(_app: App, row: Row) -> None:
    row.status, row.version, row.client, row.grants = "disconnected", None, None, frozenset()
    row.allowed = row.accepted = None


def _reconnect(app: App, row: Row) -> None:
    """Revoked and allowed again between two looks: only the client id tells."""
    _revoke(app, row)
    _allow(app, row)


def _status(status: str) -> Callable[[App, Row], None]:
    def act(_app: App, row: Row) -> None:
        row.status = status

    return act


def _listed(listed: bool) -> Callable[[App, Row], None]:
    def act(_app: App, row: Row) -> None:
        row.listed = listed

    return act


def _is_held(_app: App, row: Row) -> bool:
    return row.status in HELD


def _is_behind(app: App, row: Row) -> bool:
    return row.status == "connected" and (row.version or 0) < app.latest.number


CHANGES: dict[str, tuple[Callable[[App, Row], bool], Callable[[App, Row], None]]] = {
    "approve": (lambda _, row: row.status == "awaitingApproval", _status("notConnected")),
    "allow": (lambda _, row: row.status not in HELD, _allow),
    "upgrade": (_is_behind, _upgrade),
    "climb": (_is_behind, _climb),
    "disable": (lambda _, row: row.status == "connected", _status("disabled")),
    "enable": (lambda _, row: row.status == "disabled", _status("connected")),
    "revoke": (_is_held, _revoke),
    "reconnect": (_is_held, _reconnect),
    "withdraw": (lambda _, row: row.listed, _listed(False)),
    "reinstate": (lambda _, row: not row.listed, _listed(True)),
    "regress": (lambda _, row: row.status == "connected" and (row.version or 0) > 1, _regress),
    "narrow": (lambda _, row: row.status == "connected" and len(row.grants) > 1, _narrow),
}
