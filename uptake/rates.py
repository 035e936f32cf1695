"""How many messages somebody takes in a while, and so when the next ones may go out."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple


class Rate(NamedTuple):
    """At most so many in any such span."""

    most: int
    span: timedelta


def next_free(rate: Rate, used: Sequence[datetime], *, now: datetime) -> datetime:
    """When one more may go out after those at the moments *used*, in order: *now* or later."""
    full = used[-rate.most] + rate.span if len(used) >= rate.most else now
    return max(now, full, *used[-1:])


def free(rate: Rate, used: Sequence[datetime], *, now: datetime, until: datetime, most: int) -> list[datetime]:
    """The next moments at which one more may go out, *most* at most: *now*, and later ones before *until*."""
    taken = list(used)
    while len(taken) - len(used) < most:
        at = next_free(rate, taken, now=now)
        if at > now and at >= until:
            break
        taken.append(at)
    return taken[len(used) :]
