"""What was sent to whom and what became of it; and the threads of reminders: whose turn is next, why others wait."""

from typing import Annotated, get_args

from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from dashboard.access import RefusedError
from dashboard.api.messages import MeantMessages, MeantThreads, notices, reminders
from dashboard.chosen import receivers
from dashboard.frame import Looking
from dashboard.pages.alerts import one_of
from models.queries.app_names import app_names
from models.queries.message_lists import MessageKind, MessageState
from models.queries.reminder_lists import ThreadState

router = APIRouter()
PLACE = "/messages"
SHOWN = 50
KINDS = {"reminder": "Reminders", "alert": "About alerts", "other": "Others"}
Word = Annotated[str, Field(max_length=300)]


class Asked(BaseModel):
    """What the page was asked to show; what it does not know is as if it were not there."""

    model_config = ConfigDict(frozen=True)

    kind: Word = ""
    receiver: Word = ""
    state: Word = ""
    app: Word = ""
    tenant: Word = ""
    due: bool = False
    after: Annotated[str, Field(max_length=1000)] = ""

    def word(self, name: str) -> str | None:
        """What was asked for by *name*, as the database can hold it."""
        value: str = getattr(self, name)
        return value.replace("\0", "").strip() or None


@router.get("/messages")
def all_messages(frame: Looking, asked: Annotated[Asked, Query()]) -> Response:
    """The messages, the newest first."""
    meant = MeantMessages(
        kind=one_of(get_args(MessageKind), asked.kind),
        state=one_of(get_args(MessageState), asked.state),
        receiver=asked.word("receiver"),
        app=asked.word("app"),
        tenant=asked.word("tenant"),
    )
    found, refusal = None, None
    try:
        found = notices(frame.caller, frame.session, meant).page(frame.session, asked.after or None, SHOWN)
    except RefusedError as refused:
        refusal = str(refused)
    return frame.page(
        "messages.html",
        title="Messages",
        place=PLACE,
        chosen=meant,
        is_narrowed=any(meant.model_dump().values()),
        found=found,
        refusal=refusal,
        after=asked.after,
        kinds=KINDS,
        states=get_args(MessageState),
        receivers=receivers(),
        apps=app_names(frame.session, sources=frame.caller.sources),
    )


@router.get("/messages/reminders")
def all_reminders(frame: Looking, asked: Annotated[Asked, Query()]) -> Response:
    """The threads of reminders, those that are due next before the others."""
    meant = MeantThreads(
        state=one_of(get_args(ThreadState), asked.state) or "open",
        app=asked.word("app"),
        tenant=asked.word("tenant"),
        due=asked.due,
    )
    found, refusal = None, None
    try:
        found = reminders(frame.caller, frame.session, meant).page(frame.session, asked.after or None, SHOWN)
    except RefusedError as refused:
        refusal = str(refused)
    return frame.page(
        "reminders.html",
        title="Reminders",
        place=PLACE,
        chosen=meant,
        is_narrowed=bool(meant.app or meant.tenant or meant.due),
        found=found,
        refusal=refusal,
        after=asked.after,
        apps=app_names(frame.session, sources=frame.caller.sources),
    )
