"""The shape of a message: clean lines, and text and html that say the same."""

import html
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

NAME_LIMIT = 200
SUBJECT_LIMIT = 200

LINK = re.compile(r"https?://[^\s<>\"'\\]+", re.ASCII)
# Emoji and several scripts are joined by these two; every other invisible character can only mislead.
JOINERS = "\u200c\u200d"


class Parts(NamedTuple):
    """One message: the subject is one clean line, text and html say the same."""

    subject: str
    text: str
    html: str


class Bullets(NamedTuple):
    """A list within a message."""

    items: tuple[str, ...]


class Link(NamedTuple):
    """An address with its label."""

    label: str
    url: str


Block = str | Bullets | Link


def letter(subject: str, blocks: Iterable[Block]) -> Parts:
    """Text and html from the same *blocks*, so that they cannot disagree."""
    title, blocks = clean(subject, SUBJECT_LIMIT), list(blocks)
    text = "\n\n".join(_as_text(block) for block in blocks) + "\n"
    body = "\n".join(_as_html(block) for block in blocks)
    # No colours of our own: the reader's light or dark ones are always readable.
    page = (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<meta name="color-scheme" content="light dark"><title>{html.escape(title)}</title></head>\n'
        '<body style="font-family:system-ui,sans-serif;font-size:16px;line-height:1.5;'
        f'max-width:40em;margin:1em auto;padding:0 1em;overflow-wrap:anywhere">\n{body}\n</body>\n</html>\n'
    )
    return Parts(title, text, page)


def clean(text: str, limit: int = NAME_LIMIT) -> str:
    """*text* as one line of visible characters, at most *limit* of them; safe in a subject and on a terminal."""
    # Nobody reads more than this, and a name of ten megabytes must not be walked.
    visible = "".join(_visible(character) for character in text[: limit * 4])
    line = " ".join(visible.split())
    if not line.strip(JOINERS):
        return "(no name)"
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def links(label: str, url: str | None) -> list[Block]:
    """A link only to where a browser may safely go: no script, no data, no invisible characters."""
    return [Link(label, url)] if url and LINK.fullmatch(url) and clean(url, len(url)) == url else []


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cc":
        # Not nothing: a line end parts two words. The line ends of Unicode are white space to `split` already.
        return " "
    return "" if category in {"Cf", "Cs"} and character not in JOINERS else character


def _as_text(block: Block) -> str:
    match block:
        case Bullets(items):
            return "\n".join(f"  - {item}" for item in items)
        case Link(label, url):
            return f"{label}: {url}"
        case _:
            return block


def _as_html(block: Block) -> str:
    match block:
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{html.escape(item)}</li>" for item in items) + "</ul>"
        case Link(label, url):
            return f'<p><a style="color:inherit" href="{html.escape(url)}">{html.escape(label)}</a></p>'
        case _:
            return f"<p>{html.escape(block)}</p>"
