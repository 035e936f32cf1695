"""Alerts: which are open or were, why, who heard what of each; and that somebody looks after one."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy.orm import Session

from dashboard.access import Caller, Operator, RefusedError, Viewer
from dashboard.actions import acknowledge_alert, seen_alert, snooze_alert, unhold_alert
from dashboard.api.apps import TEXT, Words, require
from dashboard.api.lists import Listing, Place, add_list, validated
from dashboard.api.tenants import AppName, TenantName, tenants_meant
from dashboard.chosen import mutes
from dashboard.discreet import discreet
from dashboard.reading import Reading
from models import db_now
from models.queries.alert_lists import (
    AlertLine,
    HeardRow,
    MessageAbout,
    State,
    StepRow,
    WantedAlerts,
    alerts_after,
    heard_of,
    messages_about,
    one_alert,
    steps_of,
)
from models.queries.tenant_lists import tenants_like
from uptake.policy import AlertKind, Severity

AlertId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Comment = Annotated[str, Field(max_length=2000, pattern=TEXT, description="Why, for whoever asks later.")]

MOST_LIKE = 2000  # tenants whose alerts are looked for at once


def foreseeable(at: datetime) -> datetime:
    """A time in UTC; raises ValueError for one that no calendar has an end to."""
    if not 1970 <= at.year < LAST_YEAR:
        raise ValueError("choose a time in the years that people plan in")
    return at.astimezone(UTC)


LAST_YEAR = 3000
Moment = Annotated[AwareDatetime, AfterValidator(foreseeable)]

router = APIRouter(tags=["alerts"])


@dataclass(frozen=True, slots=True)
class AlertInFull(AlertLine):
    """The same, with every step of its life, what each receiver heard last of it, and the messages that told of it."""

    steps: Sequence[StepRow]
    heard: Sequence[HeardRow]
    messages: Sequence[MessageAbout]


_IN_FULL = TypeAdapter(AlertInFull)


class Meant(BaseModel):
    """Which alerts are meant."""

    state: State = Field("firing", description="`open` is firing or pending; resolved ones come from the last on.")
    kind: AlertKind | None = None
    severity: Severity | None = None
    app: AppName = None
    tenant: TenantName = None
    environment: Words = None
    since: AwareDatetime | None = Field(None, description="Opened then, or later.")
    acknowledged: bool | None = Field(None, description="That somebody looks after, or nobody.")
    quiet: bool | None = Field(None, description="Acknowledged, snoozed, silenced, muted or inhibited now, or not.")
    q: Words = Field(None, description="About tenants with these letters in their name or id.")


def alerts(caller: Viewer, session: Reading, meant: Annotated[Meant, Query()]) -> Listing[AlertLine]:
    """Alerts, the most severe and oldest first: what each is about, and why nobody is told of it, if so."""
    return listed(caller, wanted_by(caller, session, meant))


def wanted_by(caller: Caller, session: Session, meant: Meant) -> WantedAlerts:
    """What is *meant*, where the caller may see it; raises RefusedError."""
    if meant.app is not None:
        require(caller, session, meant.app)
    return WantedAlerts(
        state=meant.state,
        kind=meant.kind,
        severity=meant.severity,
        app=meant.app,
        tenants=_like(caller, session, meant.q) if meant.q else tenants_meant(caller, session, meant.tenant),
        environment=meant.environment,
        since=meant.since,
        acknowledged=meant.acknowledged,
        quiet=meant.quiet,
    )


def listed(caller: Caller, wanted: WantedAlerts) -> Listing[AlertLine]:
    """Those of the alerts that are meant that the caller sees."""

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, AlertLine]]:
        return alerts_after(
            session, wanted, now=db_now(session), mutes=mutes(), sources=caller.sources, after=after, most=most
        )

    return Listing("alerts", fetch, (datetime, int) if wanted.state == "resolved" else (int, datetime, int))


def _like(caller: Caller, session: Session, letters: str) -> Sequence[int]:
    """Tenants with these letters; whoever means that many has to type more of them."""
    found = tenants_like(session, letters, sources=caller.sources, most=MOST_LIKE + 1)
    if len(found) > MOST_LIKE:
        raise RefusedError(422, f"More than {MOST_LIKE} tenants have {letters} in their name: ask for more letters.")
    return found


def alert(caller: Viewer, session: Reading, request: Request, alert_id: AlertId) -> Response:
    """One alert, be it over: why, every step of it, who heard of it and by which messages."""
    return validated(request, _in_full(caller, session, alert_id))


class Acknowledgement(BaseModel):
    """That somebody looks after an alert."""

    model_config = ConfigDict(extra="forbid")

    until: Moment | None = Field(None, description="Left out: until it is over, or more severe.")
    comment: Comment = ""


class Snooze(BaseModel):
    """That nobody is to hear of an alert for a while."""

    model_config = ConfigDict(extra="forbid")

    until: Moment
    comment: Comment = ""


def acknowledge(
    caller: Operator,
    session: Reading,
    alert_id: AlertId,
    said: Acknowledgement = Acknowledgement(),
) -> Response:
    """Look after an alert: no repeats, until it gets more severe. That it is over is told."""
    acknowledge_alert(caller, alert_id, until=said.until, comment=said.comment)
    return _now(caller, session, alert_id)


def snooze(caller: Operator, session: Reading, alert_id: AlertId, said: Snooze) -> Response:
    """Tell nobody of an alert for a while, however severe it gets. That it is over is told."""
    snooze_alert(caller, alert_id, until=said.until, comment=said.comment)
    return _now(caller, session, alert_id)


def take_back(caller: Operator, session: Reading, alert_id: AlertId) -> Response:
    """Take acknowledgement and snooze of an alert back; it is told of again."""
    unhold_alert(caller, alert_id)
    return _now(caller, session, alert_id)


def _now(caller: Caller, session: Session, alert_id: int) -> Response:
    return Response(_in_full(caller, session, alert_id), media_type="application/json")


def _in_full(caller: Caller, session: Session, alert_id: int) -> bytes:
    now = db_now(session)
    seen_alert(caller, session, alert_id, now=now)
    found = one_alert(session, alert_id, now=now, mutes=mutes())
    known = {one.name: getattr(found, one.name) for one in fields(AlertLine)}
    whole = AlertInFull(
        **known,
        steps=steps_of(session, alert_id),
        heard=heard_of(session, alert_id),
        messages=[discreet(caller, one) for one in messages_about(session, alert_id)],
    )
    return _IN_FULL.dump_json(whole)


add_list(router, "/alerts", alerts, row=AlertLine)
router.get("/alerts/{alert_id}", response_model=AlertInFull)(alert)
router.post("/alerts/{alert_id}/acknowledge", response_model=AlertInFull)(acknowledge)
router.post("/alerts/{alert_id}/snooze", response_model=AlertInFull)(snooze)
router.delete("/alerts/{alert_id}/acknowledge", response_model=AlertInFull, operation_id="take_back_acknowledgement")(
    take_back
)
router.delete("/alerts/{alert_id}/snooze", response_model=AlertInFull, operation_id="take_back_snooze")(take_back)
