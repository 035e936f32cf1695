"""`uptake check --routes APP TENANT`: who would hear, in words and as JSON."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session as OrmSession

from models.quiet import _LIKE
from tests.integration.tasks.recorded import Ours
from uptake.wildcards import fits

CHOSEN = """
[policy]
reminders = "log"
[[receiver]]
name = "pager"
kind = "log"
[[policy.override]]
labels = { tier = "gold" }
grace = { blocking = "3d" }
[[exemption]]
tenant = "2"
until = 2999-12-31
reason = "left for good"
[[route]]
at_least = "critical"
receivers = ["pager"]
continue = true
"""


MAIL = """
[[receiver]]
name = "mail"
kind = "log"
"""


def test_who_would_hear(ours: Ours, chosen: Path, tmp_path: Path) -> None:
    """The rule, the receivers by kind and severity, and whom reminders go to; strangers are told of."""
    chosen.write_text(chosen.read_text() + CHOSEN)
    book = tmp_path / "book.csv"
    book.write_text("tenant,email,labels\n1,ada@bright.example,tier=gold\n")
    assert ours.said("contacts", "import", str(book)).returncode == 0
    done = ours.said("check", "--routes", "acme:4711", "1")
    assert done.returncode == 0, done
    assert "production: [[policy.override]] number 1." in done.stdout
    assert "tenant_lagging: info: log; warning: log; critical: pager, log." in done.stdout
    assert "tenant_overgranted: info: log." in done.stdout
    assert "Reminders: by log to ada@bright.example." in done.stdout
    exempt = ours.said("check", "--routes", "acme:4711", "2").stdout
    assert "Nobody is told until 2999-12-31 00:00 UTC: [[exemption]] number 1: left for good." in exempt
    (found,) = json.loads(ours.said("check", "--routes", "acme:4711", "1", "--json").stdout)["data"]
    assert found["alerts"]["tenant_lagging"]["critical"] == ["pager", "log"]
    unknown = ours.said("check", "--routes", "acme:4711", "nobody")
    assert (unknown.returncode, "No tenant is called nobody" in unknown.stderr) == (2, True), unknown


def test_who_does_not_hear_now(ours: Ours, chosen: Path) -> None:
    """A mute that holds now is named, with its end, and a receiver that cannot be used, with who hears instead."""
    ((at,),) = ours.rows("SELECT now()")
    hours = f"{at - timedelta(minutes=1):%H:%M}-{at + timedelta(hours=2):%H:%M}"
    mutes = f"""
[[mute]]
name = "night"
hours = "{hours}"
kind = "tenant_lagging"
[[mute]]
name = "elsewhere"
hours = "{hours}"
app = "acme:4712"
"""
    chosen.write_text(chosen.read_text() + CHOSEN.replace('"log"\n', '"mail"\nfallback = "log"\n', 1) + MAIL + mutes)
    stop = "INSERT INTO stopped_receiver VALUES ('{}', '2026-03-02 12:00Z', now(), '401 no such key')"
    for name in ("pager", "mail", "log"):
        ours.execute(stop.format(name))
    until = f"{at + timedelta(hours=2):%Y-%m-%d %H:%M} UTC"
    muted = f"Nobody is told of tenant_lagging before {until}: [[mute]] night."
    since = "cannot be used since 2026-03-02 12:00 UTC: 401 no such key;"
    for command in (("check", "--routes"), ("explain",)):
        said = ours.said(*command, "acme:4711", "1").stdout
        assert muted in said
        assert "elsewhere" not in said
        assert f"pager {since} log hears of alerts instead until it can." in said
        assert f"log {since} messages about alerts wait until it can." in said
        assert f"mail {since} reminders wait until it can." in said
        (found,) = json.loads(ours.said(*command, "acme:4711", "1", "--json").stdout)["data"]
        assert {kind: one["by"] for kind, one in found["muted"].items()} == {"tenant_lagging": "night"}
        assert [(one["receiver"], one["instead"]) for one in found["unusable"]] == [
            ("log", None),
            ("mail", None),
            ("pager", "log"),
        ]
        assert muted not in ours.said(*command, "acme:4711", "2").stdout, "it is exempt"


def test_who_should_hear_instead_and_cannot(ours: Ours, chosen: Path) -> None:
    """Nobody is told that a receiver hears instead which is stopped, too, without being told that."""
    chosen.write_text(chosen.read_text() + '[policy]\nfallback = "mail"\n' + MAIL)
    ours.execute("INSERT INTO stopped_receiver VALUES ('mail', now(), now(), '410 gone')")
    assert "mail" not in ours.said("check", "--routes", "acme:4711", "1").stdout
    ours.execute("INSERT INTO stopped_receiver VALUES ('log', now(), now(), '401 no such key')")
    said = ours.said("check", "--routes", "acme:4711", "1").stdout
    assert "401 no such key; reminders wait and mail hears of alerts instead until it can." in said
    assert "410 gone; messages about alerts wait until it can." in said


@pytest.mark.parametrize("pattern", ["*", "", "a*", "*b", "a%b", "a_b", "a\\b", "a.b", "A*", "*a*b*", "a\nb"])
def test_a_pattern_is_the_same_to_both(session: OrmSession, pattern: str) -> None:
    """What the database takes for a mute's pattern is what people are told of it."""
    names = ["", "a", "ab", "aab", "a%b", "a_b", "axb", "a\\b", "a\\\\b", "a.b", "A", "a\nb", "a*b", "*"]
    like = text(f"""
        SELECT n.name LIKE x.source FROM unnest(cast(:names AS text[])) WITH ORDINALITY n (name, place),
            (SELECT {_LIKE.format("source")} FROM (SELECT cast(:p AS text) AS source) v) x ORDER BY place
    """)  # noqa: S608 - constants only
    found = session.scalars(like, {"p": pattern, "names": names}).all()
    assert found == [fits(pattern, name) for name in names]


