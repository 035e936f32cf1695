"""The floor: reading the same pages with the same client, and decoding every row, without remembering anything."""

from collections.abc import Callable, Iterator
from datetime import datetime

import httpx
import msgspec


class _Shape(msgspec.Struct, rename="camel", gc=False):
    """A JSON object."""


class _Owner(_Shape):
    kind: str
    id: str
    name: str


class _Secret(_Shape):
    id: int
    value_prefix: str
    created_on: datetime


class _Connection(_Shape):
    """All that the contract documents of a connection."""

    id: int
    app_id: int
    resource_owner: _Owner
    environment: str
    status: str
    enabled: bool
    version: int | None
    latest_version: int
    scopes: list[str]
    client_id: str | None
    client_secrets: list[_Secret]
    allowed_on: datetime | None
    version_accepted_on: datetime | None
    version_accepted_by: str | None
    created_on: datetime
    modified_on: datetime
    revision: int


class _Page(_Shape):
    page: int
    page_size: int
    has_more: bool
    total_count: int
    data: list[_Connection]


_decode = msgspec.json.Decoder(_Page).decode


def fetch(*, url: str, apps: list[str], page: int) -> Callable[[], int]:
    """Read all pages of all apps; how many bytes."""
    client = _client()
    return lambda: sum(len(body) for app in apps for body in _bodies(client, url, app, page))


def decode(*, url: str, apps: list[str], page: int) -> Callable[[], int]:
    """Read all pages of all apps and decode them whole; how many rows."""
    client = _client()
    return lambda: sum(len(_decode(body).data) for app in apps for body in _bodies(client, url, app, page))


def _client() -> httpx.Client:
    return httpx.Client(
        headers={
            "Accept-Encoding": "identity",
            "Accept": "application/json",
            "Authorization": "Bearer at1.bench",
            "ST-App-Key": "secret",
        },
        trust_env=False,
    )


def _bodies(client: httpx.Client, url: str, app: str, size: int) -> Iterator[bytes]:
    number = 0
    more = True
    while more:
        number += 1
        answer = client.get(
            f"{url}/portal/v2/organization/1001/apps/{app}/connections",
            params={"sort": "Id", "pageSize": str(size), "includeTotal": "true", "page": str(number)},
        )
        answer.raise_for_status()
        body = answer.content
        # The envelope comes first; to know the end takes no decoding.
        more = b'"hasMore":true' in body[:100]
        yield body
