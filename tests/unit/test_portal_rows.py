"""Rows of the portal in our own words: what cannot be trusted is refused."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.portal_examples import CONNECTION, raw, row
from uptake.facts import Rejected, SeenConnection, Status
from uptake.sources.portal_rows import connection


def test_connection() -> None:
    """A connection comes in our words: times in UTC cut to microseconds, scopes as a set."""
    assert connection(raw(CONNECTION)) == SeenConnection(
        external_id="90210",
        tenant="1561207975",
        tenant_name="Bright HVAC",
        environment="production",
        status=Status.CONNECTED,
        version=2,
        grants=frozenset({"tn.jpm.jobs:r", "tn.jpm.jobs:w"}),
        client_id="cid.abc",
        allowed_at=datetime(2026, 3, 3, 10, 0, 0, 123456, tzinfo=UTC),
        accepted_at=datetime(2026, 4, 1, 11, 30, tzinfo=UTC),
        accepted_by="admin",
    )


def test_faithful_connection() -> None:
    """The real portal gives no times, and prints the latest version for a tenant that never connected."""
    poor = {"allowedOn": ..., "versionAcceptedOn": ..., "versionAcceptedBy": ...}
    seen = connection(raw(row(**poor)))
    assert (seen.version, seen.allowed_at, seen.accepted_at, seen.accepted_by) == (2, None, None, None)
    for client_id in (None, ""):
        never = connection(raw(row(**poor, clientId=client_id, enabled=False, version=3, scopes=[])))
        assert (never.status, never.version, never.grants, never.client_id) == (Status.NOT_CONNECTED, None, None, None)


@pytest.mark.parametrize(
    ("changed", "status", "version"),
    [
        ({"status": "disabled", "enabled": False}, Status.DISABLED, 2),
        ({"status": "disconnected", "clientId": None}, Status.DISCONNECTED, None),
        ({"status": "awaitingApproval", "clientId": None}, Status.AWAITING_APPROVAL, None),
        ({"status": "notConnected", "clientId": None}, Status.NOT_CONNECTED, None),
        ({"status": "Paused2"}, Status.UNKNOWN, 2),
        ({"status": "Connected"}, Status.UNKNOWN, 2),
        ({"version": None}, Status.CONNECTED, None),
        ({"version": 2**31 - 1}, Status.CONNECTED, 2**31 - 1),
        ({"surprise": {"new": [1]}}, Status.CONNECTED, 2),
    ],
    ids=str,
)
def test_statuses_and_versions(changed: dict[str, Any], status: Status, version: int | None) -> None:
    """Each status has its word, unknown ones stay unknown, and fields we do not know are let be."""
    seen = connection(raw(row(**changed)))
    assert (seen.status, seen.version) == (status, version)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a\\u0000b", "a\ufffdb"),
        (b"a\\ud800b", "a\ufffdb"),
        (b"a\\uDC00", "a\ufffd"),
        (b"\\ud83d\\ude00", "\N{GRINNING FACE}"),
        (b"\\ud83d\\ud83d\\ude00", "\ufffd\N{GRINNING FACE}"),
        (b"\\\\ud800", "\\ud800"),
        (b"x" * 10_000, "x" * 200),
        (b"=cmd() <script> {{7*7}}", "=cmd() <script> {{7*7}}"),
    ],
    ids=["nul", "high-half", "low-half", "pair", "half-and-pair", "escaped-backslash", "long", "canary"],
)
def test_names(name: bytes, shown: str) -> None:
    """A name is kept as given, but for what a database cannot hold and what no page could show."""
    assert connection(raw(json.dumps(row()).encode().replace(b"Bright HVAC", name))).tenant_name == shown


REJECTED: list[tuple[str, Any]] = [
    *(
        (f"version-{version!r}"[:30], row(version=version))
        for version in (0, -1, 1.0, 1.5, "3", " 3 ", "٣", "1_0", True)
    ),
    ("version-missing", row(version=...)),
    ("version-2^31", row(version=2**31)),
    ("version-2^63", row(version=2**63)),
    ("version-10^400", row(version=10**400)),
    ("no-status", row(status=...)),
    ("status-null", row(status=None)),
    ("connected-and-not-enabled", row(enabled=False)),
    ("no-app", row(appId=...)),
    ("scopes-string", row(scopes="tn.jpm.jobs:r")),
    ("scopes-with-null", row(scopes=[None])),
    ("scopes-empty-word", row(scopes=[""])),
    ("scopes-long", row(scopes=["x" * 201])),
    ("scopes-many", row(scopes=[f"s{n}:r" for n in range(10_001)])),
    ("environment", row(environment="Production\n")),
    ("client-id-long", row(clientId="c" * 201)),
    ("client-id-number", row(clientId=7)),
    ("time-without-zone", row(allowedOn="2026-03-03T10:00:00")),
    ("time-date-only", row(allowedOn="2026-03-03")),
    ("time-basic", row(allowedOn="20210719T203538Z")),
    ("time-week", row(allowedOn="2021-W29-1")),
    ("time-24", row(allowedOn="2026-03-03T24:00:00Z")),
    ("time-60", row(allowedOn="2026-03-03T10:00:60Z")),
    ("time-zone-25", row(allowedOn="2026-03-03T10:00:00+25:00")),
    ("time-10000", row(allowedOn="10000-03-03T10:00:00Z")),
    ("time-dotnet", row(allowedOn="/Date(1626726938287)/")),
    ("time-number", row(allowedOn=1626726938)),
    ("time-arabic", row(allowedOn="٢٠٢٦-03-03T10:00:00Z")),
    ("key-twice", json.dumps(row()).replace('"version": 2', '"version": 2, "version": 3').encode()),
    ("key-twice-escaped", json.dumps(row()).replace('"version": 2', '"version": 2, "\\u0076ersion": 3').encode()),
]
NAMELESS: list[tuple[str, Any]] = [
    ("null", None),
    ("list", []),
    ("empty", {}),
    ("no-owner", row(resourceOwner=...)),
    *(
        (f"tenant-{owner!r}"[:30], row(resourceOwner={"id": owner}))
        for owner in ("", " 7", -7, "-7", 2**64, 0, None, 1.5, "x" * 65)
    ),
    ("not-utf-8", b'{"resourceOwner":{"id":"\xff"}}'),
]


@pytest.mark.parametrize("body", [entry[1] for entry in REJECTED], ids=[entry[0] for entry in REJECTED])
def test_rejected_rows(body: Any) -> None:
    """A row that cannot be trusted is refused, and says whose it is, so that the tenant stays as it was."""
    with pytest.raises(Rejected) as caught:
        connection(raw(body))
    assert caught.value.tenant == "1561207975"


@pytest.mark.parametrize("body", [entry[1] for entry in NAMELESS], ids=[entry[0] for entry in NAMELESS])
def test_nameless_rows(body: Any) -> None:
    """A row that does not even say whose it is, is refused without a tenant."""
    with pytest.raises(Rejected) as caught:
        connection(raw(body))
    assert caught.value.tenant is None


def test_tenant_ids_have_one_form() -> None:
    """The number 7 and the text "7" are one tenant."""
    assert {connection(raw(row(resourceOwner={"id": owner}))).tenant for owner in (7, "7")} == {"7"}


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "1999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00"])
def test_times_beyond_belief(instant: str) -> None:
    """A time that cannot be is no time; the rest of the row counts."""
    assert connection(raw(row(allowedOn=instant))).allowed_at is None
