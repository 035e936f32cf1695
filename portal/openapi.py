"""The OpenAPI document: FastAPI's, with what every call shares: credentials, problems, tags and limits."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from portal.shapes import Problem

REF = {"$ref": "#/components/schemas/Problem"}
SCHEMES = {
    "appKey": {"type": "apiKey", "in": "header", "name": "ST-App-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
WHEN = {
    400: "A field of the query or the body is not valid; `errors` says which.",
    401: "No or a bad application key, or no or an expired token.",
    403: "The token lacks a scope; `data.requiredScopes` says which.",
    404: "No such id, or none of the caller's business.",
    405: "The resource has no such level.",
    409: "The state of things forbids it; `data.code` says why.",
    410: "The app is deleted.",
    413: "The body is longer than 1 MiB.",
    412: "The app has changed since the representation in If-Match was read.",
    428: "An If-Match header is needed.",
    429: "Too many calls; `Retry-After` says how long to wait.",
    503: "The database does not answer, or somebody holds what is asked for; try again after `Retry-After`.",
}
ALWAYS = (400, 401, 403, 404, 410, 429, 503)
MORE = {"post": (409, 413), "put": (409, 413), "delete": (409,), "patch": (412, 413, 428)}
# Answered before it is known who calls, or by whoever is not known.
UNCOUNTED = frozenset({"401", "413"})
TAG = {"ETag": {"description": "The weak tag of this representation.", "schema": {"type": "string"}}}
LIMITS = {
    f"RateLimit-{name}": {"description": what, "schema": {"type": "string", "pattern": "^[0-9]+$"}}
    for name, what in (
        ("Limit", "Calls per second for this application key."),
        ("Remaining", "How many of them are left."),
        ("Reset", "Seconds until all are."),
    )
}


def install(app: FastAPI) -> None:
    """Make *app* serve this document."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schemas["Problem"] = Problem.model_json_schema(by_alias=True)
    components["securitySchemes"] = SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Add to one operation what it shares with all others."""
    answers = operation["responses"]
    answers.pop("422", None)
    is_token = path == "/connect/token"
    for status in (413, 429, 503) if is_token else (*ALWAYS, *MORE.get(method, ())):
        answers[str(status)] = _problem(status)
    if is_token:
        return
    if path.startswith("/{module}"):
        answers["405"] = _problem(405)
    if method == "get":
        answers["304"] = {"description": "Not changed since the representation in If-None-Match."}
    if "/demo/" in path:
        return
    operation["security"] = [{name: [] for name in SCHEMES}]
    for status, answer in answers.items():
        headers = dict(answer.get("headers", {}))
        if method == "get" and status in {"200", "304"}:
            headers |= TAG
        if status not in UNCOUNTED:
            headers |= LIMITS
        if headers:
            answer["headers"] = headers


def _problem(status: int) -> dict[str, Any]:
    headers = {"Retry-After": {"schema": {"type": "string"}}} if status in {429, 503} else {}
    return {
        "description": WHEN[status],
        "content": {"application/problem+json": {"schema": REF}},
        **({"headers": headers} if headers else {}),
    }
