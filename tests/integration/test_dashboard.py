"""The dashboard: its answers agree with the questions, and nothing a tenant wrote is taken for markup."""

import asyncio
from datetime import timedelta

import httpx

from dashboard.app import application
from tests.integration.models.world import A, B, World


def ask(path: str, database_url: str) -> httpx.Response:
    """One request; the application's own start is left out, for the test's session is bound already."""

    async def asked() -> httpx.Response:
        transport = httpx.ASGITransport(application(database_url))
        async with httpx.AsyncClient(transport=transport, base_url="http://dashboard") as client:
            return await client.get(path)

    return asyncio.run(asked())


def test_apps(world: World, database_url: str) -> None:
    """The API answers what `uptake status --json` prints."""
    world.put("1", 1)
    world.poll()
    answer = ask("/api/v1/apps", database_url).json()
    assert answer["next"] is None
    assert [(app["app"], app["connected"], app["adoption"]) for app in answer["data"]] == [("acme:4711", 1, 0.0)]


def test_page_is_inert(world: World, database_url: str) -> None:
    """A tenant's name is text; every answer carries the security headers."""
    world.put("1", 1, tenant_name="<script>alert(1)</script>")
    world.poll()
    world.release(A, B)
    world.poll()
    world.evaluate(after=timedelta(days=20))
    answer = ask("/", database_url)
    assert answer.status_code == 200
    assert "Dispatch Helper" in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "<script>" not in answer.text
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_health(world: World, database_url: str) -> None:
    """Alive is not ready: without a tick for a minute it says what is missing."""
    assert ask("/healthz", database_url).json() == {"status": "ok"}
    answer = ask("/readyz", database_url)
    assert answer.status_code == 503
    assert "nobody has ticked" in answer.json()["problems"][0]
