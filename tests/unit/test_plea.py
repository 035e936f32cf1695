"""The reminder: a tenant's admin knows what is blocked, what to click and who may, whatever a name holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from unicodedata import category

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.reading import Page
from uptake.letter import Parts, clean
from uptake.wording import CLICK_PATH, PERMISSION, Ask, Reminder, reminder
from uptake.words import LANGUAGES, Words

T0 = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
DAY = timedelta(days=1)
ASK = Ask(
    app="Acme CRM",
    organization="Acme Apps",
    tenant="Smith & Sons",
    environment="production",
    from_version=1,
    to_version=3,
    missing=("tn.crm.customers:r", "tn.jpm.purchase-orders:w", "tn.crm.customers:w"),
    superfluous=("View Jobs",),
    blocked_since=T0,
    days=21,
    why="Invoices show the customer's name.",
    accept_url="https://go.example/?a=1&b=2",
)
PLEA = Reminder(asks=(ASK,), written_at=T0 + 21 * DAY, opt_out_url="https://uptake.example/stop/abc")
PAY = replace(
    ASK, app="Acme Pay", tenant="Jones Ltd", missing=("tn.acc.payments:r",), accept_url="https://pay.example/"
)
MAP = replace(ASK, app="Acme Map", superfluous=(), why="", accept_url=None)
SEVERAL = replace(PLEA, asks=(ASK, PAY, MAP))


def about(facts: Reminder = PLEA, /, **changes: Any) -> Parts:
    """The reminder, of an ask with other facts."""
    return reminder(replace(facts, asks=(replace(ASK, **changes),)))


def found(message: Parts) -> str:
    """The text, once it is sure that the html says the same."""
    shown = " ".join(Page(message.html).text.split())
    for line in message.text.splitlines():
        said = " ".join(line.removeprefix("  - ").strip(" -").split())
        label, colon, _ = said.partition(": http")
        assert (label if colon else said) in shown
    return message.text


@pytest.mark.parametrize(
    "said",
    [
        pytest.param("Acme Apps has released version 3 of Acme CRM", id="who_released_what"),
        pytest.param("Smith & Sons still runs version 1", id="what_the_tenant_runs"),
        pytest.param("- View and modify customers (tn.crm.customers)\n", id="what_is_missing"),
        pytest.param("- Modify purchase orders (tn.jpm.purchase-orders)\n", id="what_else_is_missing"),
        pytest.param("View Jobs", id="what_is_given_up"),
        pytest.param("Since 2 March 2026 (21 days)", id="since_when"),
        pytest.param("Invoices show the customer's name.", id="why"),
        pytest.param(CLICK_PATH, id="the_click_path"),
        pytest.param(PERMISSION, id="who_may_do_it"),
        pytest.param("about a minute", id="how_long_it_takes"),
        pytest.param("as a contact for Smith & Sons", id="why_this_reader"),
    ],
)
def test_a_reminder_holds_what_its_reader_needs(said: str) -> None:
    """What is blocked, since when, why, how to cure it and who may: in the text and in the html."""
    assert said in found(reminder(PLEA))


def test_a_reminder_links_where_it_is_told() -> None:
    """Both addresses are in the text and, unharmed by escaping, in the html; where a button leads is said."""
    message = reminder(PLEA)
    assert Page(message.html).links == [ASK.accept_url, PLEA.opt_out_url]
    assert 'href="https://go.example/?a=1&amp;b=2"' in message.html
    assert "The link leads to go.example." in Page(message.html).text
    assert f": {ASK.accept_url}\n" in message.text
    assert f": {PLEA.opt_out_url}\n" in message.text


def test_a_reminder_never_says_scope() -> None:
    """An admin who never heard of scopes understands it."""
    assert "scope" not in reminder(SEVERAL).text.lower()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"days": 0}, "Since today, Acme CRM lacks", id="blocked_today"),
        pytest.param({"days": 1}, "(1 day)", id="blocked_for_one_day"),
        pytest.param({"from_version": None}, "has not accepted it yet.", id="version_unknown"),
        pytest.param({"environment": "integration"}, "(in the integration environment)", id="integration"),
        pytest.param({"missing": ()}, "asks for no new permissions", id="nothing_is_blocked"),
        pytest.param({"missing": ("a.b:r", "c:w", "a.b:r")}, "- View b (a.b)\n  - Modify c\n", id="said_once"),
        pytest.param({"missing": ("odd:x", "a.:r")}, "- odd:x\n  - View a.\n", id="as_it_is_spelled"),
        pytest.param({"missing": tuple(f"View {n}" for n in range(60))}, "- and 10 more", id="too_many_to_list"),
        pytest.param({"accept_url": None}, "To accept the new version of Acme CRM, sign in to", id="by_hand"),
        pytest.param({}, "Or sign in to the account of Smith & Sons yourself", id="or_by_hand"),
    ],
)
def test_a_reminder_fits_its_case(changes: dict[str, Any], said: str) -> None:
    """The sentences follow the facts."""
    assert said in about(**changes).text


@pytest.mark.parametrize(
    ("changes", "unsaid"),
    [
        pytest.param({"environment": "production"}, "environment", id="production_goes_without_saying"),
        pytest.param({"why": " "}, "Why it asks", id="no_reason_given"),
        pytest.param({"superfluous": ()}, "gives up", id="nothing_given_up"),
        pytest.param({"deadline": None}, "switched off", id="no_deadline"),
        pytest.param({"accept_url": None}, "Review and accept", id="no_address"),
        pytest.param({"accept_url": "javascript:alert(1)"}, "javascript", id="script_address"),
        pytest.param({"accept_url": "https://a b"}, "https://a b", id="broken_address"),
        pytest.param({"accept_url": "https://a\u202eb"}, "https://a", id="reversed_address"),
    ],
)
def test_a_reminder_leaves_out_what_it_has_not(changes: dict[str, Any], unsaid: str) -> None:
    """An absent or unsafe part leaves no trace in either form, and no gap."""
    message = about(**changes)
    assert unsaid not in message.text
    assert unsaid not in message.html
    assert "\n\n\n" not in message.text


@pytest.mark.parametrize("url", [None, "javascript:alert(1)", "https://a b"])
def test_no_way_out(url: str | None) -> None:
    """Without a page that stops the reminders none is offered."""
    message = reminder(replace(PLEA, opt_out_url=url))
    assert "No more reminders" not in message.text + message.html
    assert "javascript" not in message.text + message.html


def test_what_is_blocked_comes_first() -> None:
    """What the tenant's people miss is said in their words, and then which permissions that takes."""
    text = found(about(features=("Names on invoices",)))
    parts = ["Acme CRM has not been working in full", "- Names on invoices", "For that, Acme CRM needs", "- View and"]
    assert sorted(parts, key=text.index) == parts
    assert "Since today, this has not been working" in about(features=("Names on invoices",), days=0).text
    assert "Names on invoices" not in about(features=("Names on invoices",), missing=()).text


