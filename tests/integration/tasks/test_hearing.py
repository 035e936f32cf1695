"""`uptake check --routes APP TENANT`: who would hear, in words and as JSON."""

import json
from pathlib import Path

from tests.integration.tasks.recorded import Ours

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
