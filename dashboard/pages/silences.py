"""Silences: which hold, will or did, and making, lengthening and ending them."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query
from fastapi.responses import Response
from pydantic import BaseModel, Field

from dashboard.access import Operator, RefusedError
from dashboard.actions import add_silence, alter_silence, expire_silence
from dashboard.api.silences import silences as listed
from dashboard.frame import Looking, done
from dashboard.pages.holding import Text, clear, moment
from models.queries.silences import SilenceState
from models.quiet import Matchers
from uptake.policy import AlertKind

router = APIRouter()
HERE = "/alerts/silences"
SHOWN = 100
STATES: tuple[tuple[SilenceState, str], ...] = (
    ("active", "Hold now"),
    ("pending", "Will hold"),
    ("expired", "Are over"),
)
Pattern = Annotated[str, Field(max_length=1000)]
SilenceId = Annotated[int, Path(ge=1, le=2**63 - 1)]


class Patterns(BaseModel):
    """Which alerts are meant; in each, * stands for anything."""

    source: Pattern = "*"
    app: Pattern = "*"
    tenant: Pattern = "*"
    environment: Pattern = "*"
    kind: Pattern = "*"

    @property
    def named(self) -> dict[str, str]:
        """Each by its name."""
        return {name: clear(getattr(self, name)) or "*" for name in Patterns.model_fields}


class Asked(Patterns):
    """Which silences to show, and what the form for another one is filled in with."""

    state: Pattern = "active"
    after: Pattern = ""


class Made(Patterns):
    """The form of a new one."""

    comment: Text
    until: Text
    labels: Pattern = ""
    starts: Text = ""


@router.get(HERE)
def all_silences(frame: Looking, asked: Annotated[Asked, Query()]) -> Response:
    """Those in one state, and a form for another one, filled in with what the address says."""
    state: SilenceState = next((name for name, _ in STATES if name == asked.state), "active")
    return frame.page(
        "silences.html",
        title="Silences",
        place="/alerts",
        found=listed(frame.caller, state).page(frame.session, asked.after or None, SHOWN),
        state=state,
        states=STATES,
        kinds=list(AlertKind),
        filled=asked.named,
        is_asked=any(word != "*" for word in asked.named.values()),
        until=frame.now + timedelta(days=1),
    )


@router.post(HERE)
def make_silence(caller: Operator, form: Annotated[Made, Form()]) -> Response:
    """Tell nobody of alerts that match, until then."""
    ends_at, why = moment(form.until), clear(form.comment)
    if ends_at is None or not why:
        raise RefusedError(422, "Say until when, and why: others will ask.")
    matchers = Matchers(**form.named, labels=_labels(clear(form.labels)))
    add_silence(caller, matchers, comment=why, starts_at=moment(form.starts), ends_at=ends_at)
    return done("silenced", HERE)


class Altered(BaseModel):
    """The form by which one is changed."""

    what: Text
    until: Text = ""


@router.post(HERE + "/{silence_id}")
def alter(caller: Operator, silence_id: SilenceId, form: Annotated[Altered, Form()]) -> Response:
    """End it now, or let it end at another time."""
    if form.what == "end":
        expire_silence(caller, silence_id)
        return done("silence_ended", HERE)
    ends_at = moment(form.until)
    if ends_at is None:
        raise RefusedError(422, "Say until when it is to hold.")
    alter_silence(caller, silence_id, ends_at=ends_at, comment=None)
    return done("silence_changed", HERE)


def _labels(written: str) -> dict[str, str]:
    """What name=value, name=value says; raises RefusedError."""
    found = {}
    for pair in filter(None, map(str.strip, written.split(","))):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not (name and equals and value):
            raise RefusedError(422, f"{pair} is no label: write name=value, such as tier=gold.")
        found[name] = value
    return found
