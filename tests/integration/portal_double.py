"""A portal that says what a test tells it to, page by page."""

import json
from typing import Any

from werkzeug import Request, Response

SECRETS = {"client_secret": "cs1.s3cr3t", "app_key": "ak1.k3y"}
APP: dict[str, Any] = {
    "id": 4711,
    "name": "Dispatch Helper",
    "distribution": "public",
    "approvalStatus": "approved",
    "latestVersion": 2,
    "active": True,
    "createdOn": "2026-02-25T09:12:44.1234567Z",
}
VERSION: dict[str, Any] = {
    "appId": 4711,
    "version": 1,
    "createdOn": "2026-03-01T00:00:00Z",
    "createdBy": {"id": 77, "name": "j.doe"},
    "scopes": [
        {"name": "tn.crm.customers", "view": True, "modify": False},
        {"name": "tn.jpm.jobs", "view": True, "modify": True},
    ],
}


class Portal:
    """What the server behind the source says; each list is said page by page, the last entry again and again."""

    def __init__(self) -> None:
        self.tokens: list[Response] = [said({"access_token": "at1.t0k3n", "expires_in": 900, "token_type": "Bearer"})]
        self.pages: list[Response] = [page(1)]
        self.asked: list[Request] = []
        self.now = 1000.0
        self.slept: list[float] = []

    def token(self, request: Request) -> Response:
        """The next answer of the token endpoint."""
        assert request.form["client_secret"] == SECRETS["client_secret"]
        return self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]

    def listing(self, request: Request) -> Response:
        """The next page of whatever is asked for."""
        self.asked.append(request)
        return self.pages.pop(0) if len(self.pages) > 1 else self.pages[0]


def said(body: Any, status: int = 200, **headers: str) -> Response:
    """An answer of JSON, or of bytes as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(
        raw, status, content_type="application/json", headers={k.replace("_", "-"): headers[k] for k in headers}
    )


def page(number: int, *rows: Any, more: Any = False, **other: Any) -> Response:
    """A page of a listing."""
    return said({"page": number, "pageSize": 500, "hasMore": more, "data": rows} | other)