def test_of_the_file_that_is_checked(ours: Ours, chosen: Path, tmp_path: Path) -> None:
    """A file that is not in use yet can be asked, too."""
    other = tmp_path / "other.toml"
    other.write_text(chosen.read_text() + '[policy]\nenvironments = ["integration"]\n')
    assert "the environment is not watched" in ours.said("check", str(other), "--routes", "acme:4711", "1").stdout


def test_plan(ours: Ours) -> None:
    """In words for people and as JSON; nothing is written."""
    ours.execute("UPDATE app_version SET released_at = released_at - interval '20 days'")
    before = ours.contents()
    said = ours.said("plan", "acme:4711")
    assert said.returncode == 0, said
    assert "Alerts" in said.stdout
    assert "tenant lagging" in said.stdout
    assert "Who" in said.stdout
    (found,) = json.loads(ours.said("plan", "acme:4711", "--json").stdout)["data"]
    assert found["app"] == "acme:4711"
    assert {step["step"] for step in found["plan"]["steps"]} <= {"firing", "pending"}
    assert ours.contents() == before
    assert "No app is called acme:1" in ours.said("plan", "acme:1").stderr


def test_plan_by_another_file_changes_no_source(ours: Ours, chosen: Path) -> None:
    """Whoever asks with an uptake.toml that does not name a source turns it off for nobody."""
    chosen.write_text("")
    assert ours.said("plan").returncode == 0
    assert ours.rows("SELECT enabled FROM source") == [(True,)]


def test_impact(ours: Ours) -> None:
    """In words and as JSON; what is no scope, or is not wanted now, is refused."""
    said = ours.said("impact", "acme:4711", "--scopes", "tn.new.thing:r")
    assert said.returncode == 0, said
    assert "Would have to accept" in said.stdout
    found = json.loads(ours.said("impact", "acme:4711", "--scopes", "tn.new.thing:r", "--json").stdout)["data"]
    assert "tn.new.thing:r" in found["scopes"]
    assert sum(one["asked"] for one in found["asked"]) == sum(one["connected"] for one in found["asked"]) > 0
    assert "not a scope" in ours.said("impact", "acme:4711", "--scopes", "everything").stderr
    gone = ours.said("impact", "acme:4711", "--scopes", "tn.new.thing:r", "--without", "tn.old.thing:r")
    assert (gone.returncode, "does not want tn.old.thing:r now" in gone.stderr) == (2, True), gone


def test_ready_by_exit_code(ours: Ours) -> None:
    """A scope that enough tenants grant is ready; what too few do, nobody knows of, or nobody is there for, is not."""
    ((known, connected),) = ours.rows(
        "SELECT grants[1], count(*) FROM connection c JOIN scope_set g ON g.id = c.scope_set_id"
        " JOIN app a ON a.id = c.app_id AND a.external_id = '4711' WHERE c.status = 'connected' GROUP BY 1"
    )
    done = ours.said("ready", "acme:4711", "--scope", known, "--min", "100")
    assert (done.returncode, done.stdout) == (
        0,
        f"{known}: ready. 100 % of the connected tenants grant it ({connected} of {connected}); 100 % are wanted.\n",
    )
    other = ours.said("ready", "acme:4711", "--scope", known, "--scope", "tn.new.thing:r", "--min", "0.1")
    assert other.returncode == 1
    assert "tn.new.thing:r: not ready. 0 % of the connected tenants grant it" in other.stdout
    nowhere = ours.said("ready", "acme:4711", "--scope", known, "--environment", "integration")
    assert (nowhere.returncode, "no tenant is connected in integration" in nowhere.stdout) == (1, True)
    (found,) = json.loads(ours.said("ready", "acme:4711", "--scope", known, "--json").stdout)["data"]
    assert (found["granted"], found["connected"]) == (connected, connected)
    assert ours.said("ready", "acme:9", "--scope", known).returncode == 2
    misspelt = ours.said("ready", "acme:4711", "--scope", known.removesuffix(":r"))
    assert (misspelt.returncode, misspelt.stdout) == (2, "")


def test_forecast(ours: Ours) -> None:
    """The command says in words, and as JSON, what the API path answers; a stranger's name is refused."""
    done = ours.said("forecast", "acme:4711", "--target", "0.5")
    assert (done.returncode, done.stdout[:19]) == (0, "50 % of the tenants"), done
    found = json.loads(ours.said("forecast", "acme:4711", "--json").stdout)
    assert (found["target"], found["environment"], "scores" in found) == (0.95, "production", True)
    assert ours.said("forecast", "acme:9").returncode == 2
    assert ours.said("forecast", "acme:4711", "--target", "95").returncode == 2
