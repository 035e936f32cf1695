"""What people read: complete, plain, and inert whatever a name holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uptake.cadence import NoticeReason
from uptake.letter import clean
from uptake.policy import AlertKind, Reason
from uptake.wording import (
    CLICK_PATH,
    EXPLANATIONS,
    KINDS,
    NOTICES,
    PERMISSION,
    Ask,
    Digest,
    Member,
    Reminder,
    Standing,
    day,
    digest,
    explanation,
    moment,
    reminder,
)

T0 = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
ASK = Ask(
    app="Acme CRM",
    organization="Acme Apps",
    tenant="Smith & Sons",
    environment="production",
    from_version=1,
    to_version=3,
    missing=("View Customers", "Modify Customers"),
    superfluous=("View Jobs",),
    blocked_since=T0,
    days=21,
    why="Invoices show the customer's name.",
    accept_url="https://go.example/?a=1&b=2",
)
PLEA = Reminder(asks=(ASK,), opt_out_url="https://uptake.example/stop/abc")
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


def with_ask(**changes: object) -> Reminder:
    """The same reminder, with an ask that differs."""
    own = {name: changes.pop(name) for name in ("opt_out_url",) if name in changes}
    return replace(PLEA, asks=(replace(ASK, **changes),), **own)  # type: ignore[arg-type]  # one of many field types


class Page(HTMLParser):
    """What a browser would make of a page: its tags, its addresses, its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str | None] = []
        self.attributes: set[str] = set()
        self.said: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and its address."""
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.said.append(data)


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("Acme Apps has released version 3 of Acme CRM", id="who_released_what"),
        pytest.param("Smith & Sons still runs version 1", id="what_the_tenant_runs"),
        pytest.param("View Customers", id="what_is_missing"),
        pytest.param("View Jobs", id="what_is_given_up"),
        pytest.param("Since 2 March 2026 (21 days)", id="since_when"),
        pytest.param("Invoices show the customer's name.", id="why"),
        pytest.param(CLICK_PATH, id="the_click_path"),
        pytest.param(PERMISSION, id="who_may_do_it"),
        pytest.param("as a contact for Smith & Sons", id="why_this_reader"),
    ],
)
def test_a_reminder_holds_what_its_reader_needs(said: str) -> None:
    """What is blocked, since when, why, how to cure it and who may: in the text and in the html."""
    message = reminder(PLEA)
    assert said in message.text
    assert said in "".join(Page(message.html).said)


def test_a_reminder_links_where_it_is_told() -> None:
    """Both addresses are in the text and, unharmed by escaping, in the html."""
    message = reminder(PLEA)
    assert Page(message.html).links == [ASK.accept_url, PLEA.opt_out_url]
    assert 'href="https://go.example/?a=1&amp;b=2"' in message.html
    assert f": {ASK.accept_url}\n" in message.text
    assert f": {PLEA.opt_out_url}\n" in message.text


def test_a_reminder_never_says_scope() -> None:
    """An admin who never heard of scopes understands it."""
    assert "scope" not in reminder(PLEA).text.lower()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"days": 0}, "Since today, Acme CRM lacks", id="blocked_today"),
        pytest.param({"days": 1}, "(1 day)", id="blocked_for_one_day"),
        pytest.param({"from_version": None}, "has not accepted it yet.", id="version_unknown"),
        pytest.param({"environment": "integration"}, "(in the integration environment)", id="integration"),
        pytest.param({"missing": ()}, "asks for no new permissions", id="nothing_is_blocked"),
        pytest.param({"missing": tuple(f"View {n}" for n in range(60))}, "- and 10 more", id="too_many_to_list"),
    ],
)
def test_a_reminder_fits_its_case(changes: dict[str, object], said: str) -> None:
    """The sentences follow the facts."""
    assert said in reminder(with_ask(**changes)).text


@pytest.mark.parametrize(
    ("changes", "unsaid"),
    [
        pytest.param({"environment": "production"}, "environment", id="production_goes_without_saying"),
        pytest.param({"why": " "}, "Why it asks", id="no_reason_given"),
        pytest.param({"superfluous": ()}, "gives up", id="nothing_given_up"),
        pytest.param({"accept_url": None}, "Go there now", id="no_address"),
        pytest.param({"opt_out_url": None}, "No more reminders", id="no_opt_out"),
        pytest.param({"accept_url": "javascript:alert(1)"}, "javascript", id="script_address"),
        pytest.param({"accept_url": "https://a b"}, "https://a b", id="broken_address"),
        pytest.param({"accept_url": "https://a\u202eb"}, "https://a", id="reversed_address"),
    ],
)
def test_a_reminder_leaves_out_what_it_has_not(changes: dict[str, object], unsaid: str) -> None:
    """An absent or unsafe part leaves no trace in either form."""
    message = reminder(with_ask(**changes))
    assert unsaid not in message.text
    assert unsaid not in message.html


@pytest.mark.parametrize(
    ("step", "subject"),
    [
        pytest.param(1, "Acme CRM needs your approval for Smith & Sons", id="first"),
        pytest.param(3, "Reminder 3: Acme CRM still needs your approval for Smith & Sons", id="third"),
    ],
)
def test_the_subject_counts_reminders(step: int, subject: str) -> None:
    """The first one asks, the later ones say which they are."""
    assert reminder(with_ask(step=step)).subject == subject


def test_several_asks_are_one_message() -> None:
    """Each has its own part, with its own tenant only; what to do and who may do it is said once."""
    pay = replace(ASK, app="Acme Pay", tenant="Jones", missing=("View Bills",), accept_url=None)
    message = reminder(replace(PLEA, asks=(ASK, pay, replace(pay, app="Acme Map"))))
    assert message.subject == "Acme CRM and 2 more apps need your approval for Jones and Smith & Sons"
    assert "Jones still runs version 1" in message.text
    assert message.text.count(CLICK_PATH) == message.text.count(PERMISSION) == 1
    assert message.text.index("View Customers") < message.text.index("Acme Pay") < message.text.index("View Bills")


def test_an_escalation_says_so_and_a_deadline_is_named() -> None:
    """Whoever is written to because nobody answered knows why; and until when there is time."""
    assert "Others there were asked before" in reminder(replace(PLEA, is_escalated=True)).text
    assert "Others there" not in reminder(PLEA).text
    assert "served until 16 March 2026" in reminder(with_ask(deadline=T0 + timedelta(days=14))).text


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
    assert "acknowledged, snoozed or silenced: 4." in some.text
    assert "Smith (production), over, since" in message.text
    assert "more." not in message.text


def test_every_decision_has_its_words() -> None:
    """A reason or a kind that is added without its sentence is found here."""
    assert list(NOTICES) == list(NoticeReason)
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


@given(st.sampled_from(CANARIES) | st.text(), st.integers(0, 4))
def test_no_name_changes_the_shape_of_a_message(name: str, step: int) -> None:
    """Whatever a name holds, the page has the same tags and attributes, and the subject is one short line."""
    named = with_ask(
        app=name, organization=name, tenant=name, missing=(name,), superfluous=(name,), why="x" + name, step=step
    )
    message, usual = reminder(named), Page(reminder(with_ask(missing=("A",))).html)
    page = Page(message.html)
    assert page.tags == usual.tags
    assert page.attributes == usual.attributes
    assert not {"Cc", "Cs", "Zl", "Zp"} & {category(character) for character in message.subject}
    assert len(message.subject) <= 200
    assert len(message.subject.splitlines()) == 1
    assert clean(name) in "".join(page.said)
    message.text.encode()
    message.html.encode()


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
