"""Silences: for a while nobody hears of alerts that match."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy.orm import Session

from dashboard.access import Caller, Operator, Viewer
from dashboard.actions import add_silence, alter_silence, expire_silence, seen_silence
from dashboard.api.alerts import Comment, Moment
from dashboard.api.apps import TEXT
from dashboard.api.lists import Listing, Place, add_list, validated
from dashboard.reading import Reading
from models import db_now
from models.queries.silences import SilenceLine, SilenceState, silences_after
from models.quiet import Matchers

SilenceId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Pattern = Annotated[str, Field(min_length=1, max_length=1000, pattern=TEXT)]
Why = Annotated[Comment, Field(min_length=1)]
_LABEL = Annotated[str, Field(min_length=1, max_length=200, pattern=TEXT)]

router = APIRouter(tags=["silences"])
_ONE = TypeAdapter(SilenceLine)


def silences(
    caller: Viewer, state: Annotated[SilenceState | None, Query(description="Left out: all.")] = None
) -> Listing[SilenceLine]:
    """Silences, the newest first; who is limited to some sources sees those that are about these alone."""

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, SilenceLine]]:
        found = silences_after(
            session,
            now=db_now(session),
            state=state,
            sources=caller.sources,
            after=after and after[0],
            most=most,
        )
        return [((one.id,), one) for one in found]

    return Listing("silences", fetch, (int,))


def one_silence(caller: Viewer, session: Reading, request: Request, silence_id: SilenceId) -> Response:
    """One silence, be it over."""
    return validated(request, _read(caller, session, silence_id))


class NewSilence(BaseModel):
    """Which alerts nobody is to hear of, and for how long; * in a pattern stands for anything, and all must match."""

    model_config = ConfigDict(extra="forbid")

    source: Pattern = "*"
    app: Pattern = Field("*", description="As source:id.")
    tenant: Pattern = Field("*", description="By its id.")
    environment: Pattern = "*"
    kind: Pattern = "*"
    labels: dict[_LABEL, _LABEL] = Field(default_factory=dict, max_length=50, description="That the tenant has.")
    starts_at: Moment | None = Field(None, description="Left out: now.")
    ends_at: Moment
    comment: Why


class Changed(BaseModel):
    """What is to be otherwise; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    ends_at: Moment | None = None
    comment: Why | None = None


def make_silence(caller: Operator, session: Reading, wanted: NewSilence) -> Response:
    """Tell nobody of alerts that match, for a while; what still fires when it ends is told then."""
    patterns = wanted.model_dump(include={"source", "app", "tenant", "environment", "kind", "labels"})
    made = add_silence(
        caller, Matchers(**patterns), comment=wanted.comment, starts_at=wanted.starts_at, ends_at=wanted.ends_at
    )
    answer = _now(caller, session, made, status=201)
    answer.headers["Location"] = f"/api/v1/silences/{made}"
    return answer


def change_silence(caller: Operator, session: Reading, silence_id: SilenceId, wanted: Changed) -> Response:
    """Let a silence end sooner or later, or say otherwise why it is."""
    alter_silence(caller, silence_id, ends_at=wanted.ends_at, comment=wanted.comment)
    return _now(caller, session, silence_id)


def end_silence(caller: Operator, silence_id: SilenceId) -> Response:
    """End a silence now; what still fires is told. It stays in the list, as expired."""
    expire_silence(caller, silence_id)
    return Response(status_code=204)


def _now(caller: Caller, session: Session, silence_id: int, *, status: int = 200) -> Response:
    return Response(_read(caller, session, silence_id), status, media_type="application/json")


def _read(caller: Caller, session: Session, silence_id: int) -> bytes:
    return _ONE.dump_json(seen_silence(caller, session, silence_id, now=db_now(session)))


add_list(router, "/silences", silences, row=SilenceLine)
router.post("/silences", response_model=SilenceLine, status_code=201)(make_silence)
router.get("/silences/{silence_id}", response_model=SilenceLine)(one_silence)
router.patch("/silences/{silence_id}", response_model=SilenceLine)(change_silence)
router.delete("/silences/{silence_id}", status_code=204)(end_silence)
