"""Polling a portal that misbehaves, and what the poll's own row says of it."""

import json
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import text
from werkzeug import Request, Response

from models import Session
from models.record import Recorded
from tasks.poll import poll
from tasks.rules import rules
from tests.integration.portal_double import page
from tests.integration.small_portal import ROOT, Fault, SmallPortal
from tests.integration.tasks.recorded import Ours, well
from tests.integration.wire_server import Script, reading, serving
from uptake.http import Client, Limits
from uptake.sources.portal import PortalSource

LATER = timedelta(hours=7)
HASTY = Limits(connect=0.5, read=1.0, deadline=1.2)
# Everybody's news after the first poll: who moved to what, and who came.
NEWS = {"1": 2, "3": 1, "4": 1, "5": 2, "6": 3}


class Run(NamedTuple):
    """A poll as its row tells it."""

    outcome: str
    fault: str | None
    reason: str
    pages: int
    rows: int
    changed: int
    vanished: int
    rejected: int


def last_run(ours: Ours) -> Run:
    """The last poll of any app."""
    columns = ", ".join("coalesce(reason, '')" if name == "reason" else name for name in Run._fields)
    ((*values,),) = ours.rows(f"SELECT {columns} FROM poll WHERE app_id IS NOT NULL ORDER BY id DESC LIMIT 1")  # noqa: S608 - ours
    return Run(*values)


def spoiled(ours: Ours, *, after: timedelta = LATER) -> Run:
    """The poll *after* the first one, which must believe nothing: no row but its own and when to come back differs."""
    before = ours.contents()
    assert poll(ours.app, now=ours.now + after, forced=True) is None
    assert ours.contents() == before
    assert ours.rows("SELECT count(*) FROM app WHERE lease_token IS NOT NULL") == [(0,)]
    run = last_run(ours)
    assert (run.outcome, run.changed, run.vanished) == ("failed", 0, 0)
    return run


def recovered(ours: Ours, *, after: timedelta = 2 * LATER) -> None:
    """Once the portal is well again, one poll records all the news."""
    ours.portal.fault = well
    recorded = polled(ours, after=after)
    assert (recorded.outcome, recorded.changed, recorded.released) == ("complete", 3, (3,))


def polled(ours: Ours, *, after: timedelta = LATER) -> Recorded:
    """The poll *after* the first one, which must be recorded."""
    recorded = poll(ours.app, now=ours.now + after, forced=True)
    assert recorded, last_run(ours)
    return recorded


def running(ours: Ours) -> dict[str, int | None]:
    """Who is connected to the app, at which version."""
    query = text("""SELECT t.external_id, c.version FROM connection c JOIN tenant t ON t.id = c.tenant_id
                    WHERE c.app_id = :app AND c.status = 'connected' AND c.absent_walks = 0""")
    with Session() as session:
        return {row.external_id: row.version for row in session.execute(query, {"app": ours.app})}


def due_in(ours: Ours, *, after: timedelta = LATER) -> timedelta:
    """How long after that poll the app is due again, were its portal well."""
    with Session() as session:
        due: datetime = session.scalars(text("SELECT next_poll_at FROM app WHERE id = :app"), {"app": ours.app}).one()
    return due - (ours.now + after)


def wait_of_portal(ours: Ours, *, after: timedelta = LATER) -> timedelta | None:
    """How long after that poll no worker asks the portal for anything."""
    ((until,),) = ours.rows("SELECT circuit_open_until FROM source")
    return None if until is None else until - (ours.now + after)


def listed(portal: SmallPortal, edit: Callable[[list[dict[str, Any]]], list[Any]]) -> Fault:
    """All connections on one page, as *edit* leaves them; a row of bytes goes out as it is."""

    def fault(request: Request) -> Response | None:
        if not request.path.endswith("/connections"):
            return None
        truth = portal._rows(request.path.removeprefix(ROOT))
        rows = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in edit(truth)]
        answer = page(1, totalCount=len(rows))
        answer.set_data(answer.get_data().replace(b'"data": []', b'"data": [' + b", ".join(rows) + b"]"))
        return answer

    return fault


def row_of(portal: SmallPortal, tenant: int, edit: Callable[[dict[str, Any]], Any]) -> Fault:
    """All connections on one page, of which *edit* changes the one of *tenant*."""
    return listed(
        portal,
        lambda rows: [edit(row) if row["resourceOwner"]["id"] == str(tenant) else row for row in rows],
    )


def accepted(ours: Ours, said: str) -> datetime | None:
    """When tenant 5 was let in and accepted version 2, as stored, where the portal says *said* of both."""
    told = {"versionAcceptedOn": said, "allowedOn": said}
    ours.portal.fault = row_of(ours.portal, 5, lambda row: row | told)
    assert polled(ours).outcome == "complete"
    query = """SELECT c.accepted_at, c.allowed_at FROM connection c JOIN tenant t ON t.id = c.tenant_id
               WHERE t.external_id = '5' AND c.version = 2"""
    ((at, allowed),) = ours.rows(query)
    assert at == allowed
    assert at is None or isinstance(at, datetime)
    return at


@contextmanager
def connected(
    ours: Ours,
    *,
    base: str | None = None,
    token: str | None = None,
    client: Client | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[PortalSource]:
    """Polls of this block read the portal at *base*, with a token from *token*, by a *client* in a hurry."""
    table = rules().sources["acme"]
    source = PortalSource(
        name=table.name,
        url=f"{base or ours.portal.url}/portal/v2",
        token_url=f"{token or ours.portal.url}/connect/token",
        organization=table.organization,
        client_id=table.client_id,
        client_secret=table.client_secret.get_secret_value(),
        app_key=table.app_key.get_secret_value(),
        clock=clock,
        sleep=lambda _seconds: None,
        client=client or Client(HASTY),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.poll.source_named", lambda _name: source)
        yield source
    source.close()


@contextmanager
def fronted(
    portal: SmallPortal, bad: Script, *, path: bytes = b"/connections", tls: ssl.SSLContext | None = None
) -> Iterator[str]:
    """The address of a server before *portal* that passes requests on, but follows *bad* where *path* is asked for."""

    def script(connection: socket.socket) -> None:
        asked = connection.recv(65536, 0 if tls else socket.MSG_PEEK)
        if path in asked.partition(b"\r\n")[0]:
            bad(connection)
            return
        connection.sendall(truth(portal, asked if tls else reading(connection)))

    def encrypted(connection: socket.socket) -> None:
        assert tls
        with tls.wrap_socket(connection, server_side=True) as inner:
            script(inner)

    with serving(encrypted if tls else script) as url:
        yield url.replace("http://127.0.0.1", "https://localhost") if tls else url


def truth(portal: SmallPortal, request: bytes) -> bytes:
    """What *portal* answers to the head of a *request*."""
    host, port = portal.url.removeprefix("http://").split(":")
    answer = b""
    with socket.create_connection((host, int(port))) as there:
        there.sendall(request.replace(b"Connection: keep-alive", b"Connection: close"))
        while more := there.recv(65536):
            answer += more
    return answer
