"""The demo's hand on the clock; this part is served with `--demo-clock` only."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import Field

from portal.answers import json_answer, stamp
from portal.fields import Body, Instant

router = APIRouter(prefix="/demo/clock", tags=["demo"])


class Setting(Body):
    """The time it shall be; null is real time again."""

    # Far from both ends of the calendar, for times before and after it are reckoned.
    now: Annotated[Instant, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9000, 1, 1, tzinfo=UTC))] | None


@router.get("")
async def read(request: Request) -> Response:
    """What business time it is."""
    return json_answer({"now": stamp(request.app.state.clock.now())})


@router.put("")
async def change(request: Request, body: Setting) -> Response:
    """Stand still at an instant, or go with real time again; tokens expire by real time all the same."""
    request.app.state.clock.set(body.now)
    return json_answer({"now": stamp(request.app.state.clock.now())})
