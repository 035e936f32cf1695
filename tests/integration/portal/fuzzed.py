"""What Schemathesis is told of the portal under test: ids that exist, and who may make which call.

Loaded by its command line as SCHEMATHESIS_HOOKS; PORTAL_PEOPLE holds the people as JSON.
"""

import json
import os
from typing import Any

import schemathesis
from hypothesis import strategies as st

PEOPLE: dict[str, Any] = json.loads(os.environ["PORTAL_PEOPLE"])
HOST = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\.[a-z]{2,5}){1,3}", fullmatch=True)
PATH = st.text("abcxyz/_.~%20?=&#", max_size=20).filter(lambda path: "%" not in path.replace("%20", ""))
# Web addresses are one kind of IRI; the pattern beside the format says so.
schemathesis.openapi.format("iri", st.builds("https://{}/{}".format, HOST, PATH))
KNOWN = {
    "organization": [PEOPLE["organization"]],
    "tenant": PEOPLE["tenants"],
    "module": ["crm"],
    "resource": ["customers", "leads"],
    "app": PEOPLE["apps"],
}


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Ids that exist and scopes that are known, so that valid calls get further than "no such id"."""
    del context
    for path, operations in raw_schema["paths"].items():
        for method, operation in operations.items():
            # Some apps are there to be deleted, so that the others live through the run.
            known = KNOWN | ({"app": PEOPLE["doomed"]} if (path[-11:], method) == ("/apps/{app}", "delete") else {})
            for parameter in operation.get("parameters", ()):
                if parameter["in"] == "path" and parameter["name"] in known:
                    parameter["schema"]["enum"] = known[parameter["name"]]
    raw_schema["paths"]["/connect/token"]["post"]["requestBody"]["content"] = {
        "application/x-www-form-urlencoded": {"schema": _form()}
    }
    bodies = raw_schema["components"]["schemas"]
    for name in ("NewApp", "Entries"):
        bodies[name]["properties"]["tenantIds"]["items"] = {"type": "string", "enum": PEOPLE["tenants"]}


def _form() -> dict[str, Any]:
    """The form of a client that exists: no other one is given a token."""
    fields = {"grant_type": "client_credentials", **PEOPLE["client"]}
    named = {name: {"const": value} for name, value in fields.items()}
    return {"type": "object", "required": list(named), "properties": named}


@schemathesis.auth(refresh_interval=None)
class Credentials:
    """The key and the token of whoever the path belongs to."""

    def get(self, case: Any, context: Any) -> dict[str, str]:
        """The headers of a developer, a tenant's admin, an operator, or an app at work."""
        del context
        return headers_for(case.operation.path)

    def set(self, case: Any, data: dict[str, str], context: Any) -> None:
        """Show them, where they are not the thing that is tried."""
        del data, context
        case.headers = {**(case.headers or {}), **headers_for(case.operation.path)}


def headers_for(path: str) -> dict[str, str]:
    """Whose credentials open *path*."""
    if path.startswith("/{module}"):
        return dict(PEOPLE["app"])
    if "/tenant/" in path.removesuffix("/{tenant}") and "/organization/" not in path:
        return dict(PEOPLE["admin"])
    return dict(PEOPLE["operator"] if "/operator/" in path else PEOPLE["developer"])
