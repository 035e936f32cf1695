"""Logging, set up once for our records and everyone else's: console or JSON lines, secrets redacted."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

# Keys whose values never leave the process, wherever they stand.
_SECRET_KEY = re.compile(
    r"secret|token|password|passwd|authorization|app_?key|api_?key|cookie|credential", re.IGNORECASE
)
# Values that give themselves away: our own kinds of secret, bearers, and the userinfo of an address.
_SECRET_VALUE = re.compile(
    r"(?:whsec_|cs1\.|ak1\.|at1\.|\beyJ)[\w+/=.-]+|\bup[tslw]_[0-9a-f]{8,}"
    r"|(?<=://)[^\s/@]+(?=@)|(?<=[Bb]earer )\S+|(?<=[Bb]asic )\S+"
    # What an identity provider sends a browser back with.
    r"|(?<=/sign-in/oidc/back\?)\S+"
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_HIDDEN = "***"
# Chatty, and fond of whole URLs.
_QUIET = ("httpx", "httpcore", "asyncio", "urllib3")
# A line for each message, each request and each tick, while all is well; our own records say what came of them.
_ROUTINE = ("celery.worker.strategy", "celery.app.trace", "celery.beat", "celery.worker.consumer", "uvicorn.access")


def configure_logging(level: str = "info", style: str = "console") -> None:
    """Send every record of this process to standard error, one per line, as text or as JSON.

    Calling it again replaces what was set. Tracebacks carry no local variables, and nothing a portal or a
    tenant wrote can start a new line.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _traceback(style),
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _renderer(style)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    routine = logging.NOTSET if level.upper() == "DEBUG" else logging.WARNING
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _ROUTINE:
        logging.getLogger(name).setLevel(routine)


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide secrets by the name of their key and by their looks, and keep every value on its line."""
    return {key: _hidden(key, value) for key, value in event.items() if key != "color_message"}


def _hidden(key: str, value: Any) -> Any:
    if key in {"_record", "_from_structlog"}:
        return value
    if _SECRET_KEY.search(key) and value is not None:
        return _HIDDEN
    if isinstance(value, str):
        shown = _SECRET_VALUE.sub(_HIDDEN, value)
        # A traceback is ours and has lines; whatever else has them was written by somebody else.
        return shown if key == "exception" else _CONTROL.sub(_escaped, shown)
    if isinstance(value, Mapping):
        return {inner: _hidden(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden("", item) for item in value]
    return value


def _escaped(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")


def _traceback(style: str) -> Processor:
    if style == "json":
        transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return structlog.processors.ExceptionRenderer(transform)
    return structlog.processors.format_exc_info


def _renderer(style: str) -> Processor:
    if style == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
