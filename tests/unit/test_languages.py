"""Every language says the same things, of the same facts."""

from datetime import UTC, datetime
from string import Template

import pytest

from uptake.words import ENGLISH, LANGUAGES, Plural, Words, spoken, tags

OTHERS = [pytest.param(words, id=tag) for tag, words in LANGUAGES.items() if words is not ENGLISH]


def forms(said: str | Plural) -> tuple[str, ...]:
    """The sentence as it may be said."""
    return tuple(said) if isinstance(said, Plural) else (said,)


@pytest.mark.parametrize("words", OTHERS)
def test_languages_have_the_same_sentences(words: Words) -> None:
    """None is left out, none is too many, and each has the same forms."""
    assert list(words.sentences) == list(ENGLISH.sentences)
    assert [type(said) for said in words.sentences.values()] == [type(said) for said in ENGLISH.sentences.values()]


@pytest.mark.parametrize("words", OTHERS)
@pytest.mark.parametrize("key", ENGLISH.sentences)
def test_languages_tell_the_same_facts(words: Words, key: str) -> None:
    """Each form of a sentence has the placeholders that it has in English, and none was left in English."""
    for ours, theirs in zip(forms(ENGLISH.sentences[key]), forms(words.sentences[key]), strict=True):
        assert Template(theirs).is_valid()
        assert set(Template(ours).get_identifiers()) == set(Template(theirs).get_identifiers())
        assert ours != theirs


@pytest.mark.parametrize("words", LANGUAGES.values(), ids=LANGUAGES)
def test_dates_have_their_month(words: Words) -> None:
    """Twelve months, each its own."""
    days = {words.day(datetime(2026, month, 1, tzinfo=UTC)) for month in range(1, 13)}
    assert len(days) == len(words.months) == 12
    assert all("2026" in day for day in days)


@pytest.mark.parametrize(("count", "said"), [(0, "0 Dinge"), (1, "1 Ding"), (2, "2 Dinge"), (11, "11 Dinge")])
def test_plurals(count: int, said: str) -> None:
    """One is one, and everything else is several."""
    words = Words(tag="xx", months=(), date="", sentences={"things": Plural("$count Ding", "$count Dinge")})
    assert words.say("things", count=count) == said


def test_what_is_said_is_not_said_again() -> None:
    """A value that looks like a placeholder is no placeholder."""
    words = Words(tag="xx", months=(), date="", sentences={"of": "$app of $tenant"})
    assert words.say("of", app="$tenant", tenant="$$") == "$tenant of $$"


@pytest.mark.parametrize(
    ("locale", "asked"),
    [
        ("de", ("de",)),
        ("de-AT", ("de-at", "de")),
        ("pt_BR", ("pt-br", "pt")),
        ("zh-Hant-TW", ("zh-hant-tw", "zh-hant", "zh")),
        ("", ()),
        (None, ()),
        ("d", ()),
        ("de/..", ()),
        ("de\n", ()),
    ],
)
def test_tags(locale: str | None, asked: tuple[str, ...]) -> None:
    """From the nearest to the language itself; nothing for what is no locale."""
    assert tags(locale) == asked


def test_spoken() -> None:
    """The nearest of ours, and English for whom we have none for."""
    assert [spoken(locale).tag for locale in ("de-AT", "en", "fr", None)] == ["de", "en", "en", "en"]
