"""Who asks the dashboard in a test: by a real token, or in a real session, never past the guard."""

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI
from sqlalchemy.orm import Session as OrmSession

from dashboard.app import application
from models import Role, Scope, db_now
from models.accounts import account_named, add_account
from models.audit import Actor
from models.sessions import begin
from models.tokens import make_token

TEST = Actor("test", "cli")
PASSWORD = "correct horse battery"
SAME_SITE = {"Sec-Fetch-Site": "same-origin"}


def token(
    session: OrmSession, scope: Scope = Scope.READ, *, name: str = "test", sources: list[str] | None = None
) -> str:
    """A new token."""
    now = db_now(session)
    key = make_token(session, name, scope, expires_at=None, sources=sources, actor=TEST, now=now)
    session.commit()
    assert key
    return key


def bearer(session: OrmSession, scope: Scope = Scope.READ, **more: Any) -> dict[str, str]:
    """The headers of a program with a new token."""
    return {"Authorization": f"Bearer {token(session, scope, **more)}"}


def person(session: OrmSession, role: Role = Role.VIEWER, *, name: str = "ada", **more: Any) -> int:
    """Somebody who has an account."""
    add_account(session, name, role, actor=TEST, now=db_now(session), **more)
    session.commit()
    account = account_named(session, name)
    assert account
    return account.id


def cookie(session: OrmSession, role: Role = Role.VIEWER, *, name: str = "ada", **more: Any) -> dict[str, str]:
    """The headers of a browser in which a new somebody is signed in."""
    key = begin(session, person(session, role, name=name, **more), now=db_now(session))
    session.commit()
    return {"Cookie": f"uptake={key}"}


def asked(app: FastAPI | str, method: str, path: str, *, base: str = "http://dashboard", **sent: Any) -> httpx.Response:
    """One request; the application's own start is left out, for the test's session is bound already."""

    async def ask() -> httpx.Response:
        served = application(app) if isinstance(app, str) else app
        async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url=base) as client:
            return await client.request(method, path, **sent)

    return asyncio.run(ask())
