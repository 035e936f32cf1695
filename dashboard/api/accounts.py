"""Who may see and do what, and what was done: for admins who see all sources."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query
from sqlalchemy.orm import Session

from dashboard.access import Admin, require_all
from dashboard.api.apps import TEXT
from dashboard.api.lists import Listing, Place, add_list, few
from models.queries import accounts as queries
from models.queries.accounts import AccountRow, AuditRow, TokenRow

router = APIRouter(tags=["accounts"])
Words = Annotated[str, Query(max_length=200, pattern=TEXT)]


def accounts(caller: Admin) -> Listing[AccountRow]:
    """Everybody who has an account, by name."""
    require_all(caller)
    return few("accounts", queries.accounts, lambda one: (one.name,), kinds=(str,))


def tokens(
    caller: Admin, *, revoked: Annotated[bool, Query(description="Also those that were revoked.")] = False
) -> Listing[TokenRow]:
    """The tokens there are, by name; what they hold is known to nobody but who keeps them."""
    require_all(caller)
    return few(
        "tokens",
        lambda session: queries.tokens(session, also_revoked=revoked),
        lambda one: (one.name, one.id),
        kinds=(str, int),
    )


def audit_trail(
    caller: Admin,
    who: Annotated[Words | None, Query(description="Only what this one did.")] = None,
    about: Annotated[Words | None, Query(description="Only what was done about this one.")] = None,
) -> Listing[AuditRow]:
    """Who did what, when and about what, the newest first; nobody can change or remove an entry."""
    require_all(caller)

    def fetch(session: Session, after: Any, most: int) -> Sequence[tuple[Place, AuditRow]]:
        before = after[0] if after else None
        found = queries.audit(session, who=who or None, about=about or None, before=before, most=most)
        return [((one.id,), one) for one in found]

    return Listing("audit", fetch, (int,))


add_list(router, "/accounts", accounts, row=AccountRow)
add_list(router, "/tokens", tokens, row=TokenRow)
add_list(router, "/audit", audit_trail, row=AuditRow)
