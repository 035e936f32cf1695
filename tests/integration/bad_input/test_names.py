"""Bad inputs 60 to 65: times and names as somebody else wrote them, and every place where a name ends up."""

import json
import logging
import re
import sys
import unicodedata
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import structlog
from rich.console import Console

from config.logs import configure_logging
from models import Session
from models.queries.apps import laggards
from tasks.deliver import deliver_now
from tasks.edges import channel_named
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.rules import rules
from tests.integration.bad_input.polled import LATER, accepted, listed, polled, row_of, running
from tests.integration.tasks.recorded import Ours
from tests.integration.test_dashboard import ask
from tests.integration.test_email import Mailroom, letter_of
from tests.integration.test_email import mailroom as mailroom  # noqa: PLC0414 - its fixture, for this file too
from worker.cli import output

NAME = "SELECT name FROM tenant WHERE external_id = '5'"


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("2026-03-03T10:00:00.1234567Z", "2026-03-03T10:00:00.123456+00:00"),
        ("2026-03-03T10:00:00+05:30", "2026-03-03T04:30:00+00:00"),
        ("0001-01-01T00:00:00Z", None),
        ("1999-12-31T23:59:59Z", None),
        ("9999-12-31T23:59:59Z", None),
    ],
    ids=["case_60_7_digits", "case_60_zone", "case_60_year_1", "case_60_year_1999", "case_60_year_9999"],
)
def test_times(ours: Ours, said: str, stored: str | None) -> None:
    """A time is stored in UTC to the microsecond; one that cannot be is no time, and the rest of its row counts."""
    assert accepted(ours, said) == (None if stored is None else datetime.fromisoformat(stored))


@pytest.mark.parametrize(
    "ahead",
    [
        pytest.param(timedelta(hours=23), id="case_60_within_a_day"),
        pytest.param(timedelta(hours=25), id="case_60_beyond_a_day"),
    ],
)
def test_times_ahead(ours: Ours, ahead: timedelta) -> None:
    """A clock may be ahead of ours by a day; what is further away is no time."""
    at = ours.now + LATER + ahead
    kept = at if ahead < timedelta(days=1) else None
    assert accepted(ours, at.isoformat()) == kept
    told = ours.rows("""SELECT cast(e.data ->> 'accepted_at' AS timestamptz) FROM event e
                        JOIN tenant t ON t.id = e.tenant_id WHERE t.external_id = '5' AND e.type = 'tenant.upgraded'""")
    assert told == [(kept,)]


def test_case_60_times_order_nothing(ours: Ours) -> None:
    """Who says that version 2 was accepted before version 1 has upgraded all the same."""
    polled(ours)
    ours.portal.fault = row_of(
        ours.portal, 5, lambda row: row | {"version": 3, "versionAcceptedOn": "2001-01-01T00:00:00Z"}
    )
    assert polled(ours, after=2 * LATER).changed
    assert running(ours)["5"] == 3
    assert ours.rows("SELECT 1 FROM event WHERE type = 'version.regressed'") == []


