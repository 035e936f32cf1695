"""Outbound HTTP: bounded in time and size, never redirected, its errors told in our own words."""

import functools
import logging
import re
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlencode, urlsplit

import httpcore
import httpx

from uptake.errors import EdgeError, Fault, PermanentError, TransientError
from uptake.headers import age, allowance_in, clamped, entity_tag, http_date, joined, retry_after
from uptake.wire import WIRE, TimedBackend, Wire

# Both print whole addresses, in which some receivers carry their secret.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json", re.ASCII)
# Compressed bodies can be cut without an error, or unfold without an end.
_ALWAYS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "uptake"}
_ALWAYS_RETRIED = frozenset({408, 425})
_ENOUGH_OF_AN_ERROR = 64 * 1024
_LONGEST_PAUSE = 5.0  # seconds, before a request; whoever has to wait longer does so elsewhere

# Told of each try by its method and host, and of its answer by the status: all that is fit to be seen.
Watcher = Callable[[str, str], AbstractContextManager[Callable[[int], object]]]


def _nobody(_method: str, _host: str) -> AbstractContextManager[Callable[[int], object]]:
    return nullcontext(lambda _status: None)


_watcher: Watcher = _nobody


def watched_by(watcher: Watcher = _nobody) -> None:
    """Let *watcher* stand around every request of this process from now on; nobody, where none is named."""
    global _watcher  # noqa: PLW0603 - a process has one, set when it starts
    _watcher = watcher


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for a connection, for each wait for bytes and for all of a request; bytes for a body."""

    connect: float = 5.0
    read: float = 10.0
    deadline: float = 30.0
    body: int = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that was no redirect; *host* is all of the address that a message may show."""

    host: str
    status: int
    media_type: str
    body: bytes
    retry_after: timedelta | None
    etag: str | None = None
    age: timedelta | None = None  # since it left its source, where a cache says so
    date: datetime | None = None  # when that was, by its clock

    def json(self) -> bytes:
        """The body, if it is called JSON; whether it is JSON is for the decoder to say."""
        if not _JSON.fullmatch(self.media_type):
            raise TransientError(f"{self.host} answered something else than JSON", fault=Fault.PROTOCOL)
        return self.body

    def refusal(self, *, retried: Iterable[int] = ()) -> EdgeError | None:
        """What a status other than 2xx means, None for 2xx; statuses in *retried* are worth another try."""
        if 200 <= self.status < 300:
            return None
        text = f"{self.host} answered {_phrase(self.status)}"
        fault = _fault(self.status)
        if fault in {Fault.SERVER, Fault.RATE_LIMITED, Fault.PROTOCOL} or self.status in _ALWAYS_RETRIED | {*retried}:
            return TransientError(text, fault=fault, retry_after=self.retry_after)
        return PermanentError(text, fault=fault)


class Client:
    """Requests within *limits*. Every method raises TransientError or PermanentError and nothing else."""

    def __init__(self, limits: Limits | None = None, *, trust: ssl.SSLContext | None = None) -> None:
        self._limits = limits or Limits()
        self._free_at: dict[str, float] = {}  # by host: when it allows requests again, by the monotonic clock
        # The transport alone: nobody's cookies are kept, no redirect is followed, no environment is asked.
        self._transport = _TimedTransport(trust or httpx.create_ssl_context(trust_env=False))
        self._timeout = httpx.Timeout(self._limits.read, connect=self._limits.connect).as_dict()

    def get(self, url: str, *, params: Mapping[str, str] | None = None, headers: Mapping[str, str]) -> Answer:
        """Read *url*; tried a second time at once when a kept connection turns out to be closed."""
        # Put together here, for httpx parses an address anew for each part that it adds.
        return self._exchange("GET", f"{url}?{urlencode(params)}" if params else url, headers=headers)

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send *body* to *url*, once."""
        return self._exchange("POST", url, body=body, headers=headers)

    def close(self) -> None:
        """Let go of sockets."""
        self._transport.close()

    def _exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        try:
            request = httpx.Request(
                method,
                _parsed(url),
                headers={**_ALWAYS, **headers},
                content=body,
                extensions={"timeout": self._timeout},
            )
        except (httpx.InvalidURL, ValueError, TypeError):
            # The message of the cause would show what was not to be sent.
            raise PermanentError("the address or a header cannot be sent by HTTP", fault=Fault.REQUEST) from None
        self._pause(_host(request.url))
        deadline = time.monotonic() + self._limits.deadline
        wire = Wire(deadline)
        try:
            return self._tried(request, wire)
        except httpx.TransportError as error:
            if method != "GET" or not wire.is_stale or isinstance(error, httpx.TimeoutException):
                raise _translated(error, wire, _host(request.url)) from None
            wire = Wire(deadline)
        try:
            return self._tried(request, wire)
        except httpx.TransportError as error:
            raise _translated(error, wire, _host(request.url)) from None

    def _pause(self, host: str) -> None:
        """Slow down where *host* said that its allowance is used up, instead of running into a 429."""
        left = self._free_at.get(host, 0.0) - time.monotonic()
        if left > _LONGEST_PAUSE:
            text = f"{host} allows no request for another {left:.0f} s"
            raise TransientError(text, fault=Fault.RATE_LIMITED, retry_after=clamped(timedelta(seconds=left)))
        if left > 0:
            time.sleep(left)

    def _tried(self, request: httpx.Request, wire: Wire) -> Answer:
        with _watcher(request.method, _host(request.url)) as answered:
            answer = self._answered(request, wire)
            answered(answer.status)
            return answer

    def _answered(self, request: httpx.Request, wire: Wire) -> Answer:
        token = WIRE.set(wire)
        try:
            response = self._transport.handle_request(request)
            response.request = request
            try:
                if not wire.is_answered:
                    # It came before the question: what is left of an answer longer than it said, or one to nobody.
                    raise httpx.RemoteProtocolError("answered before it was asked")
                return self._read(response, _host(request.url))
            finally:
                response.close()
        finally:
            WIRE.reset(token)

    def _read(self, response: httpx.Response, host: str) -> Answer:
        if 300 <= response.status_code < 400 and response.status_code != HTTPStatus.NOT_MODIFIED:
            raise PermanentError(_moved(host, response), fault=Fault.REDIRECT)
        is_error = response.status_code >= 400
        # Read once: httpx looks through all of them for each name.
        headers = joined(response.headers.raw)
        if not is_error and headers.get("content-encoding", "").strip().lower() not in {"", "identity"}:
            raise TransientError(f"{host} compressed its answer unasked", fault=Fault.PROTOCOL)
        self._free_at[host] = time.monotonic() + (0.0 if is_error else allowance_in(headers))
        return Answer(
            host=host,
            status=response.status_code,
            media_type=headers.get("content-type", "").split(";")[0].strip().lower(),
            body=_start(response) if is_error else self._body(response, host),
            retry_after=_wait(response, headers) if "retry-after" in headers else None,
            etag=entity_tag(headers.get("etag", "")),
            age=age(headers.get("age", "")),
            date=http_date(headers.get("date", "")),
        )

    def _body(self, response: httpx.Response, host: str) -> bytes:
        pieces, read = [], 0
        for piece in response.iter_raw():
            pieces.append(piece)
            read += len(piece)
            if read > self._limits.body:
                raise PermanentError(f"{host} answered more than {self._limits.body} bytes", fault=Fault.TOO_LARGE)
        return b"".join(pieces)


# A worker asks for the same pages again and again, and httpx takes longer to parse an address than to send a request.
@functools.lru_cache(maxsize=4096)
def _parsed(url: str) -> httpx.URL:
    """*url* in parts; raises ValueError, also for ports and brackets that httpx lets pass, or httpx.InvalidURL."""
    _ = urlsplit(url).port
    return httpx.URL(url)


def _wait(response: httpx.Response, headers: Mapping[str, str]) -> timedelta | None:
    return retry_after(response.headers.get_list("retry-after"), headers.get("date"))


def _start(response: httpx.Response) -> bytes:
    """As much of an error's page as there is and matters: its status and its headers count, however it ends."""
    body = bytearray()
    with suppress(httpx.TransportError):
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > _ENOUGH_OF_AN_ERROR:
                break
    return bytes(body)


