"""Reminders and messages: whose turn is next, what was sent to whom, and one message once more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from sqlalchemy.orm import Session

from dashboard.access import Caller, Operator, Viewer
from dashboard.api.apps import Words, require
from dashboard.api.lists import Listing, Place, add_list, validated
from dashboard.api.tenants import AppName, TenantName, tenants_meant
from dashboard.askings import replay_message, seen_message
from dashboard.discreet import discreet, discreet_in_full
from dashboard.reading import Reading
from models import db_now
from models.queries.message_lists import (
    Message,
    MessageKind,
    MessageLine,
    MessageState,
    WantedMessages,
    messages_before,
)
from models.queries.reminder_lists import Thread, ThreadState, WantedThreads, threads_after

NoticeId = Annotated[int, Path(ge=1, le=2**63 - 1)]

router = APIRouter(tags=["messages"])
_MESSAGE = TypeAdapter(Message)


class MeantThreads(BaseModel):
    """Which threads of reminders are meant."""

    state: ThreadState = Field("open", description="Open ones come by when they are due, stopped ones from the newest.")
    app: AppName = None
    tenant: TenantName = None
    due: bool = Field(False, description="Only those whose turn has come.")


def reminders(caller: Viewer, session: Reading, meant: Annotated[MeantThreads, Query()]) -> Listing[Thread]:
    """The threads of reminders, one for each tenant, app and environment: whose turn is next, and why others wait."""
    wanted = WantedThreads(
        state=meant.state,
        app=_seen_app(caller, session, meant.app),
        tenants=tenants_meant(caller, session, meant.tenant),
        until=db_now(session) if meant.due else None,
    )

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, Thread]]:
        return threads_after(session, wanted, sources=caller.sources, after=after, most=most)

    return Listing("reminders", fetch, (datetime, int) if meant.state == "open" else (int,))


class MeantMessages(BaseModel):
    """Which messages are meant."""

    kind: MessageKind | None = None
    receiver: Words = None
    state: MessageState | None = None
    app: AppName = None
    tenant: TenantName = Field(None, description="Reminders to this tenant, as source:id or by its id.")


def notices(caller: Viewer, session: Reading, meant: Annotated[MeantMessages, Query()]) -> Listing[MessageLine]:
    """What was sent to whom, why, and what became of it, the newest first; operators are told addresses and answers."""
    wanted = WantedMessages(
        kind=meant.kind,
        receiver=meant.receiver,
        state=meant.state,
        app=_seen_app(caller, session, meant.app),
        tenants=tenants_meant(caller, session, meant.tenant),
    )

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, MessageLine]]:
        found = messages_before(session, wanted, sources=caller.sources, before=after and after[0], most=most)
        return [((one.id,), discreet(caller, one)) for one in found]

    return Listing("notices", fetch, (int,))


def one_notice(caller: Viewer, session: Reading, request: Request, notice_id: NoticeId) -> Response:
    """One message with every try to send it; operators are told to whom, each answer, and what a reminder says."""
    found = seen_message(caller, session, notice_id)
    return validated(request, _MESSAGE.dump_json(discreet_in_full(caller, found)))


class Once(BaseModel):
    """That a message is to be sent once more."""

    model_config = ConfigDict(extra="forbid")

    anyway: bool = Field(False, description="Also a reminder in which there is nothing more to ask.")


@dataclass(frozen=True, slots=True)
class Replayed:
    """The message that was queued, and of which it is the same."""

    id: int
    replay_of: int


def replay_notice(caller: Operator, notice_id: NoticeId, how: Once = Once()) -> Replayed:
    """Send a message once more, as it was; a reminder only while its tenants lag, and in their working hours."""
    return Replayed(replay_message(caller, notice_id, anyway=how.anyway), notice_id)


def _seen_app(caller: Caller, session: Session, app: str | None) -> str | None:
    if app is not None:
        require(caller, session, app)
    return app


add_list(router, "/reminders", reminders, row=Thread)
add_list(router, "/notices", notices, row=MessageLine)
router.get("/notices/{notice_id}", response_model=Message)(one_notice)
router.post("/notices/{notice_id}/replay", status_code=202)(replay_notice)
