"""How answers are written: JSON in one pass, times with seven fractional digits, pages, entity tags."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from fastapi import Response

_encode = msgspec.json.Encoder().encode


def stamp(instant: datetime | None) -> str | None:
    """*instant*, which is UTC, with seven fractional digits, as the platform prints times."""
    return None if instant is None else f"{instant.replace(tzinfo=None).isoformat(timespec='microseconds')}0Z"


def json_answer(body: Any, *, status: int = 200, etag: bool = False, location: str | None = None) -> Response:
    """*body* as JSON; with *etag*, tagged by what it says, so that equal representations have equal tags."""
    content = _encode(body)
    answer = Response(content, status_code=status, media_type="application/json")
    if etag:
        answer.headers["ETag"] = tag(content)
    if location is not None:
        answer.headers["Location"] = location
    return answer


def tag(content: bytes) -> str:
    """The weak entity tag of a representation."""
    return f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def names_tag(header: str, current: str) -> bool:
    """Whether an If-Match or If-None-Match *header* names *current*; all our tags are weak, so weakly compared."""
    given = {part.strip().removeprefix("W/") for part in header.split(",")}
    return "*" in given or current.removeprefix("W/") in given


def etag_of(body: Any) -> str:
    """The tag that `json_answer` gives to *body*."""
    return tag(_encode(body))


def page_answer(
    rows: Sequence[Any], *, page: int, page_size: int, has_more: bool, total: int | None = None
) -> Response:
    """One page of a list; `totalCount` only when it was asked for."""
    body: dict[str, Any] = {"page": page, "pageSize": page_size, "hasMore": has_more}
    if total is not None:
        body["totalCount"] = total
    body["data"] = rows
    return json_answer(body)


class SecretAnswer(Response):
    """An answer with a secret in it; *repeated* is the same without, for whoever asks again."""

    repeated: bytes


def secret_answer(body: dict[str, Any], **secret: str) -> Response:
    """201 with *body* and the one *secret* that is shown this once."""
    answer = SecretAnswer(_encode(body | secret), status_code=201, media_type="application/json")
    answer.headers["Cache-Control"] = "no-store"
    answer.repeated = _encode(body | dict.fromkeys(secret))
    return answer
