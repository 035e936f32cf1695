"""Views that people saved to come back to: each account has its own."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.account import SavedView

MOST = 50  # of one account


def views_of(session: Session, account_id: int) -> Sequence[SavedView]:
    """The account's views, by name."""
    query = select(SavedView).where(SavedView.account_id == account_id).order_by(SavedView.name)
    return session.scalars(query).all()


def save_view(session: Session, account_id: int, name: str, address: str, *, now: datetime) -> bool:
    """Have *name* stand for the *address*, whatever it stood for; False when the account has MOST others."""
    others = select(func.count()).where(SavedView.account_id == account_id, SavedView.name != name)
    if (session.scalar(others) or 0) >= MOST:
        return False
    row = {"account_id": account_id, "name": name, "address": address, "saved_at": now}
    statement = insert(SavedView).values(row)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["account_id", "name"],
            set_={"address": statement.excluded.address, "saved_at": statement.excluded.saved_at},
        )
    )
    return True


def drop_view(session: Session, account_id: int, view_id: int) -> bool:
    """Forget one of the account's views; False when it has no such view."""
    gone = delete(SavedView).where(SavedView.account_id == account_id, SavedView.id == view_id).returning(SavedView.id)
    return session.scalar(gone) is not None
