"""Questions of what was said to whom: messages in pages and one in full, threads of reminders, what an alert told."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session

from bench.questions.known import Known
from bench.questions.question import Question
from models.queries.message_lists import WantedMessages, messages_before, one_message
from models.queries.reminder_lists import WantedThreads, threads_after
from models.queries.retold import retold
from models.queries.said import said
from models.queries.tenant_names import tenants_named

_PAGE = 101


def _messages(
    name: str, wanted: Callable[[Known], WantedMessages], *, sources: tuple[str, ...] | None = None, deep: bool = False
) -> Question:
    def ask(session: Session, known: Known) -> object:
        before = known.message() if deep else None
        return messages_before(session, wanted(known), sources=sources, before=before, most=_PAGE)

    return Question(f"messages: {name}", ask)


def _threads(
    name: str, wanted: Callable[[Known], WantedThreads], *, sources: tuple[str, ...] | None = None
) -> Question:
    def ask(session: Session, known: Known) -> object:
        return threads_after(session, wanted(known), sources=sources, most=_PAGE)

    return Question(f"threads: {name}", ask)


def _of_tenant(name: str, ask: Callable[[Session, list[int]], object]) -> Question:
    def asked(session: Session, known: Known) -> object:
        return ask(session, [one.tenant_id for one in tenants_named(session, known.pair()[1])])

    return Question(name, asked)


def _of_tenant_and_app(session: Session, known: Known) -> object:
    app, tenant = known.pair()
    tenants = [one.tenant_id for one in tenants_named(session, tenant)]
    return messages_before(session, WantedMessages(app=app, tenants=tenants), most=_PAGE)


def _open_threads_further(session: Session, _: Known) -> object:
    first = threads_after(session, WantedThreads(), most=_PAGE)
    return first and threads_after(session, WantedThreads(), after=first[-1][0], most=_PAGE)


MESSAGES = (
    _messages("newest", lambda _: WantedMessages()),
    _messages("further on", lambda _: WantedMessages(), deep=True),
    _messages("of a source", lambda _: WantedMessages(), sources=("acme",)),
    _messages("of the smaller source", lambda _: WantedMessages(), sources=("globex",)),
    _messages("reminders", lambda _: WantedMessages(kind="reminder")),
    _messages("about alerts", lambda _: WantedMessages(kind="alert")),
    _messages("others", lambda _: WantedMessages(kind="other")),
    _messages("that failed", lambda _: WantedMessages(state="failed")),
    _messages("that wait", lambda _: WantedMessages(state="due")),
    _messages("to a receiver", lambda _: WantedMessages(receiver="hook")),
    _messages("of an app", lambda known: WantedMessages(app=known.app().key)),
    _messages("of an app, that failed", lambda known: WantedMessages(app=known.app().key, state="failed")),
    _messages("of an app, that wait", lambda known: WantedMessages(app=known.app().key, state="due")),
    _messages("of an app, about alerts", lambda known: WantedMessages(app=known.app().key, kind="alert")),
    _of_tenant(
        "messages: to a tenant",
        lambda session, tenants: messages_before(session, WantedMessages(tenants=tenants), most=_PAGE),
    ),
    Question("messages: to a tenant about an app", _of_tenant_and_app),
    Question("messages: one", lambda session, known: one_message(session, known.message())),
    Question("messages: which is which once more", lambda session, known: retold(session, known.message())),
    Question("messages: what some said", lambda session, known: said(session, [known.message() for _ in range(_PAGE)])),
    _threads("open", lambda _: WantedThreads()),
    Question("threads: open, further on", _open_threads_further),
    _threads("open, of a source", lambda _: WantedThreads(), sources=("acme",)),
    _threads("due within a day", lambda known: WantedThreads(until=known.now + timedelta(days=1))),
    _threads("stopped", lambda _: WantedThreads(state="stopped")),
    _threads("of an app", lambda known: WantedThreads(app=known.app().key)),
    _threads("stopped, of an app", lambda known: WantedThreads(state="stopped", app=known.app().key)),
    _of_tenant(
        "threads: of a tenant",
        lambda session, tenants: threads_after(session, WantedThreads(tenants=tenants), most=_PAGE),
    ),
)