@pytest.mark.parametrize(
    ("deadline", "version", "said"),
    [
        pytest.param(T0 + 30 * DAY, 1, "by 1 April 2026: after that day, version 1 is switched off", id="ahead"),
        pytest.param(T0 + 30 * DAY, None, "by 1 April 2026: after that day, the older one is", id="ahead_of_unknown"),
        pytest.param(T0 + 21 * DAY, 1, "Version 1 was switched off on 23 March 2026", id="now"),
        pytest.param(T0 - DAY, None, "The older version was switched off on 1 March 2026", id="past_of_unknown"),
    ],
)
def test_deadlines(deadline: datetime, version: int | None, said: str) -> None:
    """One that is past is told of as what has happened."""
    assert said in found(about(deadline=deadline, from_version=version))
    assert said in about(replace(PLEA, written_at=None), deadline=deadline, from_version=version).text


def test_deadline_of_today() -> None:
    """Whole days do not tell whether it is past; the moment of writing does."""
    deadline = T0 + 21 * DAY + timedelta(hours=5)
    later = replace(PLEA, written_at=deadline + timedelta(hours=1))
    assert "by 23 March 2026" in about(deadline=deadline).text
    assert "was switched off on 23 March 2026" in about(later, deadline=deadline).text


@pytest.mark.parametrize(
    ("asks", "subject"),
    [
        pytest.param((ASK,), "Acme CRM needs your approval for Smith & Sons", id="first"),
        pytest.param(
            (replace(ASK, step=3),), "Reminder 3: Acme CRM still needs your approval for Smith & Sons", id="third"
        ),
        pytest.param((ASK, PAY), "Acme CRM and 1 more app need your approval", id="two_apps"),
        pytest.param((PAY, ASK, MAP), "Acme Pay and 2 more apps need your approval", id="three_apps"),
        pytest.param(
            (replace(ASK, step=2), replace(PAY, step=3)),
            "Reminder: Acme CRM and 1 more app still need your approval",
            id="two_apps_again",
        ),
        pytest.param((replace(ASK, step=2), PAY), "Acme CRM and 1 more app need your approval", id="one_is_new"),
        pytest.param(
            (ASK, replace(ASK, tenant="B"), replace(ASK, tenant="C")),
            "Acme CRM needs your approval for Smith & Sons and 2 more accounts",
            id="tenants_of_one_app",
        ),
        pytest.param(
            (ASK, replace(ASK, environment="integration")),
            "Acme CRM needs your approval for Smith & Sons",
            id="environments",
        ),
        pytest.param(
            (ASK, replace(ASK, organization="Other")), "Acme CRM and 1 more app need your approval", id="namesakes"
        ),
        pytest.param(
            (replace(ASK, app="A" * 99, tenant="T" * 99),),
            f"{'A' * 59}… needs your approval for {'T' * 59}…",
            id="long_names",
        ),
    ],
)
def test_the_subject_counts(asks: tuple[Ask, ...], subject: str) -> None:
    """It names the app and the tenant, counts what is more than one, and says which reminder it is."""
    assert reminder(replace(PLEA, asks=asks)).subject == subject


