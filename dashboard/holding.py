"""What operators do to one alert or to many at once: in one transaction, with one line in the trail, or not at all."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Literal

from sqlalchemy.orm import Session as OrmSession

from dashboard.access import Caller, RefusedError
from dashboard.chosen import chosen, mutes
from models import Session, db_now
from models.audit import Actor, audited
from models.groups import arouse
from models.queries.alert_lists import WantedAlerts, alerts_after
from models.queries.alerts_alike import firing
from models.quiet import acknowledge, snooze, unhold

How = Literal["acknowledged", "snoozed", "taken_back"]
AT_ONCE = 1000
NAMED = 3  # alerts, in the audit trail's own words


def hold(
    caller: Caller,
    how: How,
    alerts: Sequence[int],
    *,
    until: datetime | None = None,
    comment: str = "",
    meant_by: Mapping[str, str] = MappingProxyType({}),
) -> Sequence[int]:
    """Do it to those of the *alerts* that fire and that the caller sees; which these are. Raises RefusedError.

    That they are acknowledged or snoozed ends *until* then; a snooze has to end. Of alerts *meant_by* a
    filter, the trail has that and how many they were, and not each.
    """
    with Session.begin() as session:
        return hold_in(session, caller, how, alerts, until=until, comment=comment, meant_by=meant_by)


def hold_in(
    session: OrmSession,
    caller: Caller,
    how: How,
    alerts: Sequence[int],
    *,
    until: datetime | None = None,
    comment: str = "",
    meant_by: Mapping[str, str] = MappingProxyType({}),
) -> Sequence[int]:
    """The same within a transaction that the caller has begun, and as its last step: the trail is written."""
    policies, now = chosen().policies, db_now(session)
    if until is not None and until <= now:
        raise RefusedError(422, "That time is over already: choose a later one.")
    meant = firing(session, alerts, sources=caller.sources)
    held = _held(session, how, sorted(meant), caller.name, comment, until, now)
    if not held:
        raise RefusedError(409, "None of these alerts fires any more: look at the list again.")
    apps = {meant[one] for one in held}
    if of_apps := [app for app in apps if app is not None]:
        arouse(session, policies, now=now, apps=of_apps)
    if None in apps:
        arouse(session, policies, now=now)
    which = {"meant_by": dict(meant_by), "count": len(held)} if meant_by else {"alerts": list(held)}
    _note(session, caller, how, held, now=now, until=until and until.isoformat(), comment=comment or None, **which)
    return held


def _note(session: OrmSession, caller: Caller, how: How, held: Sequence[int], *, now: datetime, **more: object) -> None:
    audited(session, Actor(caller.name, caller.by_way_of), f"alert.{how}", _named(held), now=now, **more)


def _held(
    session: OrmSession,
    how: How,
    alerts: Sequence[int],
    author: str,
    comment: str,
    until: datetime | None,
    now: datetime,
) -> Sequence[int]:
    if how == "taken_back":
        return unhold(session, alerts, author=author, now=now)
    if how == "acknowledged":
        return acknowledge(session, alerts, author=author, comment=comment, until=until, now=now)
    if until is None:
        raise RefusedError(422, "Say until when.")
    return snooze(session, alerts, author=author, comment=comment, until=until, now=now)


def all_of(caller: Caller, session: OrmSession, wanted: WantedAlerts, *, now: datetime) -> Sequence[int]:
    """The ids of all alerts that are meant and that the caller sees; raises RefusedError for more than AT_ONCE."""
    found = alerts_after(session, wanted, now=now, mutes=mutes(), sources=caller.sources, most=AT_ONCE + 1)
    if len(found) > AT_ONCE:
        raise RefusedError(
            422, f"These are more than {AT_ONCE:,} alerts: silence the app or the kind of alert, or narrow them down."
        )
    return [one.id for _, one in found]


def _named(alerts: Sequence[int]) -> str:
    if len(alerts) == 1:
        return f"alert {alerts[0]}"
    more = f" and {len(alerts) - NAMED} more" if len(alerts) > NAMED else ""
    return f"alerts {', '.join(map(str, alerts[:NAMED]))}{more}"
