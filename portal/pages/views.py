"""How pages are made: templates, forms that only our own pages can send, and headers that keep them to themselves."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.datastructures import FormData
from wtforms import Form
from wtforms.csrf.session import SessionCSRF

from portal.pages.wording import first_error

# Something was done, or there is just something to know.
Kind = Literal["done", "note"]
# Which page of a list.
At = Annotated[int, Query(alias="page", ge=1, le=10_000)]
# As the seed and the platform write them, on every page alike.
STATUSES = {
    "awaitingApproval": "Awaiting Approval",
    "notConnected": "Not Connected Yet",
    "connected": "Connected",
    "disabled": "Disabled",
    "disconnected": "Disconnected",
}
# What is typed to find something in a list.
Search = Annotated[str, Query(max_length=120, pattern=r"^[^\x00]*$")]
HERE = Path(__file__).parent / "templates"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Pages show keys and names; nothing on the way may keep them.
    "Cache-Control": "no-store",
}
_pages = Environment(
    loader=FileSystemLoader(HERE),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class _Sent(Form):  # type: ignore[misc]  # the library has no type information
    """The hidden field that every form of ours carries."""

    class Meta:
        """Bound to the session, by the library's own means."""

        csrf = True
        csrf_class = SessionCSRF
        csrf_time_limit = timedelta(hours=8)


def _token(request: Request, sent: FormData | None = None) -> _Sent:
    secret: bytes = request.app.state.form_secret
    return _Sent(sent, meta={"csrf_context": request.session, "csrf_secret": secret})


def is_ours(request: Request, sent: FormData) -> bool:
    """Whether the form was made for this session by one of our pages."""
    return bool(_token(request, sent).validate())


def page(
    request: Request, template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> Response:
    """The page made from *template*, with the visitor and the form token that all of them need.

    *errors* are faults by field, which a summary links to; *trouble* is one about the whole.
    """
    visitor = getattr(request.state, "visitor", None)
    given = {"visitor": visitor, "token": _token(request).csrf_token.current_token, "path": request.url.path}
    given |= {"errors": {}, "trouble": "", "said": None}
    if request.method != "HEAD":
        given["said"] = request.session.pop("said", None)
    content = _pages.get_template(template).render(**(given | values))
    return HTMLResponse(content, status, headers=HEADERS | dict(headers or {}))


@dataclass(frozen=True, slots=True)
class Step:
    """A step that has no way back: how it is called, what it sends beside the token, and where *back* leads."""

    back: str
    crumb: str
    button: str
    sends: Mapping[str, str] = field(default_factory=dict)
    to: str = ""  # where the form is sent; to the page's own address when nothing is said


def asking(question: str, *named: object) -> Markup:
    """A *question* with what is *named* in it, each apart from the words around it, whatever its script."""
    return Markup(question).format(*(Markup("<bdi>{}</bdi>").format(one) for one in named))  # noqa: S704


def confirm(request: Request, question: Markup, lines: Sequence[str], step: Step) -> Response:
    """The page that says what will happen before it does."""
    url = request.url
    to = step.to or (f"{url.path}?{url.query}" if url.query else url.path)
    return page(request, "confirm.html", question=question, lines=lines, step=step, to=to)


def past_the_end(request: Request, found: Mapping[str, Any]) -> Response | None:
    """The way back to the last page of a list, for whoever asks for one that it does not have."""
    if found["data"] or found["page"] == 1 or not found["totalCount"]:
        return None
    last = -(-found["totalCount"] // found["pageSize"])
    url = request.url.include_query_params(page=last)
    return onwards(request, f"{url.path}?{url.query}")


def onwards(request: Request, path: str, said: str | None = None, *, kind: Kind = "done") -> Response:
    """On to *path* after something was done, where *said* is told once."""
    if said is not None:
        request.session["said"] = {"words": said, "kind": kind}
    return RedirectResponse(path, 303, headers=HEADERS)


def told(answer: Response) -> Any:
    """What a call of the API answered: pages show what the API says, and nothing of their own."""
    return msgspec.json.decode(bytes(answer.body))


def when(text: str | None) -> str:
    """A time of the API, as people read it, in UTC."""
    if not text:
        return ""
    return datetime.fromisoformat(f"{text[:26]}+00:00").astimezone(UTC).strftime("%-d %B %Y, %H:%M UTC")


def dotted(name: str) -> Markup:
    """A scope's name, which may be broken after its dots and nowhere else."""
    return Markup(".<wbr>").join(name.split("."))


_pages.filters["when"] = when
_pages.filters["dotted"] = dotted
_pages.globals["first_error"] = first_error
_pages.globals["STATUSES"] = STATUSES
# A key for a form that works once.
_pages.globals["fresh"] = lambda: secrets.token_urlsafe(16)
