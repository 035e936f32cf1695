"""The model portal as it answers: pages of its truth, or what a test wants to be said instead; it keeps a log."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from tests.integration.history.truth import HELD, App, Clock, Key, Row
from uptake.pages import fingerprint

ROOT = "/portal/v2/organization/1001/apps"


class Facts(NamedTuple):
    """What a row says, in Uptake's words."""

    status: str
    version: int | None
    grants: frozenset[str] | None
    client: str | None
    name: str
    allowed: datetime | None
    accepted: datetime | None = None


class Served(NamedTuple):
    """A row as it was sent: *facts* is None when it cannot be trusted, *tenant* when it does not tell whose it is."""

    raw: bytes
    key: Key
    tenant: str | None
    facts: Facts | None
    since: datetime


class Sent(NamedTuple):
    """A page as it was sent, or said to be unchanged."""

    rows: tuple[Served, ...]
    total: int | None


class Told(NamedTuple):
    """A connection as the feed told of it, the last time in one reading."""

    app: int
    row: Served
    gone: bool


class Reply(NamedTuple):
    """An answer to a request; *body* is None for 304."""

    status: int
    body: bytes | None
    etag: str | None = None


@dataclass
class Trouble:
    """What is wrong with the portal during one walk; rows are named by their place in the listing."""

    spoilt: frozenset[int] = frozenset()  # rows that cannot be trusted
    nameless: frozenset[int] = frozenset()  # rows that do not tell whose they are
    doubled: frozenset[int] = frozenset()  # rows that come twice, the second time with other facts
    error: str | None = None
    page: int = 1  # where the error is, or before which *meanwhile* happens
    meanwhile: Callable[[], object] | None = None
    has_struck: bool = False  # the error was answered


def untrusted(kind: str, rows: frozenset[int]) -> Trouble:
    """Trouble of this *kind* with these rows."""
    if kind == "spoilt":
        return Trouble(spoilt=rows)
    return Trouble(nameless=rows) if kind == "nameless" else Trouble(doubled=rows)


