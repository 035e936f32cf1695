"""The OpenAPI document, with what every call may be answered besides what it is for."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

_ABOUT = (
    "Who runs which version of an app, since when, who lags behind and who was told. Times are RFC 3339 in UTC, shares"
    " from 0 to 1. Lists come page by page: `next` of one is the `cursor` of the one that follows; every list is also"
    " `.csv`. What a caller may not see is not there for them."
)
_PROBLEM = {
    "type": "object",
    "description": "What is wrong, and what to do (RFC 9457).",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["where", "wrong"],
                "properties": {"where": {"type": "string"}, "wrong": {"type": "string"}},
            },
        },
    },
}
_REFUSALS = {
    "400": "The request cannot be understood as a whole, such as a cursor of another list.",
    "401": "Nobody knows who asks.",
    "403": "The caller may not, or another site asked with their cookie.",
    "404": "There is no such thing, or not for this caller.",
    "409": "It cannot be done as things are.",
    "413": "The body is too long.",
    "422": "A part of the request is not what it has to be.",
    "429": "Too many calls: wait as long as Retry-After says.",
    "503": "The database or uptake.toml cannot be used now.",
}


def document(app: FastAPI) -> dict[str, Any]:
    """What can be asked of *app*, as OpenAPI 3.1; made once."""
    if app.openapi_schema is None:
        found = get_openapi(title="Uptake", version="1", description=_ABOUT, routes=app.routes)
        components = found.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        schemas["Problem"] = _PROBLEM
        content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
        components["responses"] = {
            f"Refused{status}": {"description": words, "content": content} for status, words in _REFUSALS.items()
        }
        for operations in found["paths"].values():
            for method, operation in operations.items():
                _complete(method, operation["responses"])
        app.openapi_schema = found
    return app.openapi_schema


def _complete(method: str, responses: dict[str, Any]) -> None:
    for status in _REFUSALS:
        responses[status] = {"$ref": f"#/components/responses/Refused{status}"}
    if method == "get" and "application/json" in responses.get("200", {}).get("content", {}):
        responses["304"] = {"description": "As the caller has it already, by the ETag that If-None-Match names."}
