"""Saving a page with its filters under a name, and going back to it."""

from typing import Annotated

from fastapi import APIRouter, Form, Path
from fastapi.responses import RedirectResponse, Response

from dashboard.access import RefusedError, Viewer
from dashboard.frame import Looking
from dashboard.origins import local
from models.views import MOST, drop_view, save_view

router = APIRouter()
ViewId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Address = Annotated[str, Form(max_length=2000)]


@router.post("/views")
def save(
    caller: Viewer,
    frame: Looking,
    name: Annotated[str, Form(max_length=80)],
    address: Address,
) -> Response:
    """Keep the page at *address* as *name*."""
    named, to = " ".join(name.replace("\0", "").split()), local(address)
    if not named:
        raise RefusedError(422, "A view takes a name to be found by.")
    if not save_view(frame.session, _mine(caller.account_id), named, to, now=frame.now):
        raise RefusedError(409, f"You have {MOST} views: forget one of them first.")
    frame.session.commit()
    return RedirectResponse(to, 303)


@router.post("/views/{view}/forget")
def forget(caller: Viewer, frame: Looking, view: ViewId, address: Address = "/") -> Response:
    """Forget it; the page itself is as it was."""
    if not drop_view(frame.session, _mine(caller.account_id), view):
        raise RefusedError(404, "You have no such view.")
    frame.session.commit()
    return RedirectResponse(local(address), 303)


def _mine(account_id: int | None) -> int:
    if account_id is None:
        raise RefusedError(403, "A token has no views: sign in.")
    return account_id
