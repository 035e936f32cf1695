"""What is said to people: complete, inert and on one line where it must be."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.wording import Ask, Digest, GroupLine, Text, clean, digest, reminder, span

NOW = datetime(2026, 3, 20, 9, tzinfo=UTC)
HOSTILE = "=cmd|' /C calc'!A0<script>\r\nBcc: a@b.example\u202e{{7*7}}"


def asked(**changes: object) -> Text:
    """A reminder, with *changes*."""
    facts: dict[str, object] = {
        "app": "Dispatch Helper",
        "organization": "Acme Apps",
        "tenant": "Bright HVAC",
        "environment": "production",
        "from_version": 2,
        "to_version": 3,
        "missing": frozenset({"tn.crm.customers:r"}),
        "superfluous": frozenset(),
        "since": NOW - timedelta(days=16),
        "now": NOW,
        "step": 1,
        "names": {"tn.crm.customers": "Customers"},
    }
    return reminder(Ask(**(facts | changes)))  # type: ignore[arg-type]  # a test varies any fact


@pytest.mark.parametrize(
    "said",
    [
        "Dispatch Helper",
        "Acme Apps",
        "Bright HVAC",
        "16 days",
        "View Customers",
        "version 3 (you have version 2)",
        "Settings > Integrations > API Application Access > Upgrade to New Version > Allow",
        "Manage API Application Access",
    ],
)
def test_reminder_says(said: str) -> None:
    """A reminder names what is blocked, what is wanted, since when, where to click and who may."""
    assert said in asked().plain


def test_reminder_names_what_is_given_back() -> None:
    """Scopes that the app no longer needs are part of what is accepted."""
    assert "View Jobs" in asked(superfluous=frozenset({"tn.jpm.jobs:r"}), names={"tn.jpm.jobs": "Jobs"}).plain


def test_hostile_name_is_inert() -> None:
    """A tenant's name can neither add a header, nor markup, nor turn the text around."""
    text = asked(tenant=HOSTILE)
    assert "\n" not in text.subject
    assert "\r" not in text.subject
    assert "<script>" not in text.html
    assert "\u202e" not in text.plain


def test_later_reminders_say_so() -> None:
    """The second message is recognisable as a reminder."""
    assert asked(step=2).subject.startswith("Reminder: ")


def test_digest_counts_and_cuts() -> None:
    """An operators' message says why now, how many, names the first, and where the others are."""
    line = GroupLine(
        tenant="Bright HVAC",
        tenant_id="42",
        environment="production",
        is_firing=True,
        severity="warning",
        since=NOW - timedelta(days=20),
        missing=["tn.crm.customers:r"],
        resolved_because=None,
    )
    text = digest(
        Digest(
            app="Dispatch Helper",
            app_key="acme:4711",
            kind="tenant_lagging",
            reason="first",
            firing=500,
            new_firing=500,
            resolved=0,
            lines=[line],
            now=NOW,
        )
    )
    assert "[OPEN] Dispatch Helper" in text.subject
    assert "first notice" in text.plain
    assert "warning: Bright HVAC (42), lacks tn.crm.customers:r, for 20 days" in text.plain
    assert "and 499 more" in text.plain


@pytest.mark.parametrize(
    ("passed", "said"),
    [
        (timedelta(days=1), "1 day"),
        (timedelta(days=3, hours=5), "3 days"),
        (timedelta(hours=5), "5 hours"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(seconds=3), "less than a minute"),
        (timedelta(days=-4), "less than a minute"),
    ],
    ids=str,
)
def test_span(passed: timedelta, said: str) -> None:
    """Ages are said in the largest unit that says enough, and clamp at zero."""
    assert span(NOW - passed, NOW) == said


@given(st.text(max_size=500))
def test_clean_is_one_bounded_line(text: str) -> None:
    """Whatever a name holds, it stays on one line within its bound, and cleaning twice changes nothing."""
    cleaned = clean(text)
    assert len(cleaned) <= 200
    assert len(cleaned.splitlines()) <= 1
    assert clean(cleaned) == cleaned
