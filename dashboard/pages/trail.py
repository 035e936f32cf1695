"""Who did what, when and about what: the audit trail, page by page."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from dashboard.access import Admin, require_all
from dashboard.frame import Looking
from dashboard.pages.sections import PLACE, sections
from models.queries.accounts import audit

router = APIRouter()
SHOWN = 100
Words = Annotated[str, Query(max_length=200)]


@router.get(f"{PLACE}/audit")
def trail(
    caller: Admin,
    frame: Looking,
    who: Words = "",
    about: Words = "",
    after: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
) -> Response:
    """The newest entries, or those after one of them; by who did it, or about what."""
    require_all(caller)
    wanted = {name: value.replace("\0", "") or None for name, value in (("who", who), ("about", about))}
    found = audit(frame.session, **wanted, before=after, most=SHOWN + 1)
    return frame.page(
        "trail.html",
        title="Audit trail",
        place=PLACE,
        sections=sections(frame),
        entries=found[:SHOWN],
        following=found[SHOWN - 1].id if len(found) > SHOWN else None,
        who=who,
        about=about,
        after=after,
    )
