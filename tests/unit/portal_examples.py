"""Rows as the portal prints them."""

import json
from typing import Any

import msgspec

CONNECTION: dict[str, Any] = {
    "id": 90210,
    "appId": 4711,
    "resourceOwner": {"kind": "tenant", "id": "1561207975", "name": "Bright HVAC"},
    "environment": "production",
    "status": "connected",
    "enabled": True,
    "version": 2,
    "latestVersion": 3,
    "scopes": ["tn.jpm.jobs:w", "tn.jpm.jobs:r"],
    "clientId": "cid.abc",
    "allowedOn": "2026-03-03T10:00:00.1234567Z",
    "versionAcceptedOn": "2026-04-01T13:30:00+02:00",
    "versionAcceptedBy": "admin",
}


def row(**changed: Any) -> dict[str, Any]:
    """The connection with some fields *changed*; one that is ... is left out."""
    return {key: value for key, value in (CONNECTION | changed).items() if value is not ...}


def raw(body: Any) -> msgspec.Raw:
    """A row as it comes in a page."""
    return msgspec.Raw(body if isinstance(body, bytes) else json.dumps(body).encode())
