"""Mistakes in uptake.toml in words: the file, the line, the key and the mend."""

import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.settings import nearest

Place = tuple[str | int, ...]
_KINDS = {
    "string_type": "must be text in quotes",
    "int_type": "must be a whole number without quotes",
    "bool_type": "must be true or false without quotes",
    "tuple_type": "must be a list in square brackets",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
    "missing": "is missing; write it",
    "union_tag_not_found": 'lacks its kind; write one such as kind = "email"',
    "union_tag_invalid": "is {tag!r}, which is no kind of receiver; write one of {expected_tags}",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "must not be empty",
    "string_pattern_mismatch": "must look like {pattern}",
}
# Tables at the top of the file, where the number of brackets is easily mistaken.
_BRACKETS = {
    "tuple_type": "may be there several times; write each as [[{}]]",
    "model_type": "is there once; write it as [{}]",
}


class Complaint(NamedTuple):
    """One mistake: the line it stands on, its key and what to do."""

    line: int
    key: str
    said: str

    @classmethod
    def at(cls, place: Place, said: str, lines: Mapping[Place, int]) -> Self:
        """A complaint about *place*; what is not written itself is shown at the table it is missing from."""
        written_place = place
        while written_place not in lines:
            written_place = written_place[:-1]
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
        return cls(lines[written_place], key.removeprefix("."), said)


def written(path: Path, found: Iterable[Complaint]) -> str:
    """The complaints about *path*, one a line, in the order of the file."""
    return "\n".join(
        f"{path}:{line}: {key}: {said}" if key else f"{path}:{line}: {said}" for line, key, said in sorted(found)
    )


def complaints(error: ValidationError, model: type[BaseModel], lines: Mapping[Place, int]) -> list[Complaint]:
    """What pydantic found, in words; values are never repeated unless the field's own message does."""
    return [_complaint(mistake, model, lines) for mistake in error.errors(include_url=False)]


def _complaint(mistake: ErrorDetails, model: type[BaseModel], lines: Mapping[Place, int]) -> Complaint:
    place, above = _walk(mistake["loc"], model)
    kind = mistake["type"]
    if kind == "extra_forbidden" and above is not None:
        known = [field.alias or name for name, field in above.model_fields.items()]
        return Complaint.at(place, f"is not a known key; {nearest(str(place[-1]), known)}", lines)
    if kind in _BRACKETS and len(place) == 1:
        return Complaint.at(place, _BRACKETS[kind].format(place[0]), lines)
    if kind == "union_tag_invalid":
        place = (*place, "kind")
    if kind in _KINDS:
        return Complaint.at(place, _KINDS[kind].format(**mistake.get("ctx", {})), lines)
    # "Value error, " is pydantic's own preface, not ours.
    return Complaint.at(place, mistake["msg"].removeprefix("Value error, "), lines)


def _walk(location: Place, model: type[BaseModel]) -> tuple[Place, type[BaseModel] | None]:
    """The place in the file that *location* means, without pydantic's union tags, and the table it is in."""
    place: Place = ()
    above: Any = model
    here: Any = model
    for part in location:
        choices = _models(here)
        tagged = [choice for choice in choices if part in _tags(choice)]
        if len(choices) > 1 and tagged:
            here = tagged[0]
            continue
        place = (*place, part)
        if isinstance(part, int):
            continue
        above = choices[0] if choices else None
        here = _field_type(above, part)
    return place, above


def _field_type(model: type[BaseModel] | None, key: str) -> Any:
    for name, field in (model.model_fields if model else {}).items():
        if key in {name, field.alias}:
            return field.annotation
    return None


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in typing.get_args(annotation) for model in _models(part)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    field = model.model_fields.get("kind")
    return typing.get_args(field.annotation) if field else ()
