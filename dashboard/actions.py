"""What operators do, by a page or the API: each in one transaction with its line in the audit trail, or not at all.

Whatever a caller does not see is not there for them; what cannot be done is refused in words (RefusedError).
"""

from datetime import datetime

from sqlalchemy.orm import Session as OrmSession

from dashboard.access import Caller, RefusedError
from dashboard.chosen import chosen
from dashboard.holding import How, hold_in
from models import Session, db_now
from models.audit import Actor, audited
from models.groups import arouse_all
from models.queries.alert_lists import AlertLine, one_alert
from models.queries.silences import SilenceLine, silences_after
from models.quiet import Matchers, change_silence, end_silence, silence
from uptake.mutes import strange_kind


def acknowledge_alert(caller: Caller, alert_id: int, *, until: datetime | None, comment: str) -> None:
    """The caller looks after the alert: no more is told of it *until* then, or until it gets more severe."""
    _hold(caller, alert_id, "acknowledged", until=until, comment=comment)


def snooze_alert(caller: Caller, alert_id: int, *, until: datetime, comment: str) -> None:
    """Nothing is told of the alert *until* then, however severe it gets."""
    _hold(caller, alert_id, "snoozed", until=until, comment=comment)


def unhold_alert(caller: Caller, alert_id: int) -> None:
    """Take acknowledgement and snooze of the alert back."""
    _hold(caller, alert_id, "taken_back")


def _hold(caller: Caller, alert_id: int, how: How, *, until: datetime | None = None, comment: str = "") -> None:
    with Session.begin() as session:
        found = seen_alert(caller, session, alert_id, now=db_now(session))
        if found.state != "firing":
            raise RefusedError(409, f"Alert {alert_id} is {found.state}: this is for alerts that fire.")
        hold_in(session, caller, how, [alert_id], until=until, comment=comment)


def seen_alert(caller: Caller, session: OrmSession, alert_id: int, *, now: datetime) -> AlertLine:
    """The alert, if the caller sees it; raises RefusedError."""
    found = one_alert(session, alert_id, now=now)
    if found is None or not caller.sees(found.source):
        raise RefusedError(404, "There is no such alert.")
    return found


def add_silence(
    caller: Caller, matchers: Matchers, *, comment: str, starts_at: datetime | None, ends_at: datetime
) -> int:
    """Tell nobody of alerts that match from *starts_at* (now) until *ends_at*; the silence's id."""
    if caller.sources is not None and not _is_of(matchers, caller):
        raise RefusedError(
            403, f"You see {', '.join(sorted(caller.sources))} only: silence alerts of one source of it."
        )
    if wrong := strange_kind(matchers.kind):
        raise RefusedError(422, wrong)
    with Session.begin() as session:
        now = db_now(session)
        begins = starts_at or now
        if ends_at <= max(begins, now):
            raise RefusedError(
                422, "That silence would be over before it begins, or is over already: let it end later."
            )
        made = silence(
            session, matchers, author=caller.name, comment=comment, starts_at=begins, ends_at=ends_at, now=now
        )
        (row,) = silences_after(session, now=now, silence_id=made)
        _note_silence(caller, session, "added", made, now=now, of=row.of, until=ends_at.isoformat())
        return made


def alter_silence(caller: Caller, silence_id: int, *, ends_at: datetime | None, comment: str | None) -> None:
    """Let the silence end then, or say otherwise why it is."""
    policies = chosen().policies
    with Session.begin() as session:
        now = db_now(session)
        _seen_unended(caller, session, silence_id, now=now)
        _require_ahead(ends_at, now=now)
        change_silence(session, silence_id, ends_at=ends_at, comment=comment, now=now)
        arouse_all(session, policies, now=now)
        until = ends_at.isoformat() if ends_at else None
        _note_silence(caller, session, "changed", silence_id, now=now, until=until)


def expire_silence(caller: Caller, silence_id: int) -> None:
    """End the silence now; what still fires is told."""
    policies = chosen().policies
    with Session.begin() as session:
        now = db_now(session)
        _seen_unended(caller, session, silence_id, now=now)
        end_silence(session, silence_id, now=now)
        arouse_all(session, policies, now=now)
        _note_silence(caller, session, "ended", silence_id, now=now)


def seen_silence(caller: Caller, session: OrmSession, silence_id: int, *, now: datetime) -> SilenceLine:
    """The silence, if the caller sees it; raises RefusedError."""
    found = silences_after(session, now=now, silence_id=silence_id, sources=caller.sources)
    if not found:
        raise RefusedError(404, "There is no such silence.")
    return found[0]


def _seen_unended(caller: Caller, session: OrmSession, silence_id: int, *, now: datetime) -> None:
    if seen_silence(caller, session, silence_id, now=now).state == "expired":
        raise RefusedError(409, f"Silence {silence_id} is over: make another one.")


def _is_of(matchers: Matchers, caller: Caller) -> bool:
    """Whether they can match alerts of the caller's sources alone."""
    source, colon, _ = matchers.app.partition(":")
    return caller.sees(matchers.source) or (bool(colon) and caller.sees(source))


def _note_silence(
    caller: Caller, session: OrmSession, done: str, silence_id: int, *, now: datetime, **more: str | None
) -> None:
    audited(session, actor(caller), f"silence.{done}", f"silence {silence_id}", now=now, **more)


def _require_ahead(until: datetime | None, *, now: datetime) -> None:
    if until is not None and until <= now:
        raise RefusedError(422, "That time is over already: choose a later one.")


def actor(caller: Caller) -> Actor:
    """The caller, as the audit trail has them."""
    return Actor(caller.name, caller.by_way_of)