NAMES: list[tuple[str, str, str]] = [
    ("case_61_nul", "a\\u0000b", "a\ufffdb"),
    ("case_62_high_half", "a\\ud800b", "a\ufffdb"),
    ("case_62_low_half", "a\\uDC00", "a\ufffd"),
    ("case_62_whole_pair", "\\ud83d\\ude00", "\N{GRINNING FACE}"),
    ("case_63_composed", "Caf\u00e9", "Caf\u00e9"),
    ("case_63_decomposed", "Cafe\u0301", "Cafe\u0301"),
    ("case_63_zero_width", "a\u200bb", "a\u200bb"),
    ("case_63_right_to_left", "a\u202ecod.exe", "a\u202ecod.exe"),
    ("case_63_homoglyphs", "\u0410cme", "\u0410cme"),
    ("case_63_joined_emoji", "\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
    ("case_64_10_MB", "x" * 10_000_000, "x" * 200),
    ("case_64_one_too_long", "x" * 201, "x" * 200),
    ("case_64_just_fits", "x" * 200, "x" * 200),
]


@pytest.mark.parametrize(("spelled", "stored"), [case[1:] for case in NAMES], ids=[case[0] for case in NAMES])
def test_names(ours: Ours, spelled: str, stored: str) -> None:
    """A name is kept as it is, but for what a database cannot hold or nobody would read; a second poll is no news."""
    body = spelled.encode()
    ours.portal.fault = row_of(ours.portal, 5, lambda row: json.dumps(row).encode().replace(b"Tenant 5", body))
    recorded = polled(ours)
    assert (recorded.outcome, recorded.changed) == ("complete", 3)
    assert ours.rows(NAME) == [(stored,)]
    assert running(ours)["5"] == 2
    again = polled(ours, after=2 * LATER)
    assert again.changed == again.vanished
    assert ours.rows(NAME) == [(stored,)]


@pytest.mark.parametrize("field", ["clientId", "versionAcceptedBy"], ids="case_61_nul_in_{}".format)
def test_nul_elsewhere(ours: Ours, field: str) -> None:
    """No other text of a row brings a NUL to the database either."""
    ours.portal.fault = row_of(ours.portal, 5, lambda row: row | {field: "a\0b"})
    assert polled(ours).changed == 3
    column = {"clientId": "client_id", "versionAcceptedBy": "accepted_by"}[field]
    assert ours.rows(f"SELECT {column} FROM connection WHERE {column} LIKE 'a%b'") == [("a\ufffdb",)]  # noqa: S608 - ours


def test_case_63_ids_make_the_difference(ours: Ours) -> None:
    """Two tenants of one name are two; one tenant of two names is one."""
    same = {"kind": "tenant", "name": "Tenant 3"}
    ours.portal.fault = row_of(ours.portal, 5, lambda row: row | {"resourceOwner": same | {"id": "5"}})
    polled(ours)
    assert ours.rows("SELECT external_id FROM tenant WHERE name = 'Tenant 3' ORDER BY 1") == [("3",), ("5",)]
    assert ours.rows("SELECT count(*) FROM tenant") == [(6,)]


@pytest.fixture
def restored() -> Iterator[None]:
    """Log as before, after this test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


CANARIES = {
    "formula": "=cmd('calc')!A1",
    "markup": "<script>alert(1)</script>",
    "template": "{{4321*1234}}${4321*1234}",
    "mail_header": "a\r\nBcc: evil@example.com",
    "url_encoded": "a%0d%0aBcc: evil@example.com",
    "sql": "'; DROP TABLE tenant; --",
    "path": "../../etc/passwd",
    "ansi": "\x1b[31mred\x1b]0;title\x07",
    "log_line": 'a\n2026-01-01 [error] forged "\u2028forged',
    "bidi": "a\u202eb",
}


@pytest.fixture
def post(ours: Ours, chosen: Path, mailroom: Mailroom) -> Mailroom:
    """Operators hear of laggards by mail and in the log."""
    extra = f"""
[policy]
receivers = ["post", "book"]
[[receiver]]
name = "post"
kind = "email"
url = "{mailroom.url}"
from = "Acme Apps <apps@acme.example>"
to = ["ops@acme.example"]
[[receiver]]
name = "book"
kind = "log"
"""
    ours.portal.toml(chosen, extra)
    rules.cache_clear()
    channel_named.cache_clear()
    return mailroom


@pytest.mark.parametrize("canary", CANARIES.values(), ids=[f"case_65_{name}" for name in CANARIES])
def test_names_are_inert(
    ours: Ours,
    post: Mailroom,
    restored: None,
    database_url: str,
    canary: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A laggard's name is text and nothing else: on a page, in a letter, on a terminal, in the log and the database."""
    ours.portal.tenants = dict.fromkeys(range(1, 6), 1)
    owner = {"kind": "tenant", "id": "5", "name": canary}
    ours.portal.fault = listed(ours.portal, lambda rows: [*rows[:4], rows[4] | {"resourceOwner": owner}])
    polled(ours)
    at = ours.now + LATER
    evaluate_now(ours.app, now=at)
    flush_now(now=at + timedelta(minutes=5))
    assert ours.rows(NAME) == [(canary,)]

    page = ask("/", database_url)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "5332114" not in page.text

    configure_logging("info", "console")
    deliver_now(now=at + timedelta(minutes=6))
    lines = capsys.readouterr().err.rstrip("\n").split("\n")
    assert [line for line in lines if not (line.startswith("20") and line.isprintable())] == []
    assert any("notice.logged" in line for line in lines)
    letter = letter_of(post)
    assert sorted(name for name in letter if name.lower() in {"to", "cc", "bcc"}) == ["To"]
    assert post.letters[-1][1] == ["ops@acme.example"]
    body = letter.get_body(("html",))
    assert body is not None
    assert "<script" not in body.get_content()
    plain = letter.get_body(("plain",))
    assert plain is not None
    assert not any(unicodedata.category(sign) in {"Cc", "Cf"} and sign not in "\r\n" for sign in plain.get_content())

    console = Console(width=200, record=True, file=sys.stdout)
    monkeypatch.setattr(output, "console", console)
    with Session() as session:
        shown = [(one.app, one.tenant_name) for one in laggards(session, most=9)]
    capsys.readouterr()
    output.table("Laggards", ("App", "Tenant"), shown, empty="")
    printed = capsys.readouterr().out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u202e]", printed)
    assert len(shown) == 5


def test_case_63_page_shows_no_control_characters(ours: Ours, database_url: str) -> None:
    """A page shows a name in isolation from what is around it, and without what cannot be seen."""
    ours.portal.tenants = dict.fromkeys(range(1, 6), 1)
    owner = {"kind": "tenant", "id": "5", "name": "a\x1b\x07b"}
    ours.portal.fault = row_of(ours.portal, 5, lambda row: row | {"resourceOwner": owner})
    polled(ours)
    evaluate_now(ours.app, now=ours.now + LATER)
    page = ask("/", database_url).text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", page)
    assert "<bdi>a b</bdi>" in page
