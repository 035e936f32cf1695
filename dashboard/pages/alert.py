"""One alert whole: why it is, every step of its life, who heard of it, and what an operator does about it."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import Response

from config.settings import SettingsError
from dashboard.chosen import mutes
from dashboard.discreet import discreet
from dashboard.frame import Frame, Looking
from dashboard.stories import told_of
from models.queries.alert_lists import AlertLine, heard_of, messages_about, one_alert, steps_of
from tasks.rules import rules
from tasks.story import rule_of
from uptake.policies import Who
from uptake.policy import AlertKind

router = APIRouter()
MESSAGES = 12
STEPS = {
    "pending": "Noticed; the grace period runs",
    "firing": "Fires",
    "escalated": "More severe",
    "eased": "Less severe",
    "acknowledged": "Acknowledged",
    "snoozed": "Snoozed",
    "unheld": "Acknowledgement or snooze taken back",
    "resolved": "Over",
}


@router.get("/alerts/{alert_id}")
def whole_alert(frame: Looking, alert_id: Annotated[int, Path(ge=1, le=2**63 - 1)]) -> Response:
    """One alert, be it over."""
    session = frame.session
    alert = one_alert(session, alert_id, now=frame.now, mutes=mutes())
    if alert is None or not frame.caller.sees(alert.source):
        return frame.missing(f"alert {alert_id}", title="No such alert", place="/alerts")
    return frame.page(
        "alert.html",
        title=f"Alert {alert_id}",
        place="/alerts",
        alert=alert,
        why=_why(frame, alert),
        steps=list(reversed(steps_of(session, alert_id))),
        step_words=STEPS,
        heard=heard_of(session, alert_id),
        messages=[discreet(frame.caller, one) for one in messages_about(session, alert_id, most=MESSAGES)],
    )


def _why(frame: Frame, alert: AlertLine) -> Sequence[str] | None:
    """By which rule there is such an alert now or none, as `uptake explain` says it; None: no file that can be used."""
    if alert.app is None:
        return []
    if alert.tenant is not None:
        return told_of(frame, alert.app, alert.tenant, environment=alert.environment)
    try:
        chosen = rules()
    except SettingsError:
        return None
    source, _, app = alert.app.partition(":")
    policy = chosen.policies.of(Who(source=source, app=app, environment=alert.environment or "production"))
    rule = rule_of(AlertKind(alert.kind), policy)
    return [rule] if rule else []
