"""What was sent to whom in pages, and one message in full."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

from models.queries.app_names import APP_ID

MessageKind = Literal["reminder", "alert", "other"]
MessageState = Literal["due", "sending", "sent", "failed", "cancelled"]

# The source that the notice *n* is about, and so who sees it; none: it is about several, or about Uptake itself.
SOURCE_OF = """coalesce(n.source_id, (SELECT source_id FROM app WHERE app.id = n.app_id),
    (SELECT source_id FROM tenant WHERE tenant.id = n.tenant_id))"""
SEEN = f"""(cast(:sources AS text[]) IS NULL OR {SOURCE_OF}
    = ANY(ARRAY(SELECT id FROM source WHERE name = ANY(cast(:sources AS text[])))))"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class MessageLine:
    """One message to one address, and what became of it."""

    id: int
    created_at: datetime
    kind: str  # reminder | alert | other
    receiver: str
    to: str | None
    reason: str
    subject: str
    state: str  # due | sending | sent | failed | cancelled
    due_at: datetime
    attempts: int
    settled_at: datetime | None
    settle_reason: str | None
    source: str | None  # None: it is about several, or about Uptake itself
    app: str | None  # None: it is about several, or about none
    app_name: str | None
    tenant: str | None
    tenant_name: str | None


_LINE = f"""
SELECT n.id, n.created_at, CASE WHEN n.reminder_id IS NOT NULL THEN 'reminder' WHEN n.group_id IS NOT NULL THEN 'alert'
    ELSE 'other' END AS kind, n.receiver, n."to", n.reason, n.subject, n.state, n.due_at, n.attempts, n.settled_at,
    n.settle_reason, s.name AS source, CASE WHEN app.id IS NOT NULL THEN s.name || ':' || app.external_id END AS app,
    app.name AS app_name, t.external_id AS tenant, t.name AS tenant_name{{more}}
FROM {{whence}} n LEFT JOIN app ON app.id = n.app_id LEFT JOIN tenant t ON t.id = n.tenant_id
LEFT JOIN source s ON s.id = {SOURCE_OF}
"""  # noqa: S608 - constants only
_MEANT = f"""
(cast(:before AS int8) IS NULL OR n.id < :before)
AND (cast(:receiver AS text) IS NULL OR n.receiver = :receiver)
AND (cast(:state AS text) IS NULL OR n.state = :state)
AND (cast(:kind AS text) IS NULL OR CASE :kind WHEN 'reminder' THEN n.reminder_id IS NOT NULL
    WHEN 'alert' THEN n.group_id IS NOT NULL ELSE n.reminder_id IS NULL AND n.group_id IS NULL END)
AND {SEEN}
"""
_EVERYWHERE = "(SELECT n.* FROM notice n WHERE {meant} ORDER BY n.id DESC LIMIT :most)"
# One message may speak for threads of several apps and tenants, and is then about none of them by itself: reminders are
# found by what each of their turns is about, what operators were told by its app. Each is an index, read from its end.
_OF_APP = f"""(
    (SELECT n.* FROM (
        SELECT DISTINCT p.notice_id FROM notice_reminder p
        WHERE p.app_id = ({APP_ID}) AND coalesce(:kind, 'reminder') = 'reminder'
          AND (cast(:before AS int8) IS NULL OR p.notice_id < :before)
        ORDER BY p.notice_id DESC
    ) p JOIN notice n ON n.id = p.notice_id WHERE {{meant}} ORDER BY p.notice_id DESC LIMIT :most)
    UNION ALL
    (SELECT n.* FROM notice n WHERE n.app_id = ({APP_ID}) AND n.reminder_id IS NULL AND {{meant}}
     ORDER BY n.id DESC LIMIT :most)
    ORDER BY id DESC LIMIT :most
)"""  # noqa: S608 - constants only
# Those that wait, failed or were taken back have an index of their own, where that of one app stands together; what is
# about several is looked through. Said in full, for the index.
_UNSENT = "SELECT n.* FROM notice n WHERE n.state = :state AND n.state <> 'sent'"
_UNSENT_OF_APP = f"""(
    ({_UNSENT} AND n.app_id = ({APP_ID}) AND {{meant}} ORDER BY n.id DESC LIMIT :most)
    UNION ALL
    ({_UNSENT} AND n.app_id IS NULL AND n.reminder_id IS NOT NULL AND EXISTS (
        SELECT FROM notice_reminder p WHERE p.notice_id = n.id AND p.app_id = ({APP_ID}) OFFSET 0
     ) AND {{meant}} ORDER BY n.id DESC LIMIT :most)
    ORDER BY id DESC LIMIT :most
)"""
_TO_TENANTS = """(
    SELECT n.* FROM notice n WHERE n.id IN (
        SELECT p.notice_id FROM notice_reminder p WHERE p.tenant_id = ANY(cast(:tenants AS int8[])){and_app}
    ) AND {meant} ORDER BY n.id DESC LIMIT :most
)"""


