"""What operators do from the pages of alerts: acknowledge, snooze, and take it back, for one or a whole group."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session as OrmSession

from dashboard.access import Caller, Operator, RefusedError
from dashboard.api.alerts import foreseeable, wanted_by
from dashboard.frame import done
from dashboard.holding import How, all_of, hold
from dashboard.pages.alerts import Asked, of_group
from models import Session, db_now

router = APIRouter()
HOME = "/alerts"
SPANS = {"snooze_hour": timedelta(hours=1), "snooze_day": timedelta(days=1), "snooze_week": timedelta(days=7)}
_HOW: dict[str, How] = {"acknowledge": "acknowledged", "take_back": "taken_back", "snooze": "snoozed"}
Text = Annotated[str, Field(max_length=2000)]


class Held(BaseModel):
    """The form: what to do, to which alerts, until when and why."""

    what: str = Field(max_length=20)
    alert: list[Annotated[int, Field(ge=1, le=2**63 - 1)]] = Field([], max_length=2000)
    whom: Text = "ticked"
    group: Text = ""
    severity: Text = ""  # the filters, as they were
    q: Text = ""
    quiet: Text = ""
    until: Text = ""
    comment: Text = ""
    back: Text = HOME

    @property
    def filters(self) -> dict[str, str]:
        """By what all of the group are meant."""
        filters = {name: clear(getattr(self, name)) for name in ("group", "severity", "q", "quiet")}
        return {name: value for name, value in filters.items() if value}


@router.post("/alerts/hold")
def hold_alerts(caller: Operator, form: Annotated[Held, Form()]) -> Response:
    """Do it to the ticked alerts, or to all of the group that the filters leave."""
    how = _HOW.get(form.what.partition("_until")[0] if form.what not in SPANS else "snooze")
    if how is None:
        raise RefusedError(422, "Say what to do: acknowledge, snooze or take it back.")
    # What is read is read to its end, before anything is written.
    with Session() as session:
        now = db_now(session)
        meant = _all(caller, session, form, now=now) if form.whom == "all" else form.alert
    back = local(form.back)
    if not meant:
        return done("nothing_ticked", back)
    until = now + SPANS[form.what] if form.what in SPANS else moment(form.until) if how != "taken_back" else None
    if how == "snoozed" and until is None:
        return done("no_end", back)
    by = form.filters if form.whom == "all" else {}
    hold(caller, how, meant, until=until, comment=clear(form.comment), meant_by=by)
    return done(how, back)


def _all(caller: Caller, session: OrmSession, form: Held, *, now: datetime) -> Sequence[int]:
    asked = Asked(severity=form.severity, q=form.q, quiet=form.quiet)
    wanted = of_group(wanted_by(caller, session, asked.meant), clear(form.group))
    if wanted.app is not None and not caller.sees(wanted.app):
        return ()
    return all_of(caller, session, wanted, now=now)


def moment(written: str) -> datetime | None:
    """What a field for a date and a time says, in UTC; raises RefusedError."""
    if not written.strip():
        return None
    try:
        at = datetime.fromisoformat(written.strip())
        return foreseeable(at if at.tzinfo else at.replace(tzinfo=UTC))
    except ValueError:
        raise RefusedError(
            422, "That is no date and time that people plan in: write it like 2026-03-01T09:00, in UTC."
        ) from None


def clear(written: str) -> str:
    """Text as PostgreSQL can hold it."""
    return written.replace("\0", "").strip()


def local(back: str) -> str:
    """Where to go back to, which is a page of alerts and nowhere else."""
    return back if back == HOME or back.startswith((f"{HOME}?", f"{HOME}/")) else HOME
