"""`uptake preview`, `explain` and `check`, as somebody types them who changes what messages say."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from config.settings import settings
from tasks.remind import remind_now
from tasks.rules import rules
from tests.integration.tasks.recorded import Ours

CHOSEN = """
[templates]
folder = "words"
[[feature]]
name = "Calendar"
scopes = ["{scope}"]
"""


@pytest.fixture
def lagging(ours: Ours, chosen: Path, tmp_path: Path) -> Ours:
    """Everything is recorded: tenant 3 lags, its contact is known; a feature of the app is blocked for it."""
    chosen.write_text(chosen.read_text() + '[policy]\nsettle = "0m"\nreminders = "log"\n')
    done = ours.said("poll")
    assert done.returncode == 0, done
    ((missing,),) = ours.rows(
        """SELECT s.missing FROM standing s JOIN tenant t ON t.id = s.tenant_id JOIN app ON app.id = s.app_id
           WHERE t.external_id = '3' AND app.external_id = '4711' AND s.lag = 'blocking'"""
    )
    (tmp_path / "words").mkdir()
    chosen.write_text(chosen.read_text() + CHOSEN.format(scope=missing[0]))
    book = tmp_path / "book.csv"
    book.write_text("tenant,email,locale\n3,ada@bright.example,de\n")
    assert ours.said("contacts", "import", str(book)).returncode == 0
    return ours


def test_preview_is_the_next_reminder(lagging: Ours) -> None:
    """Word by word what is queued when its turn comes; nothing is written before."""
    before = lagging.contents()
    said = lagging.said("preview", "acme:4711", "3")
    assert said.returncode == 0, said
    assert lagging.contents() == before
    found = json.loads(lagging.said("preview", "acme:4711", "3", "--json").stdout)["data"]
    settings.cache_clear()
    rules.cache_clear()
    # Reminders go out on working days, and while what is known is fresh.
    lagging.execute("UPDATE reminder SET due_at = clock_timestamp()")
    # Its contact gets one message about all that is due; here that is one app.
    lagging.execute("DELETE FROM reminder WHERE app_id <> (SELECT id FROM app WHERE external_id = '4711')")
    monday = lagging.now.replace(hour=9) + timedelta(days=7 - lagging.now.weekday())
    lagging.execute("UPDATE app SET walked_at = clock_timestamp() + interval '7 days'")
    assert remind_now(now=monday) > 0
    query = """SELECT n."to", n.subject, n.body, n.html FROM notice n JOIN app ON app.id = n.app_id
               WHERE n."to" = 'ada@bright.example' AND app.external_id = '4711'"""
    ((to, subject, body, page),) = lagging.rows(query)
    assert (to, subject) == (found["to"], found["subject"])
    assert f"To: {to}\nSubject: {subject}\n" in said.stdout
    # The days since then are others by then.
    assert [line for line in body.splitlines() if "Seit" not in line] == [
        line for line in found["text"].splitlines() if "Seit" not in line
    ]
    assert "  - Calendar\n" in body
    assert '<html lang="de">' in page
    assert body.rstrip("\n").splitlines()[-1] == said.stdout.rstrip("\n").splitlines()[-1]


def test_another_turn_language_and_template(lagging: Ours, tmp_path: Path) -> None:
    """As if it were the third, in English; the page goes into a file, by the template that is there now."""
    (tmp_path / "words" / "reminder.html").write_text("<p>$app")
    page = tmp_path / "page.html"
    said = lagging.said("preview", "acme:4711", "3", "--step", "3", "--language", "en-US", "--html", str(page))
    assert "Subject: Reminder 3: " in said.stdout, said
    assert f"The HTML part is in {page}." in said.stdout
    assert page.read_text().startswith("<p>")
    unknown = lagging.said("preview", "acme:4711", "3", "--language", "fr")
    assert (unknown.returncode, "There are no words in fr; there are in de, en." in unknown.stderr) == (2, True)
    nowhere = lagging.said("preview", "acme:4711", "3", "--html", str(tmp_path / "no" / "page.html"))
    assert (nowhere.returncode, "cannot be written" in nowhere.stderr) == (2, True)


def test_nothing_to_remind_of(lagging: Ours, chosen: Path) -> None:
    """Who lacks nothing, or is not watched there, gets no reminder: that is said, and exit code 1."""
    well = lagging.said("preview", "acme:4711", "6")
    assert (well.returncode, well.stdout) == (1, "")
    assert "6 lacks nothing that acme:4711 asks for: there is nothing to remind of." in well.stderr
    assert lagging.said("preview", "acme:4711", "nobody").returncode == 2
    assert lagging.said("preview", "acme:1", "3").returncode == 2
    chosen.write_text(chosen.read_text().replace("[policy]", '[policy]\nenvironments = ["integration"]'))
    elsewhere = lagging.said("preview", "acme:4711", "3")
    assert (elsewhere.returncode, "(in production it does, which is not watched)" in elsewhere.stderr) == (1, True)


def test_explain_names_what_is_blocked(lagging: Ours) -> None:
    """In words and as JSON; of who lacks nothing, nothing."""
    assert "Blocked until then: Calendar." in lagging.said("explain", "acme:4711", "3").stdout
    (found,) = json.loads(lagging.said("explain", "acme:4711", "3", "--json").stdout)["data"]
    assert found["blocked"] == ["Calendar"]
    assert "Blocked until then" not in lagging.said("explain", "acme:4711", "6").stdout


def test_check_tells_every_mistake(lagging: Ours, tmp_path: Path) -> None:
    """By file and line, with exit code 2; in order it names the templates that are used."""
    (tmp_path / "words" / "reminder.txt").write_text("$app")
    well = lagging.said("check")
    assert (well.returncode, "Templates: reminder.txt." in well.stdout) == (0, True), well
    assert json.loads(lagging.said("check", "--json").stdout)["data"]["templates"] == ["reminder.txt"]
    (tmp_path / "words" / "reminder.txt").write_text("\n$ap")
    (tmp_path / "words" / "reminder.text").write_text("x")
    done = lagging.said("check")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{tmp_path}/words/reminder.txt:2: $ap is no placeholder here; did you mean $app? there are: " in done.stderr
    assert f"{tmp_path}/words/reminder.text: is no name of a template; did you mean reminder.txt?" in done.stderr
