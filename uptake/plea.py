"""The reminder: what a person at a tenant reads whose accounts have something to accept."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from uptake.letter import Block, Bullets, Button, Heading, Parts, Path, Value, clean, letter, links
from uptake.scopes import GRANT, about
from uptake.templates import NO_TEMPLATES, Templates, chain, language
from uptake.words import Words, spoken

SUBJECT_NAME_LIMIT = 60
WHY_LIMIT = 2000
ITEMS_SHOWN = 50
ASKS_SHOWN = 20
CLICK_PATH = "Settings > Integrations > API Application Access > Upgrade to New Version > Allow"
PERMISSION = "Manage API Application Access"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """One app in one environment of one tenant that has a version to accept; times are in the tenant's zone."""

    app: str
    organization: str
    tenant: str
    environment: str
    from_version: int | None
    to_version: int
    missing: tuple[str, ...]  # as the source spells them, such as tn.crm.customers:r, or in words
    superfluous: tuple[str, ...] = ()
    blocked_since: datetime
    days: int
    step: int = 1  # which turn of its thread
    features: tuple[str, ...] = ()  # what is blocked, in the words of the tenant's people
    why: str = ""
    deadline: datetime | None = None  # when the older version is switched off
    accept_url: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reminder:
    """All that one person is asked for at once."""

    asks: tuple[Ask, ...]
    language: str | None = None  # the locale of who reads it
    is_escalated: bool = False  # others at the tenant were written to before, without an answer
    written_at: datetime | None = None  # left out, it is known as nearly as the asks' days tell
    click_path: str = CLICK_PATH
    permission: str = PERMISSION
    opt_out_url: str | None = None

    def __post_init__(self) -> None:
        if not self.asks:
            raise ValueError("a reminder asks for something")

    @property
    def pages(self) -> tuple[str, ...]:
        """The pages where something is accepted, each once; none that a browser should not open."""
        urls = dict.fromkeys(ask.accept_url for ask in self.asks)
        return tuple(url for url in urls if url and links("", url))

    @property
    def apps(self) -> list[str]:
        """Each app once."""
        return [app for _, app in dict.fromkeys((ask.organization, ask.app) for ask in self.asks)]

    @property
    def organizations(self) -> list[str]:
        """Each organization once."""
        return list(dict.fromkeys(ask.organization for ask in self.asks))

    @property
    def tenants(self) -> list[str]:
        """Each tenant once."""
        return list(dict.fromkeys(ask.tenant for ask in self.asks))

    @property
    def is_one(self) -> bool:
        """Whether it is about one thing, of which all of it speaks."""
        return len(self.asks) == 1


def reminder(facts: Reminder, templates: Templates = NO_TEMPLATES) -> Parts:
    """Ask a tenant's admin to accept what is new: what is blocked, since when, how to mend it, and who may.

    By the *templates* of the reader's language, built in where there is none that can be used. With several asks each
    has a section, which names no other tenant than its own.
    """
    words, tongues = spoken(facts.language), chain("reminder", facts.language, templates)
    lines = _lines(facts, words) | {"language": language(facts.language, tongues)}
    return letter("reminder", {**lines, **_blocks(facts, words, lines)}, templates, tongues)


def _lines(facts: Reminder, words: Words) -> dict[str, str]:
    asks = facts.asks
    oldest = min(asks, key=lambda ask: ask.blocked_since)
    deadline = min((ask.deadline for ask in asks if ask.deadline), default=None)
    return {
        "subject": _subject(facts, words),
        "app": _several(words, "more_apps", facts.apps),
        "tenant": _several(words, "more_tenants", facts.tenants),
        "organization": _several(words, "more_organizations", facts.organizations),
        "version": str(asks[0].to_version),
        "count": str(len(asks)),
        "step": str(max(ask.step for ask in asks)),
        "since": words.day(oldest.blocked_since),
        "days": str(oldest.days),
        "deadline": words.day(deadline) if deadline else "",
        "click_path": clean(facts.click_path),
        "permission": clean(facts.permission),
        "accept_url": facts.pages[0] if len(facts.pages) == 1 else "",
        "opt_out_url": (facts.opt_out_url or "") if links("", facts.opt_out_url) else "",
    }


def _blocks(facts: Reminder, words: Words, lines: dict[str, str]) -> dict[str, Value]:
    say, count = words.say, len(facts.asks)
    why = " ".join(_all(facts, "why"))
    return {
        "greeting": [say("greeting")],
        "opening": [_opening(facts.asks[0], words) if facts.is_one else say("waiting", count=count)],
        "escalation": [say("escalated")] if facts.is_escalated else [],
        "asks": list(_consequence(facts, facts.asks[0], words) if facts.is_one else _sections(facts, words)),
        "features": _bullets(_all(facts, "features"), words),
        "missing": _bullets(_permissions(_all(facts, "missing"), words), words),
        "superfluous": _bullets(_permissions(_all(facts, "superfluous"), words), words),
        "why": [clean(why, WHY_LIMIT)] if why else [],
        "accept": _accept(facts, words),
        "how": _how(facts, words, lines),
        "effort": [say("effort", count=count)],
        "who": [say("who", permission=lines["permission"])],
        "closing": [say("regards"), lines["organization"]] if len(facts.organizations) == 1 else [],
        "because": [say("because", count=count, organization=lines["organization"], tenant=lines["tenant"])],
        "stop": links(say("stop"), facts.opt_out_url),
    }


