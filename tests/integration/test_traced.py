"""What spans say when something goes wrong: that it did and of what kind, never with which values."""

from collections.abc import Iterator

import pytest
from celery import Celery, signals
from opentelemetry import trace
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from models.base import engine_for
from tasks.doorbell import ring
from tasks.traced import Traced, begin
from tests.integration.collector import Collector, collector
from uptake import http
from uptake.errors import EdgeError
from uptake.http import Client
from worker.doctor import examined


@pytest.fixture
def listening() -> Iterator[Collector]:
    """A collector."""
    with collector() as found:
        yield found


@pytest.fixture
def traced(listening: Collector, monkeypatch: pytest.MonkeyPatch) -> Traced:
    """This process is traced."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening.url)
    made = begin("test")
    assert made
    return made


def test_a_statement_that_fails(traced: Traced, listening: Collector, database_url: str) -> None:
    """The database's own words repeat what was to be written; the span has the kind of the error alone."""
    engine = engine_for(database_url)
    traced.watch(engine)
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        with pytest.raises(DBAPIError):
            connection.execute(text("SELECT cast(:it AS int)"), {"it": "Bright HVAC"})
        connection.rollback()
        connection.execute(text("SELECT 2"))
    traced.end()
    engine.dispose()
    told = [(span.attributes["db.query.text"], span.is_error, span.parent) for span in listening.named("SELECT")]
    assert told[-3:] == [("SELECT 1", False, ""), ("SELECT cast(%(it)s AS int)", True, ""), ("SELECT 2", False, "")]
    assert [span.attributes.get("error.type") for span in listening.named("SELECT")][-2] == "InvalidTextRepresentation"
    assert b"Bright" not in listening.raw


def test_a_request_that_fails(traced: Traced, listening: Collector) -> None:
    """A receiver's address may be its secret: the span has the host alone."""
    client = Client()
    with pytest.raises(EdgeError):
        client.post("http://127.0.0.1:9/x/s3cr3t?k=s3cr3t", body=b"s3cr3t", headers={"Authorization": "s3cr3t"})
    client.close()
    traced.end()
    (asked,) = listening.named("POST")
    assert (asked.is_error, asked.attributes["server.address"]) == (True, "127.0.0.1:9")
    assert (asked.attributes["error.type"], asked.words) == ("ConnectError", [])
    assert b"s3cr3t" not in listening.raw


def test_a_broker_that_is_down(traced: Traced, listening: Collector) -> None:
    """A bell that nobody hears is one span, and what comes after it is not taken for a part of it."""
    app = Celery("test", broker="redis://127.0.0.1:9/0", set_as_current=False)

    @app.task(name="uptake.test")
    def unheard() -> None:
        """Do nothing."""

    for _ in range(2):
        assert not ring(unheard)
    traced.end()
    rung = listening.named("ring uptake.test")
    assert [(span.kind, span.parent) for span in rung] == [("producer", "")] * 2


def test_a_task_that_fails(traced: Traced, listening: Collector) -> None:
    """The task's span says so, ends all the same, and leaves nothing behind."""
    app = Celery("test", set_as_current=False)

    @app.task(name="uptake.test")
    def broken() -> None:
        """Break."""
        raise ValueError("of s3cr3t")

    broken.request.update(traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    signals.task_prerun.send(sender=broken, task_id="1", task=broken)
    signals.task_failure.send(sender=broken, task_id="1", exception=ValueError("of s3cr3t"))
    signals.task_postrun.send(sender=broken, task_id="1", task=broken)
    assert traced._running == {}
    assert not trace.get_current_span().get_span_context().is_valid
    traced.end()
    (run,) = listening.named("run uptake.test")
    assert (run.trace, run.parent) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
    assert (run.is_error, run.attributes["error.type"]) == (True, "ValueError")
    assert b"s3cr3t" not in listening.raw


def test_at_the_end_nobody_listens(traced: Traced, listening: Collector, database_url: str) -> None:
    """After the end, requests and bells are as they were without traces."""
    traced.end()
    assert http._watcher is http._nobody
    client = Client()
    with pytest.raises(EdgeError):
        client.get("http://127.0.0.1:9/", headers={})
    client.close()
    assert listening.named("GET") == []


@pytest.mark.parametrize(
    "chosen",
    [{"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}],
)
def test_turned_off(listening: Collector, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str]) -> None:
    """OpenTelemetry's own ways to turn traces off hold here, too."""
    for name, value in ({"OTEL_EXPORTER_OTLP_ENDPOINT": listening.url} | chosen).items():
        monkeypatch.setenv(name, value)
    assert begin("test") is None


def test_what_cannot_be_had_is_told_early(listening: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Doctor says, and so does every command that starts a process, when traces are asked for in another way."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", listening.url)
    (well,) = examined("settings")
    assert well.ok
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    (unwell,) = examined("settings")
    assert not unwell.ok
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is grpc; only http/protobuf" in unwell.said
