"""Somebody who is signed in and opens pages, as a test sees it."""

import re
from html import unescape
from typing import Any

import httpx
from sqlalchemy.orm import Session as OrmSession

from models import Role
from tests.integration.access.callers import SAME_SITE, asked, cookie


class Browser:
    """Somebody signed in, who opens pages and sends forms."""

    def __init__(self, session: OrmSession, database_url: str, role: Role = Role.ADMIN, **more: Any) -> None:
        self.headers = cookie(session, role, **more) | SAME_SITE
        self.url = database_url

    def opens(self, path: str, status: int = 200) -> str:
        """What the page says, without markup of ours."""
        answer = asked(self.url, "GET", path, headers=self.headers)
        assert answer.status_code == status, answer.text
        return answer.text

    def sends(self, path: str, **form: Any) -> httpx.Response:
        """The answer to a form."""
        return asked(self.url, "POST", path, headers=self.headers, data=form)


def words(page: str) -> str:
    """The text of a page, each run of space as one."""
    return " ".join(unescape(re.sub("<[^>]*>", " ", page)).split())
