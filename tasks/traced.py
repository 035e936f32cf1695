"""Spans of what a process does: who rang for which task, what it asked of the database, and of whom by HTTP.

They say what was done, never with which values: statements without their parameters, hosts without the rest of an
address, kinds of errors without their words. Without a collector in the environment, nothing of this is loaded.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from celery import signals
from sqlalchemy import Engine, event

from config import traces
from uptake.http import watched_by

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, MutableMapping

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_KEY = "uptake.spans"


def begin(service: str) -> Traced | None:
    """Trace this process from now on, where the environment says so; raises SettingsError."""
    return Traced(traces.provider(service)) if traces.are_wanted() else None


class Traced:
    """The spans of one process, which has made it after its fork; `end` sends those that are left."""

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry import context, propagate, trace  # noqa: PLC0415 - only where traces are wanted

        self.provider = provider
        self._tracer = provider.get_tracer("uptake")
        self._trace, self._context, self._propagate = trace, context, propagate
        self._running: dict[str, tuple[Span, Any]] = {}
        signals.before_task_publish.connect(self._rung)
        signals.task_prerun.connect(self._task_began)
        signals.task_failure.connect(self._task_failed)
        signals.task_postrun.connect(self._task_ended)
        watched_by(self._asking)

    def end(self) -> None:
        """Send what there is, and trace no more."""
        signals.before_task_publish.disconnect(self._rung)
        signals.task_prerun.disconnect(self._task_began)
        signals.task_failure.disconnect(self._task_failed)
        signals.task_postrun.disconnect(self._task_ended)
        watched_by()
        traces.flush(self.provider)

    def watch(self, engine: Engine) -> None:
        """Make a span of every statement that goes through *engine*."""
        event.listen(engine, "before_cursor_execute", self._statement_began)
        event.listen(engine, "after_cursor_execute", self._statement_ended)
        event.listen(engine, "handle_error", self._statement_failed)

    # The span of a ring is over at once: with a broker that is down, nobody would ever end it.
    def _rung(self, sender: str = "", headers: MutableMapping[str, Any] | None = None, **_: object) -> None:
        kind = self._trace.SpanKind.PRODUCER
        attributes = {"messaging.system": "celery", "messaging.destination.name": sender}
        with self._tracer.start_as_current_span(f"ring {sender}", kind=kind, attributes=attributes):
            if headers is not None:
                self._propagate.inject(headers)

    def _task_began(self, task_id: str, task: Any, **_: object) -> None:
        names = self._propagate.get_global_textmap().fields
        carried = {name: value for name in names if isinstance(value := task.request.get(name), str)}
        context = self._propagate.extract(carried)
        attributes = {"messaging.system": "celery", "messaging.message.id": task_id}
        kind = self._trace.SpanKind.CONSUMER
        span = self._tracer.start_span(f"run {task.name}", context=context, kind=kind, attributes=attributes)
        self._running[task_id] = (span, self._context.attach(self._trace.set_span_in_context(span, context)))

    def _task_failed(self, task_id: str, exception: BaseException, **_: object) -> None:
        if task_id in self._running:
            self._fail(self._running[task_id][0], exception)

    def _task_ended(self, task_id: str, **_: object) -> None:
        if task_id in self._running:
            span, token = self._running.pop(task_id)
            self._context.detach(token)
            span.end()

    @contextmanager
    def _asking(self, method: str, host: str) -> Iterator[Callable[[int], object]]:
        attributes = {"http.request.method": method, "server.address": host}
        with self._tracer.start_as_current_span(
            method,
            kind=self._trace.SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield lambda status: span.set_attribute("http.response.status_code", status)
            except BaseException as error:
                self._fail(span, error)
                raise

    def _statement_began(self, connection: Any, _cursor: object, statement: str, *_: object) -> None:
        attributes = {"db.system.name": "postgresql", "db.query.text": statement.strip()}
        name = statement.split(maxsplit=1)[0].upper()
        span = self._tracer.start_span(name, kind=self._trace.SpanKind.CLIENT, attributes=attributes)
        connection.info.setdefault(_KEY, []).append(span)

    def _statement_ended(self, connection: Any, *_: object) -> None:
        if spans := connection.info.get(_KEY):
            spans.pop().end()

    def _statement_failed(self, failure: Any) -> None:
        spans = failure.connection.info.get(_KEY) if failure.connection is not None else None
        if spans:
            self._fail(spans[-1], failure.original_exception)
            spans.pop().end()

    def _fail(self, span: Span, error: BaseException) -> None:
        span.set_attribute("error.type", type(error).__qualname__)
        span.set_status(self._trace.StatusCode.ERROR)
