"""How pages are made: templates, forms that only our own pages can send, and headers that keep them to themselves."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from pydantic import ValidationError
from starlette.datastructures import FormData
from wtforms import Form
from wtforms.csrf.session import SessionCSRF

from portal.problems import Problem

# Which page of a list.
At = Annotated[int, Query(alias="page", ge=1, le=10_000)]
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


# What a pattern would say to somebody who reads patterns.
_PLAIN = {
    "homePageUrl": "Write the whole address, such as https://acme.example.",
    "tenantIds": "A tenant id is a number of at most 19 digits.",
}


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
    """The page made from *template*, with the visitor and the form token that all of them need."""
    visitor = getattr(request.state, "visitor", None)
    given = {"visitor": visitor, "token": _token(request).csrf_token.current_token, "path": request.url.path}
    said = request.session.pop("said", None)
    content = _pages.get_template(template).render(**given, said=said, **values)
    return HTMLResponse(content, status, headers=HEADERS | dict(headers or {}))


def onwards(request: Request, path: str, said: str | None = None) -> Response:
    """On to *path* after something was done, where *said* is told once."""
    if said is not None:
        request.session["said"] = said
    return RedirectResponse(path, 303, headers=HEADERS)


def told(answer: Response) -> Any:
    """What a call of the API answered: pages show what the API says, and nothing of their own."""
    return msgspec.json.decode(bytes(answer.body))


def when(text: str | None) -> str:
    """A time of the API, as people read it, in UTC."""
    if not text:
        return ""
    return datetime.fromisoformat(f"{text[:26]}+00:00").astimezone(UTC).strftime("%-d %B %Y, %H:%M UTC")


def faults(wrong: ValidationError | Problem) -> dict[str, list[str]]:
    """What is wrong, by field; under no name what is about the whole."""
    if isinstance(wrong, Problem):
        return wrong.errors or {"": [wrong.title]}
    found: dict[str, list[str]] = {}
    for error in wrong.errors():
        said = error["msg"].removeprefix("Value error, ")
        if error["type"] == "string_pattern_mismatch":
            said = _PLAIN.get(str(error["loc"][0]), "This holds characters that do not belong here.")
        found.setdefault(".".join(map(str, error["loc"])), []).append(said)
    return found


def first_error(errors: Mapping[str, list[str]], field: str) -> str:
    """What is wrong with *field*, or with a part of it."""
    return next((said[0] for name, said in errors.items() if name.partition(".")[0] == field), "")


_pages.filters["when"] = when
_pages.globals["first_error"] = first_error
