"""Templates: a closed set of placeholders, filled in one pass, and never a reason to keep silent."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from string import Template

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.reading import Page
from uptake.letter import Parts
from uptake.placeholders import BUILT_IN, KINDS, PARTS
from uptake.template_mistakes import LARGEST, MOST, Mistake, mistakes
from uptake.templates import Templates, chain, examined, languages
from uptake.wording import Ask, Digest, Member, Reminder, broken_template, digest, reminder

T0 = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
EVIL = "=cmd|' /C calc'!A0<script>\"><img src=x onerror=alert(1)> $app ${organization} $$"


def plea(name: str) -> Reminder:
    """A reminder that has something to say in every placeholder, by this name."""
    ask = Ask(
        app=name,
        organization=name,
        tenant=name,
        environment=name,
        from_version=1,
        to_version=3,
        missing=(f"-{name}",),
        superfluous=(name,),
        blocked_since=T0,
        days=21,
        features=(name,),
        why=name,
        deadline=T0,
        accept_url="https://go.example/?a=1&b=2",
    )
    return Reminder(asks=(ask,), is_escalated=True, opt_out_url="https://uptake.example/stop/abc")


def notice(name: str) -> Digest:
    """A digest that has something to say in every placeholder, by this name."""
    member = Member(tenant=name, environment=name, severity=name, since=T0, detail=name)
    return Digest(
        reason="first",
        app=name,
        source=name,
        kind="tenant_lagging",
        firing=30,
        resolved=1,
        quiet=2,
        members=(member,),
        link="https://uptake.example/alerts",
    )


def said(name: str, text: str, *, about: str = "Acme") -> Parts:
    """The message that this one template makes."""
    kind = name.partition(".")[0]
    return reminder(plea(about), {name: text}) if kind == "reminder" else digest(notice(about), {name: text})


def part(message: Parts, name: str) -> str:
    """The part that the template *name* makes."""
    return message[PARTS.index(name.rpartition(".")[2])]


NAMES = sorted(BUILT_IN)


@pytest.mark.parametrize("name", NAMES)
def test_built_in_templates_are_in_order(name: str) -> None:
    """They follow the rules that all templates follow; each part says everything that may be said."""
    assert mistakes(name, BUILT_IN[name]) == ()


@pytest.mark.parametrize("name", NAMES)
def test_every_placeholder_has_a_value(name: str) -> None:
    """Whatever the rules let in is filled, with something."""
    kind, _, which = name.partition(".")
    for one in sorted(KINDS[kind].of(which)):
        wrapped = f'<a href="${one}">' if one in KINDS[kind].addresses and which == "html" else f"${one}"
        message = part(said(name, f"[[{wrapped}]]"), name)
        assert message.strip() != "[[]]", one
        assert f"${one}" not in message
        assert message.strip().startswith("[[")


def test_a_part_is_replaced_and_the_others_are_not() -> None:
    """A missing file means the built-in words for that part."""
    usual = reminder(plea("Acme"))
    assert said("reminder.subject", "Please help: $app ($count)\n") == usual._replace(
        subject="Please help: Acme (1)", html=usual.html.replace(usual.subject, "Please help: Acme (1)")
    )
    assert said("reminder.txt", "$greeting\n\n$stop\n") == usual._replace(
        text="Hello,\n\nNo more reminders, please: https://uptake.example/stop/abc\n"
    )
    assert said("reminder.html", "<p>$app</p>") == usual._replace(html="<p>Acme</p>")
    assert said("digest.subject", "Uptake: $state $app").subject == "Uptake: FIRING 30 Acme"


def test_the_subject_may_be_built_upon() -> None:
    """In its own template the subject is the built-in one, elsewhere the one that was made."""
    templates = {"reminder.subject": "[ours] $subject", "reminder.txt": "$subject", "reminder.html": "<i>$subject</i>"}
    message = reminder(plea("Acme"), templates)
    assert message == (
        "[ours] Acme needs your approval for Acme",
        "[ours] Acme needs your approval for Acme\n",
        "<i>[ours] Acme needs your approval for Acme</i>",
    )


def test_what_is_empty_leaves_no_gap() -> None:
    """A block that has nothing to say takes its blank line with it."""
    facts = replace(plea("Acme"), is_escalated=False)
    template = "\n\n$greeting\n\n  $escalation\n\n\n$who\n\n\n"
    assert reminder(facts, {"reminder.txt": template}).text.startswith("Hello,\n\nIt can be done")


@pytest.mark.parametrize("name", NAMES)
def test_a_single_pass_and_each_its_own_escaping(name: str) -> None:
    """A name that looks like a placeholder, a formula or a tag is printed as it is, and as text."""
    message = part(said(name, "$app", about=EVIL), name).strip()
    if name.endswith(".html"):
        assert message == (
            "=cmd|&#x27; /C calc&#x27;!A0&lt;script&gt;&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"
            " $app ${organization} $$"
        )
    else:
        assert message == EVIL


@pytest.mark.parametrize(
    ("name", "text", "line", "wrong"),
    [
        ("reminder.txt", "Hello\n$ap", 2, "$ap is no placeholder here; did you mean $app? there are: $accept, "),
        ("reminder.txt", "${App}", 1, "$App is no placeholder here; did you mean $app? there are: $accept, "),
        ("reminder.txt", "$zzzzzz", 1, "$zzzzzz is no placeholder here; there are: $accept, $accept_url, $app, "),
        ("reminder.txt", "$members", 1, "$members is no placeholder here"),
        ("digest.txt", "$members $tenant", 1, "$tenant is no placeholder here"),
        ("reminder.subject", "$asks", 1, "$asks is no placeholder here; "),
        ("reminder.subject", "$accept_url", 1, "$accept_url is no placeholder here; "),
        ("reminder.subject", "\n$app\n$tenant\n", 2, "is a second line; a subject has one"),
        ("reminder.txt", "\n\nOnly $5", 3, "a $ that begins no placeholder; write $$ for the sign itself"),
        ("reminder.txt", "${7*7}", 1, "a $ that begins no placeholder"),
        ("reminder.txt", "${app.__class__}", 1, "a $ that begins no placeholder"),
        ("reminder.txt", "${app!r:>99}", 1, "a $ that begins no placeholder"),
        ("reminder.txt", "$", 1, "a $ that begins no placeholder"),
        ("reminder.txt", "$asks\n$asks", 2, "$asks is there twice; once is enough"),
        ("reminder.txt", "$app\n" * (MOST + 1), MOST + 1, f"more than {MOST} placeholders"),
        ("reminder.txt", "é" * (LARGEST // 2) + "!", 0, "is larger than 64 kB"),
        ("reminder.txt", " \n\t\n", 0, "is empty; take the file away"),
        ("reminder.txt", "a\nb\x00", 2, "holds a character that cannot be shown, U+0000"),
        ("reminder.txt", "a\ud800", 1, "holds a character that cannot be shown, U+D800"),
        (
            "reminder.text",
            "",
            0,
            "is no name of a template; did you mean reminder.txt? there may be: reminder.subject, ",
        ),
        ("reminder.de_AT.txt", "", 0, "is no name of a template; "),
        ("Reminder.txt", "", 0, "is no name of a template; did you mean reminder.txt?"),
        ("digest.de.txt", "", 0, "is no name of a template; "),
        ("README.md", "", 0, "is no name of a template; there may be: "),
        ("../reminder.txt", "", 0, "is no name of a template; "),
    ],
)
def test_mistakes(name: str, text: str, line: int, wrong: str) -> None:
    """The line, what is wrong, and the nearest that is right; the message is made as if the template were not there."""
    (found,) = mistakes(name, text)
    assert found.line == line
    assert found.said.startswith(wrong)
    if name in BUILT_IN:
        assert said(name, text) == said(name, BUILT_IN[name])


@pytest.mark.parametrize(
    ("text", "line", "wrong"),
    [
        (
            "<p>\n<a href=$accept_url>",
            2,
            "$accept_url stands in a tag; there may be words in title, alt, aria-label or lang in ",
        ),
        ('<a href="$app">', 1, "$app stands in a tag"),
        ('<a href="javascript:$accept_url">', 1, "$accept_url stands in a tag"),
        ('<a href="$accept">', 1, "$accept stands in a tag"),
        ('<p title="$asks">', 1, "$asks stands in a tag"),
        ("<p\n title=$app>", 2, "$app stands in a tag"),
        ("<p title=a$app'>", 1, "$app stands in a tag"),
        ('<p onclick="$app">', 1, "$app stands in a tag"),
        ('<p style="color:$app">', 1, "$app stands in a tag"),
        ('<img src="$accept_url">', 1, "$accept_url stands in a tag"),
        ('<meta content="$app">', 1, "$app stands in a tag"),
        ("<$app>", 1, "$app stands in a tag"),
        ("<p${app}>", 1, "$app stands in a tag"),
        ("<p $app>", 1, "$app stands in a tag"),
        ("<script>\nlet a = '$app'</script>", 2, "$app stands in a script, a style, a comment"),
        ("<style>p { color: $app }</style>", 1, "$app stands in a script, a style, a comment"),
        ("<script>$app", 1, "$app stands in a script, a style, a comment"),
        ("<!--\n$app -->", 2, "$app stands in a script, a style, a comment or a declaration; take it out"),
        ("<!--[if mso]><a href='$accept_url'><![endif]-->", 1, "$accept_url stands in a script, a style, a comment"),
        ("<!doctype $app>", 1, "$app stands in a script, a style, a comment or a declaration"),
        ("<?xml $app?>", 1, "$app stands in a script, a style, a comment or a declaration"),
        ("<![foo[$app]]>", 0, "is no HTML that can be read"),
    ],
)
def test_places_in_a_page(text: str, line: int, wrong: str) -> None:
    """Where a name could become more than text no placeholder may stand."""
    found = mistakes("reminder.html", text)
    assert [one.line for one in found][:1] == [line]
    assert found[0].said.startswith(wrong)


@pytest.mark.parametrize(
    "text",
    [
        '<html lang="$language"><title>$subject</title>',
        "<a href='$accept_url' title = 'to $app of $organization'>$app</a>",
        '<img src="https://acme.example/logo.png" alt="$organization">',
        '<A HREF="$opt_out_url">x</A>',
        "<style>p { color: red } /* costs $$5 */</style>$asks",
        "<!doctype html><!-- $$5 --><!--[if mso]>x<![endif]--><p>1 < 2 && $count > 0</p>",
        "$app",
    ],
)
def test_places_where_words_belong(text: str) -> None:
    """Between the tags, in titles, and whole addresses where links lead."""
    assert mistakes("reminder.html", text) == ()


def test_all_mistakes_are_told_at_once() -> None:
    """In the order of the lines; of very many, the first."""
    assert [one.line for one in mistakes("reminder.txt", "$ap\n$app $\n$tenent $5\n")] == [1, 2, 3, 3]
    assert len(mistakes("reminder.txt", "$ap\n" * 100)) == 20


FRENCH = {"reminder.fr.subject": "Bonjour $app", "reminder.fr.txt": "Bonjour", "reminder.fr.html": "<p>Bonjour"}


@pytest.mark.parametrize(
    ("locale", "templates", "tongues"),
    [
        (None, {}, ("",)),
        ("en-GB", {}, ("en-gb", "en", "")),
        ("de-AT", {}, ("de-at", "de")),
        ("fr", {}, ("",)),
        ("fr-CA", FRENCH, ("fr", "")),
        ("fr", {**FRENCH, "reminder.fr.txt": "$ap"}, ("",)),
        ("fr", {"reminder.fr.txt": "Bonjour"}, ("",)),
        ("nonsense!", FRENCH, ("",)),
    ],
)
def test_whose_templates(locale: str | None, templates: Templates, tongues: tuple[str, ...]) -> None:
    """The nearest language first; those without one are English; one that we have no words in is whole, or not used."""
    assert chain("reminder", locale, templates) == tongues


def test_languages_of_templates() -> None:
    """Each reader gets the nearest words, and nobody gets two languages in one message."""
    templates = {
        **FRENCH,
        "reminder.txt": "plain",
        "reminder.de.txt": "deutsch $greeting",
        "reminder.de-at.subject": "Servus",
        "reminder.it.txt": "ciao",
    }

    def to(locale: str | None) -> Parts:
        return reminder(replace(plea("Acme"), language=locale), templates)

    assert to("de-AT")[:2] == ("Servus", "deutsch Guten Tag,\n")
    assert to("de")[:2] == ("Acme benötigt Ihre Freigabe für Acme", "deutsch Guten Tag,\n")
    assert to("fr-CA") == ("Bonjour Acme", "Bonjour\n", "<p>Bonjour")
    assert to("it") == to("en") == to(None)
    assert to(None).text == "plain\n"
    assert Page(to("de").html).language == "de"
    named = replace(plea("Acme"), language="fr")
    assert reminder(named, {**FRENCH, "reminder.fr.html": '<html lang="$language">'}).html == '<html lang="fr">'
    german = reminder(replace(plea("Acme"), language="de"), {"reminder.txt": "plain"})
    assert german == reminder(replace(plea("Acme"), language="de"))
    assert languages(templates) == {"en", "de", "de-at", "fr"}


def test_what_is_wrong_with_all_of_them() -> None:
    """Each file is told of by name; a language that we have no words in needs all of its parts."""
    found = examined({"reminder.txt": "$ap", "reminder.de.txt": "ok", "reminder.it.txt": "ciao", "README": "x"})
    assert set(found) == {"reminder.txt", "reminder.it.txt", "README"}
    assert found["reminder.it.txt"] == (
        Mistake(
            0,
            "is in a language that we have no words in; write reminder.it.subject and reminder.it.html, too",
        ),
    )
    assert examined(FRENCH) == {}


def test_told_of_a_broken_template() -> None:
    """Operators read the file, the lines and what happens meanwhile, whatever is in it."""
    message = broken_template("reminder.txt", ["/etc/t/reminder.txt:3: $ap <b> is no placeholder"])
    assert message.subject == "[BROKEN] reminder.txt: messages have the built-in words"
    assert "  - /etc/t/reminder.txt:3: $ap <b> is no placeholder\n" in message.text
    assert "$ap &lt;b&gt; is no placeholder" in message.html
    assert "uptake check" in message.text


DOCS = (Path(__file__).parents[2] / "docs" / "messages.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("heading", "kind"), [("Of a reminder", "reminder"), ("Of a message to operators", "digest")])
def test_docs_name_every_placeholder(heading: str, kind: str) -> None:
    """Each stands once in the table, with its kind."""
    part = DOCS.partition(f"### {heading}\n")[2].partition("###")[0]
    rows = re.findall(r"^\| `\$(\w+)` \| (line|address|block) \| \S", part, re.MULTILINE)
    wanted = dict.fromkeys(KINDS[kind].lines, "line") | dict.fromkeys(KINDS[kind].addresses, "address")
    assert dict(rows) == wanted | dict.fromkeys(KINDS[kind].blocks, "block")
    assert len(rows) == len(dict(rows))


@pytest.mark.parametrize("name", ["reminder.txt", "reminder.html", "digest.txt"])
def test_docs_show_the_built_in_templates(name: str) -> None:
    """Whoever copies one from there begins with what there was."""
    (shown,) = re.findall(rf"^`{re.escape(name)}` as built in:\n\n```\w+\n(.*?)^```", DOCS, re.MULTILINE | re.DOTALL)
    assert shown == BUILT_IN[name]


PIECES = st.sampled_from([
    "$app", "${tenant}", "$asks", "$accept", "$accept_url", "$features", "$subject", "$members", "$state", "$link_url",
    "$language", "$", "$$", "$5", "${", "{{7*7}}", "{0.__class__.__mro__}", "${7*7}", "%s%n", "<", ">", "</", '"', "'",
    "=", " ", "\n", "\r", "\t", "<a href=", '<p title="', "<script>", "</script>", "<style>", "<!--", "-->", "<![",
    "]]>", "<textarea>", "<title>", "&", "x", "p", "\x00", "\ud800", "é",
])  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=3), max_size=12).map("".join) | st.text()


def literals(text: str) -> list[str]:
    """What stands between the placeholders of a template."""
    placeholder = re.compile(r"\$(?:\$|[a-z_]+|\{[a-z_]+\})")
    return placeholder.split(text)


@given(st.sampled_from(NAMES), TEXTS)
@example("reminder.txt", "x" * 1_000_000)
@example("reminder.html", "<a" * 3_000)
@example("reminder.html", "<![" * 3_000)
def test_no_template_breaks_or_leaks(name: str, text: str) -> None:
    """Any text at all: it is refused, and built in is what is said; or it says itself and what may be said, no more."""
    message = said(name, text, about=EVIL)
    usual = said(name, BUILT_IN[name], about=EVIL)
    if mistakes(name, text):
        assert message == usual
        return
    kind, _, which = name.partition(".")
    assert set(Template(text).get_identifiers()) <= KINDS[kind].of(which)
    made, end = part(message, name), 0
    for literal in literals(text) if which == "html" else ():
        end = made.index(literal, end) + len(literal)
    assert len(made) <= len(text) + MOST * 10_000
    message.text.encode()
    message.html.encode()


@given(TEXTS)
def test_no_name_changes_the_shape_of_any_page(text: str) -> None:
    """In every page that is let in, a name that tries to be a tag, an attribute or an address is text."""
    if mistakes("reminder.html", text):
        return
    page, usual = (Page(said("reminder.html", text, about=name).html) for name in (EVIL, "Acme"))
    assert page.tags == usual.tags
    assert page.attributes == usual.attributes
    assert page.links == usual.links
