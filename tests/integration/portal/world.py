"""A served portal, and the people who call it."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from sqlalchemy import Connection, Engine, text
from sqlalchemy.engine import make_url

from portal.app import Choices, create_app
from portal.bootstrap import Bootstrap, NewClient, NewOrganization, NewTenant, install
from portal.clock import Clock
from portal.rates import Rates

_numbers = itertools.count(1)
VIEW, MODIFY, JOBS = "tn.crm.customers:r", "tn.crm.customers:w", "tn.jpm.jobs:r"


@contextmanager
def served(database_url: str, **choices: Any) -> Iterator[str]:
    """The address of a portal that is served from a thread; with a clock and without limits, or as *choices* say."""
    everyday: dict[str, Any] = {"demo_clock": True, "rates": Rates(0, 0, 0)}
    chosen = Choices(**(everyday | choices))
    app = create_app(make_url(database_url), chosen)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the portal did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


class Caller:
    """A client with its token and key, whose paths begin at *prefix*."""

    def __init__(self, base: str, prefix: str, credentials: dict[str, Any]) -> None:
        self.credentials = credentials
        self.base = base
        self.home = f"{base}/portal/v2{prefix}"
        self._http = httpx.Client(timeout=30)
        self._http.headers["ST-App-Key"] = credentials["appKey"]
        self._http.headers["Authorization"] = f"Bearer {self.token().json()['access_token']}"

    def token(self, **other: str) -> httpx.Response:
        """What the token endpoint answers to these credentials, with *other* form fields."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self.credentials["clientId"],
            "client_secret": self.credentials["clientSecret"],
        }
        return httpx.post(f"{self.base}/connect/token", data=form | other)

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Make a call and return whatever comes; *path* may be a whole address."""
        return self._http.request(method, path if path.startswith("http") else self.home + path, **more)

    def ok(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        """Make a call that must succeed, and return its body."""
        answer = self(method, path, **({"json": body} if body is not None else {}), **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def listed(self, path: str, **query: Any) -> list[Any]:
        """The rows of a list's page."""
        rows: list[Any] = self.ok("GET", path, params=query)["data"]
        return rows

    def close(self) -> None:
        """Hang up."""
        self._http.close()


@dataclass
class World:
    """Makes organizations and tenants that no other test knows."""

    engine: Engine
    base: str
    callers: list[Caller]

    def developer(self, *, faithful: bool = False, scopes: tuple[str, ...] = ()) -> Caller:
        """A client of a new organization."""
        name = f"Organization {next(_numbers)}"
        clients = (NewClient(name="j.doe", scopes=scopes),)
        made = self._made(Bootstrap(organizations=(NewOrganization(name=name, faithful=faithful, clients=clients),)))
        entry = made["organizations"][0]
        return self.calling(f"/organization/{entry['id']}", entry["clients"][0] | {"id": entry["id"]})

    def colleague(self, developer: Caller) -> Caller:
        """Another client of the same organization, with a key and a token of its own."""
        number = int(developer.credentials["id"])
        clients = (NewClient(name=f"colleague {next(_numbers)}"),)
        known = developer.ok("GET", "")["name"]
        made = self._made(Bootstrap(organizations=(NewOrganization(name=known, id=number, clients=clients),)))
        entry = made["organizations"][0]
        return self.calling(f"/organization/{number}", entry["clients"][0] | {"id": entry["id"]})

    def admin(self, customer: str | None = None) -> Caller:
        """A tenant admin's client of a new tenant, whose id is in its credentials."""
        return self.admins(1, customer)[0]

    def admins(self, count: int, customer: str | None = None) -> list[Caller]:
        """Tenant admins of *count* new tenants."""
        entries = tuple(self._tenant(customer) for _ in range(count))
        made = self._made(Bootstrap(tenants=entries))
        return [
            self.calling(f"/tenant/{entry['id']}", entry["clients"][0] | {"id": entry["id"]})
            for entry in made["tenants"]
        ]

    def tenants(self, count: int, customer: str | None = None) -> list[str]:
        """The ids of *count* new tenants of whom nobody calls."""
        entries = tuple(self._tenant(customer, clients=()) for _ in range(count))
        self._made(Bootstrap(tenants=entries))
        return [entry.id for entry in entries]

    def rename(self, tenant: str, name: str) -> None:
        """Give a tenant another name, as a second bootstrap file does."""
        self._made(Bootstrap(tenants=(NewTenant(id=tenant, name=name, clients=()),)))

    def operator(self) -> Caller:
        """A client of the platform's operator."""
        made = self._made(Bootstrap(operators=(NewClient(name=f"operator {next(_numbers)}"),)))
        return self.calling("/operator", made["operators"][0])

    def approved(self, developer: Caller, **other: Any) -> int:
        """A new public app that the operator has approved."""
        number: int = developer.ok("POST", "/apps", app_body(distribution="public") | other)["id"]
        self.operator().ok("POST", f"/apps/{number}/approve")
        return number

    def _tenant(self, customer: str | None, **more: Any) -> NewTenant:
        number = next(_numbers)
        return NewTenant(id=f"15{number:06}", name=f"Tenant {number}", customer=customer, **more)

    def _made(self, wanted: Bootstrap) -> dict[str, Any]:
        with self.engine.begin() as connection:
            return install(connection, wanted, Clock())

    def calling(self, prefix: str, credentials: dict[str, Any]) -> Caller:
        """Whoever has the *credentials*, at work below *prefix*."""
        caller = Caller(self.base, prefix, credentials)
        self.callers.append(caller)
        return caller


