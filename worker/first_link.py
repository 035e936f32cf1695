"""Who has just started everything on this machine is let into its dashboard: by a link that holds once."""

from sqlalchemy.orm import Session

from models import Role, db_now
from models.accounts import account_named, add_account
from models.audit import Actor, audited
from models.base import engine_for
from models.sessions import link
from worker.addresses import dashboard_url

NAME = "admin"
_US = Actor(NAME, "up")


def first_link(database_url: str) -> str | None:
    """The link of the account `admin`, which is made when there is none; None when somebody has disabled it."""
    engine = engine_for(database_url)
    try:
        with Session(engine) as session, session.begin():
            now = db_now(session)
            add_account(session, NAME, Role.ADMIN, actor=_US, now=now)
            account = account_named(session, NAME)
            if account is None or account.disabled_at is not None:
                return None
            audited(session, _US, "link.made", NAME, now=now)
            return f"{dashboard_url()}/sign-in/once/{link(session, account.id, now=now)}"
    finally:
        engine.dispose()