class _TimedTransport(httpx.HTTPTransport):
    def __init__(self, trust: ssl.SSLContext) -> None:
        super().__init__(verify=trust, trust_env=False)
        self._pool = httpcore.ConnectionPool(ssl_context=trust, keepalive_expiry=30.0, network_backend=TimedBackend())


def _translated(error: httpx.TransportError, wire: Wire, host: str) -> EdgeError:
    """Our words for *error*; its own text is left out where it could repeat what was sent."""
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return PermanentError("the address or a header cannot be sent by HTTP", fault=Fault.REQUEST)
    if isinstance(error, httpx.TimeoutException):
        return _too_late(wire, host)
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return PermanentError(f"the certificate of {host} is refused: {cause.verify_message}", fault=Fault.TLS)
    if isinstance(cause, ssl.SSLError) or wire.step == "tls":
        return TransientError(f"no TLS connection with {host}: {_reason(cause)}", fault=Fault.TLS)
    if isinstance(error, httpx.RemoteProtocolError) and wire.is_answered:
        return TransientError(f"{host} broke off its answer or the rules of HTTP", fault=Fault.PROTOCOL)
    return TransientError(f"no answer from {host}: {_reason(cause)}", fault=Fault.TRANSPORT)


def _reason(cause: BaseException) -> str:
    if isinstance(cause, ssl.SSLError):
        # OpenSSL's own name for it, such as UNSUPPORTED_PROTOCOL.
        return (cause.reason or "connection closed").replace("_", " ").lower()
    return cause.strerror if isinstance(cause, OSError) and cause.strerror else "connection closed"


def _too_late(wire: Wire, host: str) -> TransientError:
    if wire.is_last:
        return TransientError(f"{host} did not answer in full within the deadline", fault=Fault.DEADLINE)
    if wire.step == "tls":
        return TransientError(f"{host} did not finish the TLS handshake in time", fault=Fault.TLS)
    return TransientError(f"{host} was silent for too long ({wire.step})", fault=Fault.TRANSPORT)


def _cause(error: BaseException) -> BaseException:
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return error


def _host(url: httpx.URL) -> str:
    return url.host if url.port is None else f"{url.host}:{url.port}"


def _moved(host: str, response: httpx.Response) -> str:
    try:
        target = urlsplit(response.headers.get("location", "")).hostname or host
    except ValueError:
        target = "an address that cannot be read"
    return (
        f"{host} answered {_phrase(response.status_code)}, to {ascii(target[:100])[1:-1]}; redirects are not followed"
    )


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _fault(status: int) -> Fault:
    if status < 200 or status == HTTPStatus.NOT_MODIFIED:
        return Fault.PROTOCOL
    if status >= 500:
        return Fault.SERVER
    named = {401: Fault.AUTH, 403: Fault.AUTH, 404: Fault.GONE, 410: Fault.GONE, 429: Fault.RATE_LIMITED}
    return named.get(status, Fault.REQUEST)
