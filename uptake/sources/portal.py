"""The developer portal of the seed as a source: its apps, their versions, who is connected at which."""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import quote

import msgspec

from uptake.errors import Fault, PermanentError, TransientError
from uptake.facts import FedPage, Rejected, SeenApp, SeenConnection, SeenVersion
from uptake.http import Answer, Client
from uptake.pages import ALL, Mark, Page, Span
from uptake.sources import Capability, Kind, unbothered
from uptake.sources import portal_rows as rows
from uptake.sources.portal_feed import follow
from uptake.sources.portal_pages import Body, check_whole, walk
from uptake.sources.portal_token import Token

# Conflicts and locks pass; the portal's own words for "later".
_RETRIED = frozenset({409, 423})
# Before a page's second and third try, in seconds and on average: about as long as a restart behind a balancer takes.
_PAUSES = (0.5, 1.5)
_PATIENCE = 10.0  # seconds after the first try in which the last one must begin; a lease outlasts both
T = TypeVar("T")


class PortalSource:
    """One organization's listings, read with one credential. Not to be shared between threads.

    *pace* is called before each request to the API, and comes back when it is in time. A page that fails on the
    portal's side is asked for up to three times, with a *sleep* in between.
    """

    kind = Kind.VERSIONED
    capabilities = frozenset(
        {
            Capability.LISTS_NEVER_CONNECTED,
            Capability.GIVES_GRANTED_SCOPES,
            Capability.GIVES_ACCEPTANCE_TIME,
            Capability.SUPPORTS_CONDITIONAL,
            Capability.SUPPORTS_FEED,
        }
    )

    def __init__(  # noqa: PLR0913 - one argument per line of the [[source]] table
        self,
        *,
        name: str,
        url: str,
        token_url: str,
        organization: str,
        client_id: str,
        client_secret: str,
        app_key: str,
        page_size: int = 500,
        pace: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        client: Client | None = None,
    ) -> None:
        self._name = name
        self._base = f"{url.rstrip('/')}/organization/{quote(organization, safe='')}"
        self._app_key = app_key
        self._page_size = page_size
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self._client = client or Client()
        self._token = Token(
            self._client,
            token_url,
            client_id=client_id,
            client_secret=client_secret,
            organization=organization,
            clock=clock,
        )

    def apps(self, *, between: Callable[[], None] = unbothered) -> list[SeenApp]:
        """Every app of the organization, each once, deleted ones included; one unreadable app fails the list."""
        query = {"includeDeleted": "true", "sort": "Id"}
        found = [self._trusted(rows.app, item) for item in self._items("/apps", "the list of apps", query, between)]
        return list({app.external_id: app for app in found}.values())

    def versions(self, app: str) -> list[SeenVersion]:
        """The whole version history of *app*, oldest first, numbers without gaps."""
        path, what = f"/apps/{quote(app, safe='')}/versions", f"the list of versions of app {app}"
        known: dict[int, SeenVersion] = {}
        for item in self._items(path, what, {"sort": "Version"}):
            self._of_app(app, item, what)
            version = self._trusted(rows.version, item)
            if known.setdefault(version.number, version) != version:
                raise self._broken(f"{what} gives version {version.number} twice, differently")
        if not known or sorted(known) != list(range(1, len(known) + 1)):
            raise self._broken(f"{what} has gaps")
        return [known[number] for number in sorted(known)]

    def pages(
        self,
        app: str,
        marks: Mapping[int, Mark] = MappingProxyType({}),
        *,
        conditional: bool = False,
        span: Span = ALL,
    ) -> Iterator[Page]:
        """The connections of *app*, page by page; it ends without an error only after a complete walk of the *span*."""
        path = f"/apps/{quote(app, safe='')}/connections"
        query = self._query({"sort": "Id"})

        def fetch(number: int, mark: Mark | None) -> Body:
            return self._read(path, query | {"page": str(number)}, mark.etag if mark and conditional else None)

        return walk(fetch, marks, what=_connections_of(app), clock=self._clock, span=span)

    def check_whole(self, app: str, pages: Iterable[tuple[int, Mark, bool]]) -> bool:
        """Whether the listing of *app* grew or shrank while these pages were read; raises unless they are all of it."""
        return check_whole(pages, what=_connections_of(app))

    def decode(self, app: str, item: msgspec.Raw) -> SeenConnection:
        """The facts of one raw item; raises Rejected when it cannot be trusted, PermanentError when of another app."""
        self._of_app(app, item, _connections_of(app))
        return rows.connection(item)

    def feed(self, since: str | datetime) -> Iterator[FedPage]:
        """What changed in the connections of all apps after *since*, what is still under way included."""
        start = since if isinstance(since, str) else f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        query = {"pageSize": str(self._page_size), "includeRecentChanges": "true"}

        def fetch(begin: str) -> bytes:
            return self._read("/export/connections", query | {"from": begin}).content or b""

        return follow(fetch, start, what="the feed of connections", clock=self._clock)

    def close(self) -> None:
        """Let go of sockets."""
        self._client.close()

    def _items(
        self, path: str, what: str, query: Mapping[str, str], between: Callable[[], None] = unbothered
    ) -> Iterator[msgspec.Raw]:
        query = self._query(query)
        pages = walk(
            lambda number, _: self._read(path, query | {"page": str(number)}), {}, what=what, clock=self._clock
        )
        for page in pages:
            if page.is_recounted:
                # A part of these lists is of no use.
                raise TransientError(f"{what} changed while it was read", fault=Fault.PAGING)
            between()
            yield from page.items or ()

    def _query(self, query: Mapping[str, str]) -> dict[str, str]:
        return {**query, "pageSize": str(self._page_size), "includeTotal": "true"}

    def _read(self, path: str, query: Mapping[str, str], etag: str | None = None) -> Body:
        answer = self._patient(path, query, etag)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            # The token may have been withdrawn before its time; once is enough to know.
            self._token.forget()
            answer = self._patient(path, query, etag)
        if answer.status == HTTPStatus.NOT_MODIFIED and etag is not None:
            return Body(None, etag, answer.age, answer.date)
        if refusal := answer.refusal(retried=_RETRIED):
            raise refusal
        if answer.status != HTTPStatus.OK:
            raise self._broken(f"{answer.host} answered {answer.status} where a page was asked for")
        return Body(answer.json(), answer.etag, answer.age, answer.date)

    def _patient(self, path: str, query: Mapping[str, str], etag: str | None) -> Answer:
        """The answer; a failure of the portal's own that asks for no wait is given two more chances."""
        latest = self._clock() + _PATIENCE
        for average in _PAUSES:
            answer = self._ask(path, query, etag)
            if answer.status < HTTPStatus.INTERNAL_SERVER_ERROR or answer.retry_after is not None:
                return answer
            # Not all workers at once.
            pause = average * random.uniform(0.5, 1.5)  # noqa: S311 - a delay, no secret
            if self._clock() + pause > latest:
                return answer
            self._sleep(pause)
        return self._ask(path, query, etag)

    def _ask(self, path: str, query: Mapping[str, str], etag: str | None) -> Answer:
        headers = {
            "Authorization": f"Bearer {self._token.value()}",
            "ST-App-Key": self._app_key,
            "Accept": "application/json",
        }
        if etag is not None:
            headers["If-None-Match"] = etag
        self._pace()
        return self._client.get(self._base + path, params=query, headers=headers)

    def _of_app(self, app: str, item: msgspec.Raw, what: str) -> None:
        """Refuse a row of another app: one tenant's facts must never land on another's."""
        owner = rows.app_of(item)
        if owner not in {None, app}:
            text = f"source {self._name}: {what} holds rows of app {owner}"
            raise PermanentError(text, fault=Fault.SECURITY)

    def _trusted(self, decode: Callable[[msgspec.Raw], T], item: msgspec.Raw) -> T:
        try:
            return decode(item)
        except Rejected as rejected:
            raise self._broken(f"an app or a version cannot be read: {rejected.reason}") from None

    def _broken(self, how: str) -> PermanentError:
        return PermanentError(f"source {self._name}: {how}", fault=Fault.SCHEMA)


def _connections_of(app: str) -> str:
    return f"the list of connections of app {app}"