def test_several_asks() -> None:
    """One sentence opens; each app has its section; the click path and who may do it stand once, at the end."""
    text = found(reminder(SEVERAL))
    assert text.startswith(
        "Hello,\n\n3 approvals are waiting for you; below you can read what each of them is for.\n\n"
    )
    titles = ["Acme CRM for Smith & Sons\n---", "Acme Pay for Jones Ltd\n---", "Acme Map for Smith & Sons\n---"]
    assert sorted([*titles, CLICK_PATH, PERMISSION], key=text.index) == [*titles, CLICK_PATH, PERMISSION]
    assert [text.count(said) for said in (*titles, CLICK_PATH, PERMISSION, "about a minute")] == [1] * 6
    assert Page(reminder(SEVERAL).html).links == [ASK.accept_url, PAY.accept_url, PLEA.opt_out_url]


def test_no_section_names_another_tenant() -> None:
    """What is said of one tenant's app says nothing of another's."""
    text = reminder(SEVERAL).text
    starts = [text.index(f"{ask.app} for {ask.tenant}\n---") for ask in SEVERAL.asks]
    ours, theirs, last = (
        text[start:end] for start, end in zip(starts, [*starts[1:], text.index("How to")], strict=True)
    )
    assert "Jones" not in ours + last
    assert "Smith" not in theirs
    assert "tn.acc.payments" in theirs


def test_sections_of_environments_differ() -> None:
    """Two connections of one app and tenant are told apart."""
    both = reminder(replace(PLEA, asks=(ASK, replace(ASK, environment="integration"))))
    assert "\nAcme CRM for Smith & Sons\n" in both.text
    assert "\nAcme CRM for Smith & Sons (integration environment)\n" in both.text


def test_one_page_for_all() -> None:
    """Where one link serves every ask it stands once, below them."""
    message = reminder(replace(PLEA, asks=(ASK, replace(PAY, accept_url=ASK.accept_url), MAP)))
    assert Page(message.html).links == [ASK.accept_url, PLEA.opt_out_url]
    assert message.text.index("How to accept\n---") < message.text.index("Review and accept: ")


def test_many_asks_stay_readable() -> None:
    """The first of very many have sections, and the rest are counted."""
    message = reminder(replace(PLEA, asks=tuple(replace(MAP, app=f"App {n}") for n in range(25))))
    assert message.subject == "App 0 and 24 more apps need your approval"
    assert message.text.count("for Smith & Sons\n---") == 20
    assert "5 more approvals are waiting for you." in message.text


def test_who_signs() -> None:
    """The organization whose apps it is about; where there are several, none of them speaks for all."""
    assert "\n\nKind regards\n\nAcme Apps\n\n" in found(reminder(SEVERAL))
    assert "regards" not in reminder(replace(PLEA, asks=(ASK, replace(PAY, organization="Other")))).text


def test_escalation() -> None:
    """Who is written to since others kept silent reads so, and nobody else does."""
    said = "We have written to other contacts before without an answer"
    assert said in found(reminder(replace(PLEA, is_escalated=True)))
    assert said not in reminder(PLEA).text


def test_a_reminder_asks_for_something() -> None:
    """One about nothing cannot be made."""
    with pytest.raises(ValueError, match="asks for something"):
        Reminder(asks=())


GERMAN = """\
Guten Tag,

Acme Apps hat Version 3 von Acme CRM veröffentlicht. Smith & Sons nutzt noch Version 1.

Seit dem 2.\N{NO-BREAK SPACE}März 2026 (21 Tage) fehlen Acme CRM Berechtigungen. Derzeit fehlen diese; \
Funktionen, die darauf angewiesen sind, stehen nicht zur Verfügung:

  - Ansehen und ändern: customers (tn.crm.customers)
  - Ändern: purchase orders (tn.jpm.purchase-orders)

So geben Sie die neue Version von Acme CRM frei: Melden Sie sich im Konto von Smith & Sons an und öffnen Sie:

  Settings > Integrations > API Application Access > Upgrade to New Version > Allow

Das dauert etwa eine Minute. Sie müssen nichts installieren; was heute funktioniert, funktioniert weiter, und die \
verwendeten Zugangsschlüssel bleiben gültig.

Freigeben kann jede Person mit der Berechtigung „Manage API Application Access“. Wenn Sie diese Berechtigung nicht \
haben, leiten Sie diese Nachricht bitte an jemanden weiter, der sie hat.

Mit freundlichen Grüßen

Acme Apps

Sie erhalten diese Nachricht, weil Sie bei Acme Apps als Kontakt für Smith & Sons hinterlegt sind. Die Erinnerungen \
enden von selbst, sobald die neue Version freigegeben ist.

Keine weiteren Erinnerungen erhalten: https://uptake.example/stop/abc
"""


