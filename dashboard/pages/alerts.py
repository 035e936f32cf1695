"""Alerts by app and kind, each with why it is, and what an operator does about some or all of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, get_args

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from dashboard.access import RefusedError
from dashboard.api.alerts import Meant, listed, wanted_by
from dashboard.api.lists import Page
from dashboard.chosen import mutes, muting
from dashboard.frame import Frame, Looking
from models.queries.alert_lists import AlertLine, State, WantedAlerts
from models.queries.alerts_alike import AlertsAlike, alerts_alike
from models.queries.app_names import app_names
from models.queries.silences import silences_after
from uptake.policy import AlertKind, Severity
from uptake.wording import KINDS

router = APIRouter()
SHOWN = 100
GROUPS = 200
STATES: tuple[tuple[State, str], ...] = (("firing", "Firing"), ("pending", "In grace"), ("resolved", "Over"))
LONG = 600
Word = Annotated[str, Field(max_length=300)]


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to show."""

    groups: Sequence[AlertsAlike] = ()
    group: str | None = None  # the one that is open
    rows: Page[AlertLine] | None = None


class Asked(BaseModel):
    """What the page was asked to show; what it does not know is as if it were not there."""

    model_config = ConfigDict(frozen=True)

    state: Word = "firing"
    severity: Word = ""
    kind: Word = ""
    app: Word = ""
    q: Word = ""
    quiet: Word = ""
    group: Annotated[str, Field(alias="open", max_length=LONG)] = ""
    after: Annotated[str, Field(max_length=1000)] = ""

    @property
    def meant(self) -> Meant:
        """The same as the API is asked for it."""
        asked = {
            "state": one_of(get_args(State), self.state) or "firing",
            "severity": one_of(Severity, self.severity),
            "kind": one_of(AlertKind, self.kind),
            "app": self.app.replace("\0", "") or None,
            "q": self.q.replace("\0", "").strip() or None,
            "quiet": one_of(("true", "false"), self.quiet),
        }
        return Meant.model_validate(asked)


def one_of(known: Iterable[str], word: str) -> str | None:
    """The *word* where it is a known one."""
    return word if word in set(known) else None


def of_group(wanted: WantedAlerts, key: str) -> WantedAlerts:
    """Of what is *wanted*, the alerts of one group, by its key."""
    about, _, kind = key.rpartition("/")
    if ":" in about:
        return replace(wanted, app=about, kind=kind)
    return replace(wanted, of_source=about, kind=kind)


@router.get("/alerts")
def all_alerts(frame: Looking, asked: Annotated[Asked, Query()]) -> Response:
    """What fires, is in grace or is over, and who is told of it."""
    meant, refusal = asked.meant, None
    try:
        found = _found(frame, asked, wanted_by(frame.caller, frame.session, meant))
    except RefusedError as refused:
        found, refusal = Found(), str(refused)
    return frame.page(
        "alerts.html",
        title="Alerts",
        place="/alerts",
        chosen=meant,
        is_narrowed=any((meant.severity, meant.kind, meant.app, meant.q, meant.quiet is not None)),
        found=found,
        refusal=refusal,
        most=GROUPS,
        apps=app_names(frame.session, sources=frame.caller.sources),
        states=STATES,
        severities=list(Severity),
        kinds=list(AlertKind),
        words=KINDS,
        mutes=muting(),
        silences=silences_after(frame.session, now=frame.now, state="active", sources=frame.caller.sources),
    )


def _found(frame: Frame, asked: Asked, wanted: WantedAlerts) -> Found:
    """The groups and the alerts of the one that is open; of what is over, the last ones. Raises RefusedError."""
    caller, session = frame.caller, frame.session
    if wanted.state == "resolved":
        return Found(rows=listed(caller, wanted).page(session, asked.after or None, SHOWN))
    groups = alerts_alike(session, wanted, now=frame.now, mutes=mutes(), sources=caller.sources, most=GROUPS)
    is_open = next((one.key for one in groups if one.key == asked.group or len(groups) == 1), None)
    if is_open is None:
        return Found(groups)
    rows = listed(caller, of_group(wanted, is_open)).page(session, asked.after or None, SHOWN)
    return Found(groups, is_open, rows)