def _all(facts: Reminder, name: str) -> tuple[str, ...]:
    """What the asks have of this, each once."""
    found = (getattr(ask, name) for ask in facts.asks)
    each = (item for value in found for item in ((value.strip(),) if isinstance(value, str) else value))
    return tuple(dict.fromkeys(filter(None, each)))


def _subject(facts: Reminder, words: Words) -> str:
    is_still = all(ask.step > 1 for ask in facts.asks)
    key = ("subject" if len(facts.apps) == 1 else "subject_apps") + ("_still" if is_still else "")
    app = _several(words, "more_apps", facts.apps, SUBJECT_NAME_LIMIT)
    tenant = _several(words, "more_tenants", facts.tenants, SUBJECT_NAME_LIMIT)
    subject = words.say(key, app=app, tenant=tenant)
    if not is_still:
        return subject
    return words.say("again_numbered" if facts.is_one else "again", subject=subject, step=facts.asks[0].step)


def _several(words: Words, key: str, names: list[str], limit: int | None = None) -> str:
    """The first of *names*, and how many more there are."""
    first = clean(names[0], limit) if limit else clean(names[0])
    return words.say(key, first=first, count=len(names) - 1) if len(names) > 1 else first


def _sections(facts: Reminder, words: Words) -> Iterator[Block]:
    """Of each ask what it is about, and its page unless there is one for all of them."""
    for ask in facts.asks[:ASKS_SHOWN]:
        yield Heading(words.say(_where("section", ask), **_names(ask)))
        yield _opening(ask, words)
        yield from _consequence(facts, ask, words)
        if len(facts.pages) > 1 and ask.accept_url in facts.pages:
            yield _button(ask.accept_url, words)
    if (hidden := len(facts.asks) - ASKS_SHOWN) > 0:
        yield words.say("more_asks", count=hidden)


def _opening(ask: Ask, words: Words) -> str:
    """What is new, and what the tenant has instead."""
    released = words.say("released", version=ask.to_version, **_names(ask))
    key = _where("not_yet" if ask.from_version is None else "runs", ask)
    return f"{released} {words.say(key, version=ask.from_version, **_names(ask))}"


def _consequence(facts: Reminder, ask: Ask, words: Words) -> Iterator[Block]:
    """What it means for the tenant that it has not accepted yet: in its own words first, then the permissions."""
    names, today = _names(ask), "_today" if ask.days < 1 else ""
    since = {"date": words.day(ask.blocked_since), "count": ask.days}
    if ask.missing and ask.features:
        yield words.say(f"blocked{today}", **since, **names)
        yield from _bullets(ask.features, words)
    if ask.missing:
        yield words.say("needed", **names) if ask.features else words.say(f"lacks{today}", **since, **names)
        yield from _bullets(_permissions(ask.missing, words), words)
    else:
        yield words.say("nothing", **names)
    if ask.why.strip():
        yield words.say("why", why=clean(ask.why, WHY_LIMIT))
    if ask.superfluous:
        yield words.say("gives_up", **names)
        yield from _bullets(_permissions(ask.superfluous, words), words)
    if ask.deadline:
        past = "_past" if ask.deadline <= (facts.written_at or ask.blocked_since + timedelta(days=ask.days)) else ""
        older = "_older" if ask.from_version is None else ""
        yield words.say(f"deadline{past}{older}", date=words.day(ask.deadline), version=ask.from_version, **names)


def _where(key: str, ask: Ask) -> str:
    """Production goes without saying."""
    return key if ask.environment == "production" else f"{key}_in"


def _names(ask: Ask) -> dict[str, str]:
    return {name: clean(getattr(ask, name)) for name in ("app", "organization", "tenant", "environment")}


def _accept(facts: Reminder, words: Words) -> list[Block]:
    """The one page where all of it can be accepted."""
    return [*_title(facts, words), _button(facts.pages[0], words)] if len(facts.pages) == 1 else []


def _how(facts: Reminder, words: Words, lines: dict[str, str]) -> list[Block]:
    """The way to accept by hand, which stands once for all."""
    key = ("how" if facts.is_one else "how_each") + ("_else" if facts.pages else "")
    title = [] if len(facts.pages) == 1 else _title(facts, words)
    return [*title, words.say(key, app=lines["app"], tenant=lines["tenant"]), Path(lines["click_path"])]


def _title(facts: Reminder, words: Words) -> list[Block]:
    """What parts the sections from what is for all of them."""
    return [] if facts.is_one else [Heading(words.say("how_title"))]


def _button(url: str, words: Words) -> Button:
    return Button(words.say("accept"), url, words.say("leads", host=urlsplit(url).netloc))


def _permissions(items: Iterable[str], words: Words) -> list[str]:
    """Each permission as an admin reads it, both levels of one thing together; what is no grant stays as it is."""
    said: dict[str, str] = {}
    for item in dict.fromkeys(items):
        grant = GRANT.fullmatch(item)
        scope, level = (grant["scope"], grant["level"]) if grant else (item, "")
        said[scope] = said.get(scope, "") + level
    return [
        words.say(_LEVELS[level], thing=about(scope)) if level in _LEVELS else scope for scope, level in said.items()
    ]


_LEVELS = {"r": "view", "w": "modify", "rw": "view_modify", "wr": "view_modify"}


def _bullets(items: Iterable[str], words: Words) -> list[Block]:
    names = [clean(item) for item in items]
    hidden = len(names) - ITEMS_SHOWN
    more = [words.say("more_items", count=hidden)] if hidden > 0 else []
    return [Bullets((*names[:ITEMS_SHOWN], *more))] if names else []