@dataclass
class Portal:
    """Apps behind the API of `domain.md` 4.4, as far as Uptake asks."""

    clock: Clock
    apps: dict[int, App] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    page_size: int = 2
    tags: bool = False  # entity tags, and 304
    counts: bool = True  # says how many rows there are in all
    faithful: bool = False  # no times, and a version for who never connected, as the real screen has it
    grants: bool = True  # tells the scopes in play
    trouble: Trouble = field(default_factory=Trouble)
    feed: bool = False  # tells what changed
    feed_error: int | None = None  # the status it answers instead
    sent: dict[int, Sent] = field(default_factory=dict)  # pages of the present walk
    told: list[Told] = field(default_factory=list)  # by the present reading of the feed

    def answer(self, path: str, query: Mapping[str, str], etag: str | None) -> Reply:
        """What is asked for, or what is wrong."""
        number = int(query.get("page", "1"))
        if path.endswith("/export/connections"):
            return self._changes(datetime.fromisoformat(query["from"]))
        rest = path.removeprefix(ROOT).strip("/").split("/")
        if rest == [""]:
            return self._bad("apps") or self._page(number, [self._app(app) for app in self.apps.values()])
        app = self.apps[int(rest[0])]
        if app.deleted:
            return Reply(410, b'{"title": "app deleted", "status": 410}')
        if rest[1] == "versions":
            return self._bad("versions") or self._page(number, [_version(app, n) for n in range(len(app.versions))])
        return self._connections(app, number, etag)

    def listing(self, app: App) -> list[Row]:
        """The rows that are listed, in the order of the listing."""
        return [row for _, row in sorted(app.rows.items()) if row.listed]

    def _connections(self, app: App, number: int, etag: str | None) -> Reply:
        if self.trouble.error not in {"apps", "versions"} and number == self.trouble.page:
            bad = self._bad(self.trouble.error)
            if bad is not None:
                return bad
        rows = self._rows(app)
        begin = (number - 1) * self.page_size
        part = rows[begin : begin + self.page_size]
        # A page that is asked about once more is looked at, and not read.
        self.sent.setdefault(number, Sent(tuple(part), len(rows) if self.counts else None))
        reply = self._page(number, [row.raw for row in rows])
        tag = f'W/"{fingerprint(reply.body or b"")}"'
        if not self.tags:
            return reply
        return Reply(304, None, tag) if tag == etag else Reply(200, reply.body, tag)

    def _changes(self, since: datetime) -> Reply:
        """Whatever became of any row after *since*, in that order, a page of it; its time is where to go on."""
        if not self.feed or self.feed_error is not None:
            return Reply(self.feed_error or 404, b"{}")
        rows = sorted(
            (row.since, app.id, row.id) for app in self.apps.values() for row in app.rows.values() if row.since > since
        )
        said = []
        for _, app, number in rows[: self.page_size]:
            row = self.apps[app].rows[number]
            raw = _json(self._said(self.apps[app], row) | {"deleted": not row.listed})
            said.append(raw)
            facts = self.facts(row)
            if not row.listed:
                facts = Facts("disconnected", None, None, facts.client, facts.name, None)
            self.told.append(Told(app, Served(raw, row.key, row.tenant, facts, row.since), not row.listed))
        more = len(rows) > self.page_size
        after = rows[self.page_size - 1][0] if more else self.clock.now
        body = {"hasMore": more, "continueFrom": after.isoformat()}
        return Reply(200, _json(body)[:-1] + b', "data": [%s]}' % b", ".join(said))

    def before(self, path: str, number: int) -> None:
        """What happens before a page is answered, in the asker's own thread: time goes on, and more."""
        self.clock.tick()
        meanwhile = self.trouble.meanwhile
        if meanwhile is not None and path.endswith("/connections") and number == self.trouble.page:
            self.trouble.meanwhile = None
            meanwhile()

    def _bad(self, what: str | None) -> Reply | None:
        if what is None or what != self.trouble.error:
            return None
        self.trouble.has_struck = True
        return {"request": Reply(400, b"{}"), "junk": Reply(200, b'{"page": 1, "da')}.get(
            what, Reply(200, b'{"page": 99, "hasMore": false, "data": []}')
        )

    def _page(self, number: int, rows: list[bytes]) -> Reply:
        begin, end = (number - 1) * self.page_size, number * self.page_size
        total = b', "totalCount": %d' % len(rows) if self.counts else b""
        more = b"true" if len(rows) > end else b"false"
        data = b", ".join(rows[begin:end])
        return Reply(200, b'{"page": %d, "hasMore": %s%s, "data": [%s]}' % (number, more, total, data))

    def _rows(self, app: App) -> list[Served]:
        rows: list[Served] = []
        for place, row in enumerate(self.listing(app)):
            said, facts = self._said(app, row), self.facts(row)
            if place in self.trouble.spoilt:
                rows.append(Served(_json(said | {"version": "two"}), row.key, row.tenant, None, row.since))
            elif place in self.trouble.nameless:
                rows.append(Served(_json(said | {"resourceOwner": 7}), row.key, None, None, row.since))
            else:
                rows.append(Served(_json(said), row.key, row.tenant, facts, row.since))
            if place in self.trouble.doubled:
                other = said | {"status": "notConnected", "clientId": None, "enabled": False, "allowedOn": None}
                stranger = Facts("not_connected", None, None, None, facts.name, None, facts.accepted)
                if row.status == "notConnected":
                    other["status"], stranger = "awaitingApproval", stranger._replace(status="awaiting_approval")
                rows.append(Served(_json(other), row.key, row.tenant, stranger, row.since))
        return rows

    def facts(self, row: Row) -> Facts:
        """What the row says when it is well."""
        held = row.status in HELD
        status = {"awaitingApproval": "awaiting_approval", "notConnected": "not_connected"}.get(row.status, row.status)
        return Facts(
            status,
            row.version if held else None,
            row.grants if held and self.grants else None,
            row.client if held else None,
            self.names.get(row.tenant, f"Tenant {row.tenant}"),
            None if self.faithful else row.allowed,
            None if self.faithful else row.accepted,
        )

    def _said(self, app: App, row: Row) -> dict[str, Any]:
        facts = self.facts(row)
        said: dict[str, Any] = {
            "id": row.id,
            "appId": app.id,
            "resourceOwner": {"kind": "tenant", "id": row.tenant, "name": facts.name},
            "environment": row.environment,
            "status": row.status,
            "enabled": row.status == "connected",
            "version": app.latest.number if row.version is None and self.faithful else row.version,
            "latestVersion": app.latest.number,
            "clientId": facts.client,
        }
        if self.grants:
            said["scopes"] = sorted(row.grants)
        if not self.faithful:
            said["allowedOn"] = _instant(row.allowed)
            said["versionAcceptedOn"] = _instant(row.accepted)
        return said

    def _app(self, app: App) -> bytes:
        return _json(
            {
                "id": app.id,
                "name": app.name,
                "distribution": "public",
                "approvalStatus": app.approval,
                "latestVersion": app.latest.number,
                "active": not app.deleted,
            }
        )


def _version(app: App, index: int) -> bytes:
    version = app.versions[index]
    scopes = [{"name": grant[:-2], "view": True, "modify": False} for grant in sorted(version.grants)]
    return _json(
        {"appId": app.id, "version": version.number, "createdOn": _instant(version.released), "scopes": scopes}
    )


def _instant(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None


def _json(said: Mapping[str, Any]) -> bytes:
    return json.dumps(said).encode()
