"""Where connections are listed: one file per kind of portal, all answering in `uptake.facts`."""

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from uptake.facts import FedPage, SeenApp, SeenConnection, SeenVersion
from uptake.pages import ALL, Mark, Page, Span


class Capability(enum.StrEnum):
    """What a kind of source can tell; the rest of Uptake asks this, never the kind's name."""

    LISTS_NEVER_CONNECTED = "lists_never_connected"
    GIVES_GRANTED_SCOPES = "gives_granted_scopes"
    GIVES_ACCEPTANCE_TIME = "gives_acceptance_time"
    GIVES_CONTACT = "gives_contact"
    REMOVAL_IS_IMMEDIATE = "removal_is_immediate"
    SUPPORTS_CONDITIONAL = "supports_conditional"
    SUPPORTS_FEED = "supports_feed"
    PUSHES_ACCEPTANCE = "pushes_acceptance"


class Kind(enum.StrEnum):
    """How a source tells versions."""

    VERSIONED = "versioned"  # numbered versions
    SCOPE_SET = "scope_set"  # Uptake numbers the requested sets itself
    VERDICT = "verdict"  # the platform says what is pending


def unbothered() -> None:
    """What to do between pages where there is nothing to do."""


class Source(Protocol):
    """A portal's listings. Each method raises TransientError or PermanentError and nothing else."""

    kind: Kind
    capabilities: frozenset[Capability]

    def apps(self, *, between: Callable[[], None] = unbothered) -> list[SeenApp]:
        """Every app of the credential, deleted ones included where the source lists them; *between* pages is called."""

    def versions(self, app: str) -> list[SeenVersion]:
        """The whole version history of *app*, oldest first, numbers without gaps."""

    def pages(self, app: str, marks: Mapping[int, Mark], *, conditional: bool, span: Span = ALL) -> Iterator[Page]:
        """The connections of *app*, page by page; it ends without an error only after a complete walk of the *span*.

        A walk is complete too if the listing grew or shrank meanwhile, which its pages tell: then it proves no absence.
        A page that is still as its mark tells comes without items. Only a *conditional* walk takes the source's
        word for it; any other looks at the bytes.
        """

    def check_whole(self, app: str, pages: Iterable[tuple[int, Mark, bool]]) -> bool:
        """Whether the listing of *app* grew or shrank while its pages were read in parts; raises unless it is whole.

        Each page comes with its number, in order, and whether the source only said that it is unchanged.
        """

    def decode(self, app: str, item: msgspec.Raw) -> SeenConnection:
        """The facts of one raw item of *app*; raises Rejected when it cannot be trusted."""

    def feed(self, since: str | datetime) -> Iterator[FedPage]:
        """What changed in the connections of all apps after *since*, a time or the end of an earlier page.

        Asked of sources that support a feed; whether this one has it turns out with the first page. A connection may
        be told of again, never too seldom: what ended up in no page by now will be in one after the last.
        """

    def close(self) -> None:
        """Let go of sockets."""