@pytest.mark.parametrize("locale", ["de", "de-AT", "de_CH", "DE", "de-Latn-DE"])
def test_german(locale: str) -> None:
    """Whoever reads German gets all of it in German, and the page says that it is."""
    facts = replace(PLEA, language=locale, asks=(replace(ASK, why="", superfluous=(), accept_url=None),))
    message = reminder(facts)
    assert message.subject == "Acme CRM benötigt Ihre Freigabe für Smith & Sons"
    assert found(message) == GERMAN
    assert Page(message.html).language == "de"


@pytest.mark.parametrize("locale", [None, "", "en-US", "pt_BR", "deu", "de AT", "not a locale", "../de"])
def test_other_languages_are_english(locale: str | None) -> None:
    """Whatever we do not speak is English, and says so."""
    message = reminder(replace(PLEA, language=locale))
    assert message == reminder(PLEA)
    assert Page(message.html).language == "en"


def test_every_sentence_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """No language has a sentence that nobody ever reads."""
    used: set[str] = set()
    say = Words.say

    def noted(words: Words, key: str, /, **values: object) -> str:
        used.add(key)
        return say(words, key, **values)

    monkeypatch.setattr(Words, "say", noted)
    for days, version, environment, features, missing, deadline, url, step in product(
        (0, 3), (None, 1), ("production", "test"), ((), ("F",)), ((), ("a:r", "b:w", "c:r", "c:w")), (None, 0, 99),
        (None, "https://a.example"), (1, 2),
    ):  # fmt: skip
        ask = replace(
            ASK, days=days, from_version=version, environment=environment, features=features, missing=missing,
            deadline=None if deadline is None else T0 + deadline * DAY, accept_url=url, step=step,
        )  # fmt: skip
        reminder(replace(PLEA, asks=(ask,), is_escalated=True))
        reminder(replace(PLEA, asks=(ask, replace(ask, organization="O", app="B", tenant="C"))))
    reminder(replace(PLEA, asks=(replace(ASK, missing=tuple(map(str, range(60)))),) * 22))
    assert used == set(LANGUAGES["en"].sentences)


CANARIES = (
    "<script>alert(1)</script>\"><img src=x onerror=alert(1)>' onload='x",
    "=cmd|' /C calc'!A0<script>",
    "$app ${organization} $$ $",
    "{{7*7}} ${7*7} {tenant} {0.__class__.__mro__} %s%n",
    "</title></body><style>*{display:none}</style>",
)


def test_a_name_is_not_read_as_a_template() -> None:
    """A single pass: what looks like a placeholder in a name stays as it is, in the subject, the text and the html."""
    evil = "$app ${organization} $$"
    message = about(app=evil, tenant="=cmd|' /C calc'!A0<script>", features=(evil,), why=evil)
    assert message.subject == f"{evil} needs your approval for =cmd|' /C calc'!A0<script>"
    assert f"released version 3 of {evil}. =cmd|' /C calc'!A0<script> still runs" in message.text
    assert f"  - {evil}\n" in message.text
    assert "=cmd|&#x27; /C calc&#x27;!A0&lt;script&gt; still runs" in message.html
    assert "<script" not in message.html


@given(st.sampled_from(CANARIES) | st.text(), st.integers(0, 4), st.sampled_from(["en", "de"]))
def test_no_name_changes_the_shape_of_a_message(name: str, step: int, language: str) -> None:
    """Whatever a name holds, the page has the same tags and attributes, and the subject is one short line."""

    def both(name: str) -> Reminder:
        ask = replace(
            ASK, app=name, organization=name, tenant=name, missing=(f"-{name}",), superfluous=(name,), why="x" + name,
            features=(name,), step=step,
        )  # fmt: skip
        return replace(PLEA, asks=(ask, PAY), language=language)

    message, usual = reminder(both(name)), Page(reminder(both("A")).html)
    page = Page(message.html)
    assert page.tags == usual.tags
    assert page.attributes == usual.attributes
    assert not {"Cc", "Cs", "Zl", "Zp"} & {category(character) for character in message.subject}
    assert len(message.subject) <= 200
    assert len(message.subject.splitlines()) == 1
    assert clean(name) in page.text
    message.text.encode()
    message.html.encode()
