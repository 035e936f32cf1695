"""What is wrong with a template: told by line, before anybody is written to."""

import difflib
import functools
import re
import unicodedata
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import accumulate
from string import Template
from typing import NamedTuple

from uptake.placeholders import KINDS, PARTS, Placeholders

LARGEST = 64_000  # bytes
MOST = 200  # placeholders in one template, so that no message becomes much larger than its template
TOO_LARGE = f"is larger than {LARGEST // 1000} kB; leave pictures where a link leads to them"
_TOLD = 20
NAME = re.compile(rf"(?:reminder(?:\.[a-z]{{2,3}}(?:-[a-z0-9]{{2,8}})*)?|digest)\.(?:{'|'.join(PARTS)})", re.ASCII)
_ATTRIBUTE = re.compile(r"""([^\s"'<>/=]+)\s*=\s*("[^"]*"|'[^']*')""")
_DECLARATION = re.compile(r"<[!?](?!--)[^>]*")
_WORDS = ("title", "alt", "aria-label", "lang")
_READ = f"{', '.join(_WORDS[:-1])} or {_WORDS[-1]} in quotes"


class Mistake(NamedTuple):
    """What is wrong, on which line, and what to do."""

    line: int  # 0: it is not on any one
    said: str


class _Placed(NamedTuple):
    """A placeholder and where it stands, or a dollar sign that begins none."""

    name: str | None
    start: int
    end: int


@functools.lru_cache(maxsize=256)
def mistakes(name: str, text: str) -> tuple[Mistake, ...]:
    """What is wrong with the template in the file *name*; one without mistakes can be filled with any values."""
    if not NAME.fullmatch(name):
        return (Mistake(0, _no_name(name)),)
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        return (Mistake(0, TOO_LARGE),)
    if not text.strip():
        return (Mistake(0, "is empty; take the file away to have the built-in words"),)
    placed = [
        _Placed(f["named"] or f["braced"], *f.span()) for f in Template.pattern.finditer(text) if not f["escaped"]
    ]
    found = [*_characters(text), *_names(name, text, placed)]
    if name.endswith(".subject") and len(text.strip().splitlines()) > 1:
        found.append(Mistake(2, "is a second line; a subject has one"))
    if name.endswith(".html"):
        found += _places(name, text, [one for one in placed if one.name])
    return tuple(sorted(found)[:_TOLD])


def _no_name(name: str) -> str:
    plain = [f"{kind}.{part}" for kind in KINDS for part in PARTS]
    alike = difflib.get_close_matches(name.lower().replace("_", "-"), [*plain, "reminder.de.txt"], n=1, cutoff=0.8)
    mean = f"did you mean {alike[0]}? " if alike else ""
    return f"is no name of a template; {mean}there may be: {', '.join(plain)}, and by language, such as reminder.de.txt"


def _characters(text: str) -> Iterator[Mistake]:
    for at, character in enumerate(text):
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in "\n\t":
            yield Mistake(
                _line(text, at), f"holds a character that cannot be shown, U+{ord(character):04X}; take it out"
            )
            return


def _names(name: str, text: str, placed: list[_Placed]) -> Iterator[Mistake]:
    """Dollar signs that begin nothing, and placeholders that there are not, not here, or too often."""
    kind, part = KINDS[name.partition(".")[0]], name.rpartition(".")[2]
    once: set[str] = set()
    for one in placed:
        line = _line(text, one.start)
        if one.name is None:
            yield Mistake(line, "a $ that begins no placeholder; write $$ for the sign itself")
        elif one.name not in kind.of(part):
            yield Mistake(line, _unknown(one.name, kind.of(part)))
        elif one.name in once:
            yield Mistake(line, f"${one.name} is there twice; once is enough")
        once |= {one.name} & kind.blocks if one.name else set()
    if len(placed) > MOST:
        yield Mistake(_line(text, placed[MOST].start), f"more than {MOST} placeholders in one template")


def _unknown(name: str, known: frozenset[str]) -> str:
    alike = difflib.get_close_matches(name.lower(), sorted(known), n=1, cutoff=0.6)
    mean = f"did you mean ${alike[0]}? " if alike else ""
    return f"${name} is no placeholder here; {mean}there are: {', '.join(f'${one}' for one in sorted(known))}"


def _places(name: str, text: str, placed: list[_Placed]) -> Iterator[Mistake]:
    """Placeholders of a page that stand where a name could become more than text."""
    kind = KINDS[name.partition(".")[0]]
    # Letters of the same length: to a browser, too, what is filled in can be a tag's name.
    masked = list(text)
    for one in placed:
        masked[one.start : one.end] = "x" * (one.end - one.start)
    page = _Page("".join(masked))
    if page.is_broken:
        yield Mistake(0, "is no HTML that can be read; does a <![ stand in it?")
        return
    for one in placed:
        line = _line(text, one.start)
        if any(start <= one.start < end for start, end in page.shut):
            yield Mistake(line, f"${one.name} stands in a script, a style, a comment or a declaration; take it out")
        for start, tag in page.tags:
            if start <= one.start < start + len(tag) and not _is_safe(one, start, tag, kind):
                urls = " or ".join(f"${address}" for address in sorted(kind.addresses))
                yield Mistake(line, f"${one.name} stands in a tag; there may be words in {_READ}, and {urls} as a href")


def _is_safe(one: _Placed, start: int, tag: str, kind: Placeholders) -> bool:
    """Whether it is words in an attribute that is read, or an address that is all of a link's; both in quotes."""
    for attribute in _ATTRIBUTE.finditer(tag):
        opens, closes = (start + edge for edge in attribute.span(2))
        if opens < one.start < closes:
            key, is_whole = attribute[1].lower(), (opens + 1, closes - 1) == (one.start, one.end)
            return (key in _WORDS and one.name in kind.lines) or (
                key == "href" and is_whole and one.name in kind.addresses
            )
    return False


class _Page(HTMLParser):
    """Where the tags of a page are, and all parts in which nothing is text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[int, str]] = []
        self.shut = [found.span() for found in _DECLARATION.finditer(text)]
        self.is_broken = False
        self._lines = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
        try:
            self.feed(text)
            self.close()
        except AssertionError:
            # The parser's own way to say that it does not know a kind of declaration.
            self.is_broken = True
        if self.cdata_elem:
            # What was never closed goes on to the end.
            self.shut.append((len(text) - len(self.rawdata), len(text)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - as the parser calls it
        """Note where it is and how it is written."""
        self.tags.append((self._offset(), self.get_starttag_text() or ""))

    def handle_data(self, data: str) -> None:
        """Note what is in scripts and styles."""
        if self.cdata_elem in {"script", "style"}:
            self.shut.append((self._offset(), self._offset() + len(data)))

    def handle_comment(self, data: str) -> None:
        """Note it; some mail programs read what is in comments."""
        self.shut.append((self._offset(), self._offset() + len("<!--") + len(data)))

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