def _listed(whence: str) -> TextClause:
    return text(_LINE.format(more="", whence=whence.replace("{meant}", _MEANT)) + " ORDER BY n.id DESC")


_ALL, _TO_SOME = _listed(_EVERYWHERE), _listed(_TO_TENANTS.replace("{and_app}", ""))
_OF_ONE, _UNSENT_OF_ONE = _listed(_OF_APP), _listed(_UNSENT_OF_APP)
_OF_ONE_TO_SOME = _listed(_TO_TENANTS.replace("{and_app}", f" AND p.app_id = ({APP_ID})"))


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedMessages:
    """Which messages are meant; None: whichever."""

    kind: MessageKind | None = None
    receiver: str | None = None
    state: MessageState | None = None
    app: str | None = None  # as source:id
    tenants: Sequence[int] | None = None  # by id; of alerts, none is about one tenant

    @property
    def statement(self) -> TextClause:
        """What finds them."""
        if self.tenants is not None:
            return _TO_SOME if self.app is None else _OF_ONE_TO_SOME
        if self.app is None:
            return _ALL
        return _OF_ONE if self.state in {None, "sent"} else _UNSENT_OF_ONE


def messages_before(
    session: Session,
    wanted: WantedMessages,
    *,
    sources: Collection[str] | None = None,
    before: int | None = None,
    most: int = 100,
) -> list[MessageLine]:
    """The newest messages (of *sources*), those *before* the id of the last one."""
    bound = {
        "kind": wanted.kind,
        "receiver": wanted.receiver,
        "state": wanted.state,
        "app": wanted.app,
        "tenants": wanted.tenants,
        "sources": None if sources is None else sorted(sources),
        "before": before,
        "most": most,
    }
    return [MessageLine(**row) for row in session.execute(wanted.statement, bound).mappings()]


@dataclass(frozen=True, slots=True)
class Try:
    """One try to send a message; without an end, its outcome is not known."""

    number: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None  # sent | transient | permanent
    fault: str | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class SpokenFor:
    """A thread of reminders that a message speaks for, and which of its turns that is."""

    reminder_id: int
    app: str
    app_name: str
    tenant: str
    tenant_name: str | None
    environment: str
    number: int  # 0: it was sent once more by hand
    target_version: int | None


@dataclass(frozen=True, slots=True)
class Message(MessageLine):
    """One message as it was written, with every try to send it."""

    body: str | None
    html: str | None
    payload: dict[str, Any] | None  # what programs are told
    tries: Sequence[Try]
    speaks_for: Sequence[SpokenFor]


_ONE = text(_LINE.format(more=", n.body, n.html, n.payload", whence="notice") + " WHERE n.id = :notice")
_TRIES = text("""
SELECT number, started_at, finished_at, outcome, fault, answer FROM attempt WHERE notice_id = :notice ORDER BY number
""")
_SPEAKS_FOR = text("""
SELECT p.reminder_id, s.name || ':' || app.external_id AS app, app.name AS app_name, t.external_id AS tenant,
    t.name AS tenant_name, r.environment, p.number, p.target_version
FROM notice_reminder p JOIN reminder r ON r.id = p.reminder_id JOIN app ON app.id = r.app_id
JOIN source s ON s.id = app.source_id JOIN tenant t ON t.id = r.tenant_id
WHERE p.notice_id = :notice ORDER BY app.name, t.name, r.id
""")


def one_message(session: Session, notice_id: int) -> Message | None:
    """The message with this id; None: there is none, or it is forgotten."""
    bound = {"notice": notice_id}
    row = session.execute(_ONE, bound).mappings().one_or_none()
    if row is None:
        return None
    tries = [Try(**one) for one in session.execute(_TRIES, bound).mappings()]
    return Message(
        **row, tries=tries, speaks_for=[SpokenFor(**one) for one in session.execute(_SPEAKS_FOR, bound).mappings()]
    )
