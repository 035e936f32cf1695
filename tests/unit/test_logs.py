"""Logging: one line a record, ours and everyone else's, and no secret in any of them."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from config.logs import configure_logging
from models.keys import Prefix, new_key


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged, parsed."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_ours_and_foreign_records_are_json_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Structlog's records and the standard library's come out alike."""
    configure_logging("info", "json")
    structlog.get_logger("ours").info("app.polled", app="acme:1")
    logging.getLogger("celery").warning("lost %s", "it")
    ours, foreign = lines(capsys)
    assert (ours["event"], ours["app"], ours["level"]) == ("app.polled", "acme:1", "info")
    assert (foreign["event"], foreign["logger"], foreign["level"]) == ("lost it", "celery", "warning")
    assert ours["timestamp"].endswith("Z")


CANARY = "c4n4ry"


@pytest.mark.parametrize(
    "data",
    [
        {"client_secret": CANARY},
        {"headers": {"Authorization": f"Bearer {CANARY}"}},
        {"note": f"whsec_{CANARY}"},
        {"note": f"key ak1.{CANARY} refused"},
        {"note": f"token eyJ{CANARY}.eyJ{CANARY}.{CANARY} refused"},
        {"url": f"smtp://user:{CANARY}@mail.example:25"},
        {"note": [f"Bearer {CANARY}"]},
        {"note": f"GET /sign-in/oidc/back?code={CANARY}&state={CANARY} HTTP/1.1"},
    ],
    ids=["key", "nested", "webhook-secret", "portal-key", "portal-token", "userinfo", "list", "way-back"],
)
@pytest.mark.parametrize("style", ["json", "console"])
def test_secrets_are_hidden(capsys: pytest.CaptureFixture[str], style: str, data: dict[str, Any]) -> None:
    """A secret shows neither by its key nor by its looks."""
    configure_logging("debug", style)
    structlog.get_logger().warning("edge.failed", **data)
    said = capsys.readouterr().err
    assert "edge.failed" in said
    assert CANARY not in said


@pytest.mark.parametrize("prefix", Prefix)
def test_our_own_keys_are_hidden(capsys: pytest.CaptureFixture[str], prefix: Prefix) -> None:
    """Tokens, sessions and links show nowhere, also in the address of a request that is logged."""
    key = new_key(prefix)
    configure_logging("debug", "console")
    # Not uvicorn's own: servers of other tests have set those up for the whole process.
    logging.getLogger("a.server.access").info('%s - "%s %s"', "127.0.0.1", "GET", f"/sign-in/once/{key}")
    structlog.get_logger().warning("edge.failed", note=f"{key} is refused")
    said = capsys.readouterr().err
    assert said.count("***") == 2
    assert key[8:] not in said


def test_tracebacks_show_no_locals(capsys: pytest.CaptureFixture[str]) -> None:
    """An exception is logged with its place and text, without what the variables held."""
    configure_logging("info", "json")

    def broken() -> int:
        held = CANARY
        return len(held) // 0

    try:
        broken()
    except ZeroDivisionError:
        structlog.get_logger().exception("task.broke")
    (record,) = lines(capsys)
    assert "ZeroDivisionError" in json.dumps(record)
    assert CANARY not in json.dumps(record)


def test_hostile_names_stay_on_their_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A tenant called with line breaks or escape sequences makes no line of its own."""
    configure_logging("info", "console")
    structlog.get_logger().info("tenant.seen", tenant="a\nERROR fake\x1b[31m\u2028b")
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "\x1b[31m" not in said
