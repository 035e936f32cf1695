"""What people read: complete, plain, and inert whatever a name holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.reading import Page
from uptake.cadence import NoticeReason
from uptake.letter import clean
from uptake.policy import AlertKind, Reason
from uptake.wording import (
    EXPLANATIONS,
    KINDS,
    NOTICES,
    Digest,
    Member,
    Standing,
    day,
    digest,
    explanation,
    moment,
    percent,
)

T0 = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
NOTICE = Digest(
    reason="new_alerts",
    app="Acme CRM",
    source="acme",
    kind="tenant_lagging",
    firing=3,
    resolved=1,
    members=(Member(tenant="Smith", environment="production", severity="warning", since=T0, detail="blocked"),),
    link="https://uptake.example/alerts",
)


def test_a_digest_says_why_now_how_many_and_which() -> None:
    """Operators read the reason, the counts, the first members and where the rest is."""
    message = digest(NOTICE)
    assert message.subject == "[FIRING 3] Acme CRM: tenants have not accepted the permissions the app needs"
    assert "There are new alerts since the last notice." in message.text
    assert "Open: 3. Over: 1." in message.text
    assert "- Smith (production), warning, since 2 March 2026, 09:05 UTC: blocked" in message.text
    assert "And 3 more." in message.text
    assert Page(message.html).links == [NOTICE.link]


def test_a_digest_of_a_storm_stays_short() -> None:
    """Ten thousand tenants are one message with the first few of them."""
    storm = replace(NOTICE, members=NOTICE.members * 10_000, firing=10_000, resolved=0)
    assert "And 9980 more." in digest(storm).text
    assert len(digest(storm).text) < 5000


def test_a_digest_of_what_is_over() -> None:
    """With nothing firing the subject says so, and nobody is counted as hidden."""
    over = replace(NOTICE.members[0], is_resolved=True)
    message = digest(replace(NOTICE, reason="all_resolved", firing=0, resolved=1, members=(over,)))
    assert message.subject.startswith("[RESOLVED] ")
    some = digest(replace(NOTICE, reason="new_resolved", firing=0, resolved=1, quiet=4, members=(over,)))
    assert some.subject.startswith("[RESOLVED 1] ")
    assert "acknowledged, snoozed, silenced or muted: 4." in some.text
    assert "Smith (production), over, since" in message.text
    assert "more." not in message.text


def test_every_decision_has_its_words() -> None:
    """A reason or a kind that is added without its sentence is found here."""
    assert list(NOTICES) == [*NoticeReason, "acknowledged"]
    assert list(KINDS) == list(AlertKind)
    assert list(EXPLANATIONS) == list(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_explanations_are_sentences(reason: Reason) -> None:
    """Each reason is one finished sentence that never claims an alert where there is none."""
    sentence = explanation(
        Standing(reason=reason, app="Acme", tenant="Smith", environment="integration", since=T0, fires_at=T0)
    )
    assert sentence.endswith(".")
    assert "{" not in sentence
    assert sentence.startswith("No alert") == (reason is not Reason.FIRING)


def test_an_explanation_says_since_when_and_what_is_missing() -> None:
    """The story of a firing alert is told whole."""
    found = explanation(
        Standing(
            reason="firing",
            app="Acme",
            tenant="Smith",
            environment="production",
            since=T0,
            fires_at=T0 + timedelta(days=14),
            severity="warning",
            missing=("View Customers",),
        )
    )
    assert found == (
        "Alert (warning): Smith has lagged since 2 March 2026, 09:05 UTC;"
        " open since 16 March 2026, 09:05 UTC. Missing: View Customers."
    )


def test_unknown_reasons_are_shown_as_they_are() -> None:
    """A row written by a newer release is still explained, if only by its name."""
    assert explanation(Standing(reason="new_one", app="A", tenant="T", environment="production")) == "new_one."


def test_times_are_told_in_their_zone_and_in_utc() -> None:
    """A date keeps the reader's zone; a moment is UTC; an unknown one is said to be unknown."""
    late = T0.replace(hour=23).astimezone(timezone(timedelta(hours=13)))
    assert day(late) == "3 March 2026"
    assert moment(late) == "2 March 2026, 23:05 UTC"
    assert moment(None) == "an unknown date"


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        pytest.param("Smith\r\nBcc: all@example.com", "Smith Bcc: all@example.com", id="header_injection"),
        pytest.param("Smith\u2028\u2029\x85Sons", "Smith Sons", id="unicode_line_ends"),
        pytest.param("\x1b[31mred\x07", "[31mred", id="terminal_escapes"),
        pytest.param("gpj.\u202egpj\u2066", "gpj.gpj", id="bidi_overrides"),
        pytest.param("\ud800Smith", "Smith", id="lone_surrogate"),
        pytest.param("A\u200bcme\ufeff", "Acme", id="zero_width"),
        pytest.param("  Smith \t Sons ", "Smith Sons", id="white_space"),
        pytest.param("", "(no name)", id="empty"),
        pytest.param("\u202e\r\n\u200d", "(no name)", id="only_invisible"),
        pytest.param("שלום", "שלום", id="right_to_left_script_stays"),
        pytest.param("👩\u200d🔧", "👩\u200d🔧", id="joined_emoji_stays"),
        pytest.param("x" * 200, "x" * 200, id="just_fits"),
        pytest.param("x" * 201, "x" * 199 + "…", id="one_too_long"),
        pytest.param("x" * 10_000_000, "x" * 199 + "…", id="ten_megabytes"),
    ],
)
def test_names_are_one_clean_line(name: str, cleaned: str) -> None:
    """Names lose what misleads or injects, keep what people write, and end at 200 characters."""
    assert clean(name) == cleaned


CANARIES = (
    "<script>alert(1)</script>\"><img src=x onerror=alert(1)>' onload='x",
    "{{7*7}} ${7*7} {tenant} {0.__class__.__mro__} %s%n",
    "</title></body><style>*{display:none}</style>",
)


@given(st.sampled_from(CANARIES) | st.text())
def test_no_name_changes_the_shape_of_a_digest(name: str) -> None:
    """Operators' messages are as inert as those to admins."""
    member = replace(NOTICE.members[0], tenant=name, environment=name, detail="x" + name)
    message = digest(replace(NOTICE, app=name, members=(member,)))
    assert Page(message.html).tags == Page(digest(NOTICE).html).tags
    assert len(message.subject.splitlines()) == 1
    assert len(message.subject) <= 200


@given(st.text(), st.integers(9, 300))
def test_cleaning_twice_is_cleaning_once(name: str, limit: int) -> None:
    """A clean name stays as it is, is never empty and never too long for its place."""
    once = clean(name, limit)
    assert clean(once, limit) == once
    assert once
    assert len(once) <= limit


@pytest.mark.parametrize(
    ("share", "digits", "said"),
    [
        pytest.param(0.9999, 0, "99 %", id="one_of_many_is_missing"),
        pytest.param(0.9996, 1, "99.9 %", id="one_of_many_is_missing_behind_the_point"),
        pytest.param(0.29, 0, "29 %", id="a_little_less_in_binary"),
        pytest.param(0.579, 1, "57.9 %", id="a_little_less_behind_the_point"),
        pytest.param(1.0, 0, "100 %", id="everybody"),
        pytest.param(1.0, 1, "100.0 %", id="everybody_behind_the_point"),
    ],
)
def test_shares_are_rounded_down(share: float, digits: int, said: str) -> None:
    """100 % is said of everybody only."""
    assert percent(share, digits=digits) == said
