"""What spans of others must not tell: addresses hold the keys of sign-in and opt-out links, and names looked for.

Imported only where traces are wanted, for it needs the extra.
"""

from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor

_HIDDEN = frozenset({"url.path", "url.query", "url.full", "http.url", "http.target", "client.address"})


class Discreet(SpanProcessor):
    """Empties what must not be told as soon as a span begins; the path of its route says where it was."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:  # noqa: ARG002 - as the SDK calls it
        """Empty what is hidden."""
        for name in _HIDDEN.intersection(span.attributes or ()):
            span.set_attribute(name, "")
