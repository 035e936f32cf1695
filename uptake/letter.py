"""The shape of a message: clean lines, and text and html that say the same."""

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from uptake.templates import Templates, chosen, filled

NAME_LIMIT = 200
SUBJECT_LIMIT = 200

LINK = re.compile(r"https?://[^\s<>\"'\\]+", re.ASCII)
# Emoji and several scripts are joined by these two; every other invisible character can only mislead.
JOINERS = "\u200c\u200d"
_GAP = re.compile(r"\n(?:[ \t]*\n){2,}")
_RULE = 60


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


class Button(NamedTuple):
    """The address that the message is about, with its label; and where it leads, said in words."""

    label: str
    url: str
    leads: str


class Heading(NamedTuple):
    """What the part below is about."""

    title: str


class Path(NamedTuple):
    """Where to click, one thing after the other."""

    steps: str


Block = str | Bullets | Link | Button | Heading | Path
# What a placeholder stands for: words on one line, or blocks.
Value = str | list[Block]


def letter(kind: str, values: Mapping[str, Value], templates: Templates, tongues: Iterable[str] = ("",)) -> Parts:
    """The message that the templates of *kind* make of *values*, each escaped for the part that it stands in.

    *values* holds every placeholder that there is; its subject is the built-in one.
    """
    by_language = tuple(tongues)
    lines = {name: value for name, value in values.items() if isinstance(value, str)}
    title = clean(filled(chosen(kind, "subject", by_language, templates), lines), SUBJECT_LIMIT)
    said = {**values, "subject": title}
    text = filled(chosen(kind, "txt", by_language, templates), {name: as_text(value) for name, value in said.items()})
    page = filled(chosen(kind, "html", by_language, templates), {name: as_html(value) for name, value in said.items()})
    # Blocks that are empty leave no gap.
    return Parts(title, _GAP.sub("\n\n", text).strip("\n") + "\n", page)


def as_text(value: Value) -> str:
    """A placeholder's value as plain text."""
    return value if isinstance(value, str) else "\n\n".join(_text_of(block) for block in value)


def as_html(value: Value) -> str:
    """A placeholder's value as part of a page."""
    return html.escape(value) if isinstance(value, str) else "\n".join(_html_of(block) for block in value)


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


def _text_of(block: Block) -> str:
    match block:
        case Bullets(items):
            return "\n".join(f"  - {item}" for item in items)
        case Link(label, url) | Button(label, url, _):
            return f"{label}: {url}"
        case Heading(title):
            return f"{title}\n{'-' * min(len(title), _RULE)}"
        case Path(steps):
            return f"  {steps}"
        case _:
            return block


def _html_of(block: Block) -> str:
    match block:
        case Bullets(items):
            return (
                '<ul style="padding-left:1.5em">' + "".join(f"<li>{html.escape(item)}</li>" for item in items) + "</ul>"
            )
        case Link(label, url):
            return f'<p><a style="color:inherit" href="{html.escape(url)}">{html.escape(label)}</a></p>'
        case Button():
            return _button(block)
        case Heading(title):
            return f'<h2 style="font-size:1.15em;line-height:1.3;margin:2em 0 .5em">{html.escape(title)}</h2>'
        case Path(steps):
            return f"<p><strong>{html.escape(steps)}</strong></p>"
        case _:
            return f"<p>{html.escape(block)}</p>"


def _button(block: Button) -> str:
    # Where mail programs ignore the padding of links, a cell of a table still has one. Both colours are said, so that
    # it can be read on any ground.
    return (
        '<table role="presentation" cellpadding="0" cellspacing="0" style="margin:1.5em 0 .25em"><tr>'
        '<td bgcolor="#0b57d0" style="background:#0b57d0;border-radius:6px;padding:12px 24px">'
        '<a style="color:#ffffff;font-weight:600;text-decoration:none"'
        f' href="{html.escape(block.url)}">{html.escape(block.label)}</a></td></tr></table>\n'
        f'<p style="margin-top:0;font-size:14px;opacity:.8">{html.escape(block.leads)}</p>'
    )
