"""Whether the environment asks for traces (OTEL_...), and where they go: to a collector, by OTLP over HTTP.

Nothing of OpenTelemetry's is loaded before somebody asks for it.
"""

import os
from importlib.metadata import version
from typing import TYPE_CHECKING

from config.settings import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN = "http/protobuf"
_FLUSH_MILLISECONDS = 3000  # at the end of a process, which has to end in time whether or not anybody listens


def are_wanted() -> bool:
    """Whether a collector is named, and traces are not turned off."""
    named = any(map(os.environ.get, _ENDPOINTS))
    is_off = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    return named and not is_off and os.environ.get("OTEL_TRACES_EXPORTER", "otlp").strip() in {"", "otlp"}


def provider(service: str) -> "TracerProvider":
    """Whoever makes spans and sends them, for this process alone: it must not cross a fork. Raises SettingsError."""
    _check_protocol()
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as above
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - as above

        from config.discreet import Discreet  # noqa: PLC0415 - as above
    except ImportError:
        named = next(filter(os.environ.get, _ENDPOINTS))
        raise SettingsError(
            f"environment: {named} asks for traces, and OpenTelemetry is not installed; install it beside Uptake "
            "(pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http) or unset it"
        ) from None
    said = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or service, "service.version": version("uptake")}
    made = TracerProvider(resource=Resource.create(said))
    made.add_span_processor(Discreet())
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return made


def check() -> None:
    """Raise SettingsError where traces are wanted and cannot be had, before a process begins that would make them."""
    if are_wanted():
        provider("uptake").shutdown()


def flush(made: "TracerProvider") -> None:
    """Send what there is, and end; a collector that does not answer is not waited for."""
    made.force_flush(_FLUSH_MILLISECONDS)
    made.shutdown()


def _check_protocol() -> None:
    chosen = next(filter(None, map(os.environ.get, _PROTOCOLS)), _SPOKEN)
    if chosen != _SPOKEN:
        name = next(filter(os.environ.get, _PROTOCOLS))
        raise SettingsError(f"environment: {name} is {chosen}; only {_SPOKEN} is spoken (a collector's port 4318)")
