"""Tenants over all apps, found by a few letters, and who of them is blocked."""

from typing import Annotated, cast, get_args

from fastapi import APIRouter, Query
from fastapi.responses import Response

from dashboard.api.apps import Class
from dashboard.api.tenants import Meant, listed
from dashboard.frame import Looking
from models.queries.app_names import app_names

router = APIRouter()
SHOWN = 100
Typed = Annotated[str, Query(max_length=200)]
CLASSES: tuple[tuple[Class, str], ...] = (
    ("blocking", "Blocked somewhere"),
    ("trimming", "Holds too much somewhere"),
    ("equivalent", "On an older version with the same scopes"),
    ("current", "On a latest version"),
    ("unknown", "Not judged yet"),
)


@router.get("/tenants")
def all_tenants(
    frame: Looking,
    q: Typed = "",
    lag: Annotated[str, Query(alias="class")] = "",
    app: Annotated[str, Query(max_length=300)] = "",
    after: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """Who they are, what is blocked for whom and since when."""
    q, app = (value.replace("\0", "") for value in (q, app))
    kind = cast("Class", lag) if lag in get_args(Class) else None
    meant = Meant.model_validate({"q": q.strip() or None, "class": kind, "app": app or None})
    found = listed(frame.caller, meant).page(frame.session, after, SHOWN)
    return frame.page(
        "tenants.html",
        title="Tenants",
        place="/tenants",
        found=found,
        q=q,
        chosen=kind,
        app=app,
        apps=app_names(frame.session, sources=frame.caller.sources),
        classes=CLASSES,
        is_narrowed=bool(meant.q or kind or app),
    )