def app_body(**other: Any) -> dict[str, Any]:
    """A private app as it is asked for, with *other* fields."""
    return {
        "name": "Dispatch Helper",
        "organizationName": "Acme Apps",
        "homePageUrl": "https://acme.example",
        "distribution": "private",
        "scopes": [VIEW],
    } | other


def connected(developer: Caller, admin: Caller, **other: Any) -> int:
    """A new app that the admin's tenant has allowed at version 1."""
    number: int = developer.ok("POST", "/apps", app_body(tenantIds=[admin.credentials["id"]], **other))["id"]
    admin.ok("POST", f"/app-access/{number}/allow")
    return number


def code(answer: httpx.Response) -> tuple[int, str]:
    """The status and the code of a problem, whose shape is checked on the way."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(body) == {"type", "title", "status", "traceId", "errors", "data"}
    assert body["status"] == answer.status_code
    assert body["traceId"]
    return answer.status_code, body["data"]["code"]


def token_of(world: World, secret: dict[str, Any], **other: str) -> httpx.Response:
    """What the token endpoint answers to a connection's client id and secret, with *other* form fields."""
    form = {"grant_type": "client_credentials", "client_id": secret["clientId"], "client_secret": secret["value"]}
    return httpx.post(f"{world.base}/connect/token", data=form | other)


@dataclass
class Using:
    """An app at work for one tenant, with the credentials of its connection."""

    world: World
    tenant: str
    key: str
    secret: dict[str, Any]
    headers: dict[str, str]

    def address(self, module: str, resource: str) -> str:
        """Where a resource of the guarded API is."""
        return f"{self.world.base}/{module}/v2/tenant/{self.tenant}/{resource}"

    def get(self, module: str, resource: str) -> httpx.Response:
        """Read it."""
        return httpx.get(self.address(module, resource), headers=self.headers)

    def post(self, module: str, resource: str, **body: Any) -> httpx.Response:
        """Write to it."""
        return httpx.post(self.address(module, resource), headers=self.headers, json=body)

    def renewed(self, **other: str) -> str:
        """Fetch a token, with *other* form fields; the scopes it carries."""
        answer = token_of(self.world, self.secret, **other).json()
        self.headers = {"ST-App-Key": self.key, "Authorization": f"Bearer {answer['access_token']}"}
        scopes: str = answer["scope"]
        return scopes


def using(world: World, developer: Caller, admin: Caller, app: int) -> Using:
    """The app at work for the admin's tenant, which has allowed it."""
    secret = admin.ok("POST", f"/app-access/{app}/client-secrets")
    client = Using(world, admin.credentials["id"], developer.ok("GET", f"/apps/{app}")["appKey"], secret, {})
    client.renewed()
    return client


@contextmanager
def held(world: World, statement: str, **named: Any) -> Iterator[Connection]:
    """Another transaction that has done *statement* and stays open, as a slow call's does."""
    with world.engine.connect() as connection:
        connection.execute(text(statement), named)
        yield connection
        connection.rollback()


def until_waiting(world: World, calls: int = 1) -> None:
    """Wait until so many calls wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    deadline = time.monotonic() + 8
    with world.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while connection.scalar(text(waiting)) != calls:
            assert time.monotonic() < deadline, "nobody waits for a lock"
            time.sleep(0.02)


def eventually(holds: Callable[[], Any], what: str) -> Any:
    """Wait until *holds* gives something true, and return it."""
    deadline = time.monotonic() + 20
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found
