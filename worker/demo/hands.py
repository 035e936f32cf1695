"""The hands of everybody in the demo: calls to the portal as its developer, its tenants' admins and its operator."""

import http.client
import json
import threading
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

API = "/portal/v2"
PATIENCE_SECONDS = 20
# Tokens live 15 minutes; a fresh one is fetched well before.
TOKEN_SECONDS = 600


class RefusedError(Exception):
    """The portal said no, or is not there; *conflict* when what was asked for is so already, or cannot be now."""

    def __init__(self, said: str, *, conflict: bool = False) -> None:
        super().__init__(said)
        self.conflict = conflict


class Client(NamedTuple):
    """A credential at the portal."""

    id: str
    secret: str
    app_key: str

    @classmethod
    def written(cls, entry: Mapping[str, Any]) -> "Client":
        """The client of an entry of the portal's credentials file."""
        return cls(entry["clientId"], entry["clientSecret"], entry["appKey"])


class Hands:
    """Calls to one portal; may be used by several threads, each with a connection of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._mine = threading.local()
        self._tokens: dict[str, tuple[str, float]] = {}

    def call(self, client: Client, method: str, path: str, body: Any = None) -> Any:
        """One call as *client*; the answer's JSON, None when it is empty. Raises RefusedError."""
        headers = {"Authorization": f"Bearer {self._token(client)}", "ST-App-Key": client.app_key}
        content = None if body is None else json.dumps(body)
        if content:
            headers["Content-Type"] = "application/json"
        return self._exchange(method, API + path, content, headers)

    def clock(self, now: str | None) -> None:
        """Set the portal's business clock; None: real time."""
        headers = {"Content-Type": "application/json"}
        self._exchange("PUT", f"{API}/demo/clock", json.dumps({"now": now}), headers)

    def answers(self) -> bool:
        """Whether the portal is there."""
        try:
            self._exchange("GET", "/healthz", None, {})
        except RefusedError:
            return False
        return True

    def _token(self, client: Client) -> str:
        token, until = self._tokens.get(client.id, ("", 0.0))
        if time.monotonic() < until:
            return token
        form = {"grant_type": "client_credentials", "client_id": client.id, "client_secret": client.secret}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        fresh: str = self._exchange("POST", "/connect/token", urlencode(form), headers)["access_token"]
        self._tokens[client.id] = fresh, time.monotonic() + TOKEN_SECONDS
        return fresh

    def _exchange(self, method: str, path: str, content: str | None, headers: Mapping[str, str]) -> Any:
        try:
            status, said = self._sent(method, path, content, headers)
        except (OSError, http.client.HTTPException) as error:
            self._connection().close()
            raise RefusedError(f"the portal does not answer: {error}") from error
        if status >= http.HTTPStatus.BAD_REQUEST:
            text = f"the portal answered {status} to {method} {path}: {said[:300].decode(errors='replace')}"
            raise RefusedError(text, conflict=status == http.HTTPStatus.CONFLICT)
        return json.loads(said) if said else None

    def _sent(self, method: str, path: str, content: str | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        connection = self._connection()
        was_kept = connection.sock is not None
        try:
            connection.request(method, path, content.encode() if content else None, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (http.client.RemoteDisconnected, ConnectionError):
            if not was_kept:
                raise
        # Closed at the other end while nothing was to be sent, which shows only when it is used again.
        connection.close()
        return self._sent(method, path, content, headers)

    def close(self) -> None:
        """Hang up, in the thread that called."""
        if hasattr(self._mine, "connection"):
            self._mine.connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._mine, "connection"):
            self._mine.connection = http.client.HTTPConnection(*self._address, timeout=PATIENCE_SECONDS)
        connection: http.client.HTTPConnection = self._mine.connection
        return connection
