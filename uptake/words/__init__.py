"""The languages that we speak, each as data."""

from collections.abc import Mapping

from uptake.words.de import GERMAN
from uptake.words.en import ENGLISH
from uptake.words.language import Plural, Words, tags

LANGUAGES: Mapping[str, Words] = {words.tag: words for words in (ENGLISH, GERMAN)}

__all__ = ["ENGLISH", "LANGUAGES", "Plural", "Words", "spoken", "tags"]


def spoken(locale: str | None) -> Words:
    """The language of ours that is nearest to *locale*; English for whatever we do not speak."""
    return next((LANGUAGES[tag] for tag in tags(locale) if tag in LANGUAGES), ENGLISH)
