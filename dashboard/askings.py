"""What operators ask the workers for: a poll now, a message once more. As dashboard.actions: all of it, or refused."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session as OrmSession

from dashboard.access import Caller, RefusedError
from dashboard.actions import actor
from models import Session, db_now
from models.audit import audited
from models.poll_soon import Soon, poll_app_soon, poll_source_soon
from models.queries.apps import is_app
from models.queries.message_lists import Message, one_message
from models.replay import against, replay


@dataclass(frozen=True, slots=True)
class Asked:
    """A poll that was asked for: the next tick begins it where a worker is free."""

    about: str  # an app as source:id, or a source
    rests_until: datetime | None  # nothing is asked of the portal before this; None: it begins with the next tick
    error: str | None  # why it rests


def poll_app_now(caller: Caller, app: str) -> Asked:
    """Let the app be polled as soon as may be."""
    with Session.begin() as session:
        if not caller.sees(app) or not is_app(session, app):
            raise RefusedError(404, "There is no such app.")
        now = db_now(session)
        return _asked(caller, session, app, poll_app_soon(session, app, now=now), now=now)


def poll_source_now(caller: Caller, source: str) -> Asked:
    """Let the source's list of apps be read as soon as may be, and all of them be polled."""
    with Session.begin() as session:
        now = db_now(session)
        soon = poll_source_soon(session, source, now=now) if caller.sees(source) else None
        if soon is None:
            raise RefusedError(404, "There is no such source.")
        return _asked(caller, session, source, soon, now=now)


def _asked(caller: Caller, session: OrmSession, about: str, soon: Soon | None, *, now: datetime) -> Asked:
    if soon is None:
        raise RefusedError(409, f"{about} is not polled: it was deleted, or its source is no longer in uptake.toml.")
    audited(session, actor(caller), "poll.wanted", about, now=now)
    return Asked(about, soon.rests_until, soon.error)


def replay_message(caller: Caller, notice_id: int, *, anyway: bool = False) -> int:
    """Queue the message once more, a reminder only while there is something to ask, or *anyway*; the new one's id."""
    with Session.begin() as session:
        seen_message(caller, session, notice_id)
        _refuse(session, notice_id, anyway=anyway)
        now = db_now(session)
        made = replay(session, notice_id, now=now, anyway=anyway)
        if made is None:
            raise RefusedError(409, f"Message {notice_id} waits to be sent since a moment ago: it goes out by itself.")
        audited(session, actor(caller), "notice.replayed", f"message {notice_id}", now=now, as_message=made)
        return made


def seen_message(caller: Caller, session: OrmSession, notice_id: int) -> Message:
    """The message, if the caller sees it; raises RefusedError."""
    found = one_message(session, notice_id)
    if found is None or not caller.sees(found.source):
        raise RefusedError(404, "There is no such message: it may be forgotten.")
    return found


def _refuse(session: OrmSession, notice_id: int, *, anyway: bool) -> None:
    """Say why the message is not sent once more, if so."""
    found = against(session, notice_id)
    if found is None:
        return
    if found.waits:
        raise RefusedError(409, f"Message {notice_id} is {found.waits}: it goes out by itself.")
    if found.out:
        whose = "has opted out of reminders" if found.out == "opted_out" else "is no contact of the tenant any more"
        raise RefusedError(409, f"Whom message {notice_id} is to {whose}, so it is not sent, not even anyway.")
    if found.over and not anyway:
        reason = found.over.replace("_", " ")
        raise RefusedError(409, f"There is nothing more to ask in message {notice_id}: {reason}. Ask for it `anyway`.")
