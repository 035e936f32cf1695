"""Signs of life of our processes, as the supervisor asks for them."""

import http.client
import time
from contextlib import closing

from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from models.base import engine_for
from models.queries.sources import tick_age
from worker.doctor import reach_broker

ANSWER_SECONDS = 3


class Pulse:
    """The worker's: it looks for due work every few seconds, and writes down when."""

    def __init__(self, database_url: str, broker_url: str) -> None:
        self._engine = engine_for(database_url)
        self._broker = broker_url
        self._begun = time.monotonic()

    def has_begun(self) -> bool:
        """Whether it has looked since this object was made."""
        age = self.age()
        return age is not None and age < time.monotonic() - self._begun

    def age(self) -> float | None:
        """How long ago it looked; None while a server it needs does not answer, for then it cannot."""
        try:
            reach_broker(self._broker)
            with Session(self._engine) as session:
                age = tick_age(session)
        except (OperationalError, BrokerError):
            return None
        return None if age is None else age.total_seconds()


class Page:
    """A server's, over HTTP."""

    def __init__(self, host: str, port: int) -> None:
        # Listening everywhere is no address to call.
        self._host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not listened on
        self._port = port
        self._answered = time.monotonic()

    def answers(self) -> bool:
        """Whether it is there."""
        with closing(http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_SECONDS)) as connection:
            try:
                connection.request("GET", "/healthz")
                return connection.getresponse().status == http.HTTPStatus.OK
            except (OSError, http.client.HTTPException):
                return False

    def silence(self) -> float:
        """Seconds since it last answered."""
        if self.answers():
            self._answered = time.monotonic()
        return time.monotonic() - self._answered
