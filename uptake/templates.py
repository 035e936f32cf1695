"""The templates of messages: which one is for whom, and how it is filled; logic-less, in one pass."""

from collections.abc import Iterable, Mapping
from string import Template
from types import MappingProxyType

from uptake.placeholders import BUILT_IN, PARTS
from uptake.template_mistakes import Mistake, mistakes
from uptake.words import ENGLISH, LANGUAGES, spoken, tags

# By the names of their files, such as reminder.de.txt; what is not there, or cannot be used, is built in.
Templates = Mapping[str, str]
NO_TEMPLATES: Templates = MappingProxyType({})


def chain(kind: str, locale: str | None, templates: Templates) -> tuple[str, ...]:
    """Whose templates a reader with this locale gets, the nearest first; "" are those without a language.

    These are in English, so that nobody who reads another language of ours gets a mixture. Who reads one that we have
    no words in gets templates in it when all parts are there, and else English.
    """
    own = [tag for tag in tags(locale) if _is_ours(tag) or all(_usable(kind, tag, part, templates) for part in PARTS)]
    return (*own, "") if spoken(locale) is ENGLISH else tuple(own)


def language(locale: str | None, tongues: tuple[str, ...]) -> str:
    """What the message says of itself that it is in."""
    first = next(iter(tongues), "")
    return first if first and not _is_ours(first) else spoken(locale).tag


def languages(templates: Templates) -> frozenset[str]:
    """Those that a reminder can be in: ours, and those of whole sets of templates."""
    others = {
        tag
        for name in templates
        if len(parts := name.split(".")) == 3
        for tag in chain("reminder", parts[1], templates)
    }
    return frozenset({*LANGUAGES, *filter(None, others)})


def chosen(kind: str, part: str, tongues: Iterable[str], templates: Templates) -> str:
    """The first template of these languages that can be used; the built-in one where there is none."""
    found = (_usable(kind, tag, part, templates) for tag in tongues)
    return next((text for text in found if text is not None), BUILT_IN[f"{kind}.{part}"])


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template, which has no mistakes, with its values; what is filled in is not looked at again."""
    return Template(template).substitute(values)


def examined(templates: Templates) -> dict[str, tuple[Mistake, ...]]:
    """What is wrong with these templates, by the names of those files that have mistakes; all others are used."""
    found = {name: mistakes(name, text) or _incomplete(name, templates) for name, text in templates.items()}
    return {name: wrong for name, wrong in found.items() if wrong}


def _incomplete(name: str, templates: Templates) -> tuple[Mistake, ...]:
    kind, *tag, _ = name.split(".")
    if not tag or _is_ours(tag[0]):
        return ()
    absent = [other for part in PARTS if (other := f"{kind}.{tag[0]}.{part}") not in templates]
    said = f"is in a language that we have no words in; write {' and '.join(absent)}, too"
    return (Mistake(0, said),) if absent else ()


def _is_ours(tag: str) -> bool:
    return tag.partition("-")[0] in LANGUAGES


def _usable(kind: str, tag: str, part: str, templates: Templates) -> str | None:
    name = f"{kind}.{tag}.{part}" if tag else f"{kind}.{part}"
    text = templates.get(name)
    return text if text is not None and not mistakes(name, text) else None
