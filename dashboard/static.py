"""The files that pages bring along: read once, compressed once, and named by what is in them, so browsers keep them."""

import gzip
import importlib.resources
import mimetypes
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b

from fastapi import APIRouter, Request
from fastapi.responses import Response

from dashboard.access import OPEN, RefusedError

router = APIRouter(include_in_schema=False)
_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class File:
    """One file, as it is sent."""

    media_type: str
    body: bytes
    packed: bytes  # gzip
    mark: str  # of its content


def address(name: str) -> str:
    """Where the file *name* of dashboard/static is; another one as soon as its content is another."""
    return f"/static/{kept(name).mark}/{name}"


@router.get("/static/{mark}/{name:path}", dependencies=[OPEN])
def static(request: Request, mark: str, name: str) -> Response:
    """A file; kept for a year where the address names its content."""
    try:
        found = kept(name)
    except OSError:
        raise RefusedError(404, "There is no such file.") from None
    headers = {"Cache-Control": _YEAR if mark == found.mark else "no-cache", "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, media_type=found.media_type, headers=headers | {"Content-Encoding": "gzip"})
    return Response(found.body, media_type=found.media_type, headers=headers)


@cache
def kept(name: str) -> File:
    """The file *name* of dashboard/static; raises OSError for what is not there."""
    folder = importlib.resources.files("dashboard").joinpath("static")
    if name not in _NAMES:
        raise FileNotFoundError(name)
    body = folder.joinpath(name).read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return File(kind, body, gzip.compress(body, mtime=0), blake2b(body, digest_size=6).hexdigest())


# No path is put together from what somebody asked for.
_NAMES = frozenset(
    {
        "style.css",
        "icon.svg",
        "uptake.js",
        "charts.js",
        "vendor/htmx-4.0.1.min.js",
        "vendor/uplot-1.6.32.min.js",
        "vendor/uplot-1.6.32.min.css",
    }
)
