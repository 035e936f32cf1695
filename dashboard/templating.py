"""How every page is made from its template, and the few pages that say why there is no other."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import copysign
from urllib.parse import quote

from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from dashboard.figures import called, lasting
from dashboard.static import address
from dashboard.words import kind, percent, standing
from uptake.letter import clean
from uptake.wording import roughly


def _shown(value: object) -> object:
    """Text as a page may show it: a name brings no character that cannot be seen."""
    return value if type(value) is not str or value.isprintable() else clean(value, len(value))


_pages = Environment(
    loader=PackageLoader("dashboard"),
    autoescape=select_autoescape(default=True),
    undefined=StrictUndefined,
    finalize=_shown,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(template: str, **shown: object) -> str:
    """The *template* with what it shows."""
    return _pages.get_template(template).render(**shown)


def gone(*, behind: bool = False) -> Response:
    """What a browser shows while the database does not answer, or is *behind*; it tries again by itself."""
    return HTMLResponse(page("gone.html", now=None, title="No answer", behind=behind), 503)


def refused(status: int, title: str, headers: Mapping[str, str]) -> Response:
    """What a browser shows when somebody may not, or not now."""
    return HTMLResponse(page("refused.html", said=title, status=status), status, headers=dict(headers))


def _when(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"


def _ago(at: datetime | None, now: datetime) -> str:
    return "never" if at is None else f"{roughly(now - at)} ago"


def _span(span: timedelta) -> str:
    """How long, in the largest unit that it is a whole number of."""
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {unit}{'s' if seconds != size else ''}"
    return f"{seconds} s"


def _points(share: float | None) -> str:
    """A difference of shares, in whole points of a hundred: as with shares, no more than there are."""
    return "" if share is None else f"{int(share * 100 + copysign(1e-9, share)):+d}".replace("-", "\N{MINUS SIGN}")


def _size(octets: int) -> str:
    """Bytes, in their largest unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if octets < 1000:
            return f"{octets:,} {unit}"
        octets = round(octets / 1000)
    return f"{octets:,} TB"


def _number(value: float) -> str:
    return f"{value:,}"


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b %Y}"


def _key(key: str) -> str:
    """An app's or a tenant's key as a part of an address; the colon in it may stay."""
    return quote(key, safe="/:")


_pages.filters.update(key=_key, kind=kind, standing=standing)
_pages.filters.update(when=_when, ago=_ago, day=_day, span=_span, lasting=lasting, version=called)
_pages.filters.update(size=_size, percent=percent, points=_points, number=_number)
_pages.globals.update(static=address)
