"""A collector that takes spans by OTLP over HTTP, as a real one does, and keeps them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response


@dataclass
class Seen:
    """One span as it arrived."""

    service: str
    name: str
    kind: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    is_error: bool
    words: list[str]  # that an error came with


@dataclass
class Collector:
    """All spans that arrived, and the bytes they came in."""

    url: str
    spans: list[Seen] = field(default_factory=list)
    raw: bytes = b""

    def take(self, request: Request) -> Response:
        """Keep what is sent."""
        sent = request.get_data()
        self.raw += sent
        told = ExportTraceServiceRequest.FromString(sent)
        for one in told.resource_spans:
            service = {each.key: each.value.string_value for each in one.resource.attributes}["service.name"]
            for scope in one.scope_spans:
                self.spans += [_seen(service, span) for span in scope.spans]
        return Response(b"", content_type="application/x-protobuf")

    def named(self, name: str) -> list[Seen]:
        """The spans called so."""
        return [span for span in self.spans if span.name == name]

    def trace(self, of: Seen) -> list[Seen]:
        """All spans of the trace that one is in."""
        return [span for span in self.spans if span.trace == of.trace]


def _seen(service: str, span: Any) -> Seen:
    kinds = ("", "internal", "server", "client", "producer", "consumer")
    attributes = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
    return Seen(
        service,
        span.name,
        kinds[span.kind],
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        attributes,
        span.status.code == 2,
        [span.status.message] * bool(span.status.message) + [str(told) for told in span.events],
    )


@contextmanager
def collector() -> Iterator[Collector]:
    """One that listens until the end of the block."""
    with HTTPServer(host="127.0.0.1") as server:
        listening = Collector(server.url_for(""))
        server.expect_request("/v1/traces", method="POST").respond_with_handler(listening.take)
        yield listening
