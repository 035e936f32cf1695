"""What is wrong with a form, field by field, in words for people."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from portal.problems import Problem

# What a field that is empty asks for.
EMPTY = {
    "name": "Give the app a name.",
    "organizationName": "Give the name of your organization.",
    "homePageUrl": "Give the address of your home page.",
    "scopes": "Choose at least one scope.",
    "tenantIds": "Enter a tenant ID.",
}
# What a pattern would say to somebody who reads patterns.
PLAIN = {
    "homePageUrl": "Write the whole address, such as https://acme.example.",
    "tenantIds": "A tenant ID is a number of at most 19 digits.",
    "distribution": "Choose who it is for.",
    "version": "There is no such version.",
    "status": "There is no such status.",
    "environment": "There is no such environment.",
    "credentialManagement": "Choose who makes the client secrets.",
}
WHAT = {"tenantIds": "tenant IDs", "scopes": "scopes"}
UNCLEAR = "This holds something that does not belong here."
NAMED = 10


def faults(wrong: ValidationError | Problem) -> dict[str, list[str]]:
    """What is wrong, by field; under no name what is about the whole."""
    if isinstance(wrong, Problem):
        return wrong.errors or {"": [wrong.title]}
    found: dict[str, list[str]] = {}
    for error in wrong.errors():
        field = str(error["loc"][0]) if error["loc"] else ""
        found.setdefault(field, []).append(_said(field, error))
    if bad := [str(error["input"]) for error in wrong.errors() if _is_part(error)]:
        found["tenantIds"] = [f"{PLAIN['tenantIds']} Not so: {_named(bad)}."]
    return found


def _is_part(error: Mapping[str, Any]) -> bool:
    """Whether one of several tenant ids is wrong, which is then named."""
    return len(error["loc"]) > 1 and error["loc"][0] == "tenantIds"


def _said(field: str, error: Mapping[str, Any]) -> str:
    kind, limits = error["type"], error.get("ctx", {})
    if kind in {"string_too_short", "too_short", "missing"} and field in EMPTY:
        return EMPTY[field]
    if kind == "string_too_long":
        return f"At most {limits['max_length']} characters; these are {len(error['input'])}."
    if kind == "too_long":
        return f"At most {limits['max_length']} {WHAT.get(field, 'entries')}; these are {limits['actual_length']}."
    if field in PLAIN:
        return PLAIN[field]
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    return UNCLEAR


def _named(given: list[str]) -> str:
    """The first of them, none too long to be read."""
    shown = [one if len(one) <= 30 else f"{one[:30]}…" for one in dict.fromkeys(given)]
    more = f" and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return ", ".join(shown[:NAMED]) + more


def first_error(errors: Mapping[str, list[str]], field: str) -> str:
    """What is wrong with *field*."""
    return next((said[0] for name, said in errors.items() if name.partition(".")[0] == field), "")
