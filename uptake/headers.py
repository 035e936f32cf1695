"""What the headers of an answer say, as far as it can be read; anybody may have written them."""

import functools
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]{1,200}"')
_SECONDS = re.compile(r"\s*([0-9]{1,30})\s*(?:,|$)", re.ASCII)
_OLDEST = 2**31
_LEAST_WAIT, _MOST_WAIT = timedelta(seconds=1), timedelta(hours=1)


def joined(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by their names in small letters; of one that comes several times the values, with commas between."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers


def allowance_in(headers: Mapping[str, str]) -> float:
    """The seconds for which a server that counts our requests allows no more of them."""
    for kind in ("ratelimit", "x-ratelimit"):
        if headers.get(f"{kind}-remaining", "").strip() == "0":
            reset = headers.get(f"{kind}-reset", "").strip()
            # Longer numbers are instants by some clock.
            return float(reset) if re.fullmatch(r"[0-9]{1,4}", reset, re.ASCII) else 1.0
    return 0.0


def retry_after(values: list[str], date: str | None) -> timedelta | None:
    """The wait that Retry-After asks for, within 1 s to 1 h; None when it asks for none that can be read.

    A date counts from the answer's own *date*: our clock may differ from the other side's.
    """
    if len(values) != 1:
        return None
    value = values[0].strip()
    if re.fullmatch(r"[0-9]+", value):
        # Twenty digits are no number of seconds that a timedelta could hold.
        return clamped(timedelta(seconds=int(value))) if len(value) < 8 else _MOST_WAIT
    until, since = http_date(value), http_date(date or "")
    return None if until is None or since is None else clamped(until - since)


def entity_tag(value: str) -> str | None:
    """The tag as it may be sent back; None when there is none, or none that we would keep."""
    return value if _ENTITY_TAG.fullmatch(value) else None


def age(value: str) -> timedelta | None:
    """How long ago the answer left its source, by the caches it came through; None when they do not say."""
    found = _SECONDS.match(value)
    # Whatever is longer than this has to be read as "very old", and still be a timedelta.
    return timedelta(seconds=min(int(found[1]), _OLDEST)) if found else None


def clamped(wait: timedelta) -> timedelta:
    """*wait*, within what is sensible: 1 s to 1 h."""
    return max(_LEAST_WAIT, min(wait, _MOST_WAIT))


# Told to the second, and so the same for many answers in a row.
@functools.lru_cache(maxsize=16)
def http_date(text: str) -> datetime | None:
    """The instant that *text* tells; None when it tells none."""
    try:
        read = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    # The zone -0000 is read as no zone at all.
    return read if read.tzinfo else read.replace(tzinfo=UTC)
