"""Parameters of a query: a call knows its own, and no other."""

from fastapi import Request
from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from portal.problems import invalid


def names_of(dependant: Dependant) -> frozenset[str]:
    """The query parameters that a route and all it depends on understand."""
    names: set[str] = set()
    for field in dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= {inner.alias or name for name, inner in kind.model_fields.items()}
        else:
            names.add(field.alias)
    return frozenset(names).union(*(names_of(inner) for inner in dependant.dependencies))


def refuse_unknown(request: Request) -> None:
    """400 for a parameter that means nothing here: a misspelled filter must not answer with everything."""
    if unknown := sorted(set(request.query_params) - request.state.query_names):
        raise invalid({name: ["There is no such parameter."] for name in unknown})
