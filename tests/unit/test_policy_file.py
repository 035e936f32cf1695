"""uptake.toml: each mistake is told by file, line, key and mend, no secret is repeated, and the example is true."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import pytest

from config import message_tables
from config.file_doubts import doubts
from config.policy_file import PollingTable, RetentionTable, load_file
from config.policy_tables import AlertKindName, PolicyTable
from config.receivers import EmailReceiver, FileReceiver, PagerDutyReceiver
from config.settings import SettingsError
from tasks.rules import written
from uptake.policies import Match
from uptake.policy import AlertKind, Severity
from uptake.scopes import GRANT

ROOT = Path(__file__).parents[2]
SOURCE = """\
[[source]]
name = "acme"
kind = "portal"
url = "https://portal.example/portal/v2"
token_url = "https://portal.example/connect/token"
organization = "1001"
client_id = "cid.1"
client_secret = "env:SECRET"
app_key = "file:key"
"""
NEVER_REACHED = """\
[[policy.override]]
labels = { tier = "gold" }
settle = "1h"
[[policy.override]]
environment = "production"
labels = { region = "us", tier = "gold" }
settle = "2h"
"""
SURROUNDINGS = {"SECRET": "s3cr3t-value"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An empty folder's uptake.toml, beside a file with an app key."""
    (tmp_path / "key").write_text("ak1.key\n")
    return tmp_path / "uptake.toml"


def told(file: Path, text: str) -> str:
    """What is said of *text*; the file's folder is left out."""
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        load_file(file, environment=SURROUNDINGS)
    return str(refused.value).replace(f"{file.parent}/", "")


def test_a_whole_source(file: Path) -> None:
    """Secrets are read from the environment and from files beside the file, and do not show."""
    file.write_text(SOURCE)
    (source,) = load_file(file, environment=SURROUNDINGS).sources
    assert source.client_secret.get_secret_value() == "s3cr3t-value"
    assert source.app_key.get_secret_value() == "ak1.key"
    assert "s3cr3t" not in repr(source)
    assert "ak1.key" not in repr(source)


@pytest.mark.parametrize(
    ("line", "changed", "said"),
    [
        (2, 'name = "Acme Apps"', "source[0].name: must look like ^[a-z]"),
        (3, 'kind = "portl"', "source[0].kind: must be 'portal'"),
        (4, 'url = "portal.example"', "source[0].url: is not an address; write something like"),
        (5, 'accept_url = "{app}"', "source[0].accept_url: is not an address; write something like"),
        (5, 'accept_url = "javascript:{app}"', "source[0].accept_url: is not an address; write something like"),
        (
            5,
            'accept_url = "https://go.example/{ap}"',
            "source[0].accept_url: may have {app}, {tenant} and {environment}",
        ),
        (5, 'accept_url = "https://{tenant}.example/"', "source[0].accept_url: must name its host; {app}, {tenant}"),
        (6, "organization = 1001", "source[0].organization: must be text in quotes"),
        (7, 'clientid = "cid.1"', 'source[0].clientid: is not a known key; did you mean "client_id"?'),
        (8, 'client_secret = "s3cr3t-in-plain-text"', "source[0].client_secret: holds a secret in plain text; write"),
        (8, 'client_secret = "env:SECRT"', "source[0].client_secret: the environment variable SECRT is not set or"),
        (9, 'app_key = "file:nowhere"', "source[0].app_key: the file nowhere cannot be read: No such file"),
        (9, 'app_key = "file:key"\npoll_every = "soon"', None),
    ],
)
def test_mistakes_in_a_source(file: Path, line: int, changed: str, said: str | None) -> None:
    """The line it stands on, the key, and what to write instead; a secret is never repeated."""
    lines = SOURCE.splitlines()
    lines[line - 1] = changed
    found = told(file, "\n".join(lines))
    expected = f"uptake.toml:{line}: {said}" if said else "uptake.toml:10: source[0].poll_every: "
    assert any(one.startswith(expected) for one in found.splitlines()), found
    assert "s3cr3t" not in found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[policy]\nsettel = "1h"', 'uptake.toml:2: policy.settel: is not a known key; did you mean "settle"?'),
        ('[polcy]\nsettle = "1h"', 'uptake.toml:1: polcy: is not a known key; did you mean "policy"?'),
        ('[policy]\nsettle = "1 hour"', "uptake.toml:2: policy.settle: "),
        ("[policy]\nsettle = 60", "uptake.toml:2: policy.settle: "),
        ("[policy]\nremind_days = [3, 0]", "remind_days must rise"),
        ('[policy]\nworking_hours = "18:00-08:00"', "uptake.toml:2: policy.working_hours: "),
        ('[policy]\ngrace = { blocking = "14" }', "uptake.toml:2: policy.grace.blocking: "),
        ('[policy]\nseverity = { info = "9d", warning = "7d" }', "must rise: info first"),
        ('[policy]\nreceivers = ["opps"]\n[[receiver]]\nname = "ops"\nkind = "log"', '"ops"'),
        ('[polling]\nmin = "1h"\nmax = "1m"', "uptake.toml:1: polling: must rise"),
        ("[polling]\nimplausible_share = 50", "uptake.toml:2: polling.implausible_share: "),
        ('[polling]\nimplausible_share = "50 %"', "uptake.toml:2: polling.implausible_share: "),
        ("[polling]\nimplausible_share = nan", "uptake.toml:2: polling.implausible_share: "),
        ('[[receiver]]\nname = "ops"\nkind = "pager"', "uptake.toml:3: receiver[0].kind: is 'pager', which is"),
        ('[[receiver]]\nname = "ops"', 'receiver[0]: lacks its kind; write one such as kind = "email"'),
        (
            '[[receiver]]\nname = "ops"\nkind = "log"\nrate = 30',
            "uptake.toml:4: receiver[0].rate: 30 is not a rate; write a number of messages, a slash and s, m or h",
        ),
        ('[[receiver]]\nname = "ops"\nkind = "log"\nrate = "30/d"', "receiver[0].rate: '30/d' is not a rate; write"),
        (
            '[[receiver]]\nname = "ops"\nkind = "log"\nrate = "0/m"',
            "uptake.toml:4: receiver[0].rate: '0/m' is not between 1 and 1000; write at least \"1/h\"",
        ),
        (
            '[[receiver]]\nname = "ops"\nkind = "log"\nrate = "1001/s"',
            "uptake.toml:4: receiver[0].rate: '1001/s' is not between 1 and 1000; leave it out to send all at once",
        ),
        ('[policy]\nsettle = "1h', "uptake.toml:2"),
        (
            '[[route]]\nreceivers = ["opps"]',
            'uptake.toml:2: route[0].receivers[0]: there is no receiver "opps"; known are',
        ),
        (
            '[[route]]\nreceivers = ["log", "log"]',
            'uptake.toml:2: route[0].receivers[1]: receiver "log" is named twice',
        ),
        (
            '[[route]]\nkinds = ["lagging"]\nreceivers = []',
            "uptake.toml:2: route[0].kinds[0]: must be 'tenant_lagging', '",
        ),
        (
            '[[route]]\nat_least = "high"\nreceivers = []',
            "uptake.toml:2: route[0].at_least: must be 'info', 'warning' or ",
        ),
        ('[[route]]\nkinds = ["poll_failing"]', "uptake.toml:1: route[0].receivers: is missing; write it"),
        (
            '[[route]]\nsource = "x"\nreceivers = []',
            'uptake.toml:2: route[0].source: there is no source "x"; write one',
        ),
        (
            '[policy]\n[[policy.override]]\nsettle = "1h"',
            "uptake.toml:2: policy.override[0]: matches everybody; say wh",
        ),
        ('[policy]\n[[policy.override]]\nsource = "x"', "uptake.toml:2: policy.override[0]: changes nothing; say what"),
        (
            NEVER_REACHED,
            "uptake.toml:4: policy.override[1]: is never reached: number 1 matches all that it does",
        ),
        (
            '[[policy.override]]\nenvironment = "test"\nsettle = "1h"\n',
            'uptake.toml:2: policy.override[0].environment: "test" is not watched; add it to environments of [policy]',
        ),
        (
            '[[policy.override]]\napp = "acme:1"\nsettle = "1h"\n',
            'uptake.toml:2: policy.override[0].app: there is no source "acme"; write one',
        ),
        (
            '[[policy.override]]\nsource = "other"\napp = "acme:1"\nsettle = "1h"\n',
            "uptake.toml:1: policy.override[0]: source and app contradict each other: other and acme:1",
        ),
        (
            '[[policy.override]]\nlabels = { tier = "gold" }\nseverity = { warning = "30d" }\n',
            "uptake.toml:3: policy.override[0].severity: with what is left as in [policy]: must rise",
        ),
        (
            '[[policy.override]]\nlabels = { tier = "gold" }\nreminders = "nobody"\n',
            'uptake.toml:3: policy.override[0].reminders: there is no receiver "nobody"',
        ),
        (
            '[[policy.override]]\nlabels = { tier = "gold" }\nremind_days = [3, 1]\n',
            "uptake.toml:1: policy.override[0]: remind_days must rise",
        ),
        (
            '[[policy.override]]\nlabels = { tier = "gold" }\nreceivers = ["log"]\n',
            "uptake.toml:3: policy.override[0].receivers: is not a known key",
        ),
        (
            '[[exemption]]\ntenant = "7"\nuntil = "soon"\nreason = "why not"\n',
            "uptake.toml:3: exemption[0].until: is no date; write it without quotes, such as 2027-01-31",
        ),
        (
            '[[exemption]]\ntenant = "7"\nuntil = 2027-01-31\n',
            "uptake.toml:1: exemption[0].reason: is missing; write it",
        ),
        (
            '[[exemption]]\nsource = "x"\nuntil = 2027-01-31\nreason = "why not"\n',
            "uptake.toml:1: exemption[0]: exempts whole apps; say which tenants by tenant or labels",
        ),
        (
            '[policy]\nreceivers = ["log", "log"]\n',
            'uptake.toml:2: policy.receivers[1]: receiver "log" is named twice; name it once',
        ),
        (
            '[[feature]]\nname = "Calendar"\nscopes = []',
            "uptake.toml:3: feature[0].scopes: must not be empty",
        ),
        (
            '[[feature]]\nname = "Calendar"\nscopes = ["tn.crm.customers"]',
            "uptake.toml:3: feature[0].scopes[0]: 'tn.crm.customers' is not a scope with an access level, such as",
        ),
        (
            '[[feature]]\nname = " "\nscopes = ["a:r"]',
            "uptake.toml:2: feature[0].name: must be words on one line",
        ),
        (
            '[[feature]]\nname = "Calendar"\nscopes = ["a:r"]\nwhy = "a\\nb"',
            "uptake.toml:4: feature[0].why: must be words on one line",
        ),
        (
            '[[feature]]\nname = "Calendar"\nscopes = ["a:r"]\nenvironment = "production"',
            "uptake.toml:4: feature[0].environment: is not a known key; known are: ",
        ),
        (
            '[[feature]]\nname = "Calendar"\nscopes = ["a:r"]\napp = "acme:1"',
            'uptake.toml:4: feature[0].app: there is no source "acme"; write one',
        ),
        (
            '[[feature]]\nname = "C"\nscopes = ["a:r"]\n[[feature]]\nname = "C"\napp = "1"\nscopes = ["b:r"]',
            'uptake.toml:5: feature[1].name: "C" is there already; write its scopes in one table',
        ),
        ('[templates]\nfolder = ""', "uptake.toml:2: templates.folder: is not a folder; write a path"),
        ("[templates]", "uptake.toml:1: templates.folder: is missing; write it"),
        ('[[templates]]\nfolder = "x"', "uptake.toml:1: templates: is there once; write it as [templates]"),
        ('[feature]\nname = "C"', "uptake.toml:1: feature: may be there several times; write each as [[feature]]"),
        (SOURCE + SOURCE, 'uptake.toml:11: source[1].name: "acme" is the name of another source already; choose anot'),
        (SOURCE[1:-1], "uptake.toml:1: not valid TOML: "),
        (
            SOURCE.replace("[[source]]", "[source]"),
            "uptake.toml:1: source: may be there several times; write each as [[",
        ),
        ('[[policy]]\nsettle = "1h"', "uptake.toml:1: policy: is there once; write it as [policy]"),
        ("[policy]\ngrace = 3", "uptake.toml:2: policy.grace: must be a table"),
        ('[policy]\nsettle = "1h"\nsettle = "2h"', "uptake.toml:3: not valid TOML: "),
        (
            '[policy]\nreminders = "tenant"',
            'uptake.toml:2: policy.reminders: there is no receiver "tenant"; known are: log',
        ),
        (
            '[policy]\r\nsettle = "x"',
            "uptake.toml:2: policy.settle: 'x' is not a duration; write a number and s, m, h,",
        ),
        ("a = " + "[" * 9999 + "]" * 9999, "uptake.toml: not valid TOML: brackets are nested too deeply"),
        ("[policy]\nremind_cap = " + "9" * 9999, "uptake.toml: not valid TOML: a number has too many digits"),
        ("#" * 1_000_000 + "\n", "uptake.toml: larger than a megabyte; is it the right file?"),
    ],
)
def test_mistakes_elsewhere(file: Path, text: str, said: str) -> None:
    """Tables, durations, ladders, receivers and TOML itself."""
    assert said in told(file, text)


@pytest.mark.parametrize(
    "address", ["", "a", "a@", "@b", "a@b c", "a@[", "a@b..c", "a b@c", '"@b', "a@b, c@d", "a@b\\nTo: c@d"]
)
def test_no_mail_address(file: Path, address: str) -> None:
    """Whatever is no address is refused where it stands, and none of it upsets the parser."""
    found = told(file, f"[[receiver]]\nname = 'ops'\nkind = 'email'\nurl = 'smtp://h'\nfrom = \"\"\"{address}\"\"\"")
    assert found.startswith("uptake.toml:5: receiver[0].from: ")
    assert 'write "name@host" or "Name <name@host>"' in found


@pytest.mark.parametrize(
    "address", ["a@b", "a.b+c@mail.acme.example", "<a@b>", "Acme Apps <a@b>", '"Doe, J." <a@b>', "Jörg (ops) <a@b>"]
)
def test_mail_address(file: Path, address: str) -> None:
    """The usual ways to write one address."""
    file.write_text(f"[[receiver]]\nname = 'ops'\nkind = 'email'\nurl = 'smtp://h'\nfrom = '''{address}'''")
    receiver = load_file(file).receivers[0]
    assert isinstance(receiver, EmailReceiver)
    assert receiver.sender == address


def test_every_mistake_is_told_at_once(file: Path) -> None:
    """Nobody has to mend and start again five times; they come in the order of the file."""
    found = told(file, '[policy]\nsettel = "1h"\nremind_cap = -1\n[polling]\nmin = "x"\n').splitlines()
    assert [re.findall(r":(\d+):", one)[0] for one in found] == ["2", "3", "5"]


def test_bytes_that_are_no_text(file: Path) -> None:
    """A file in another encoding is said to be one."""
    file.write_bytes(b"# caf\xe9")
    with pytest.raises(SettingsError, match="UTF-8"):
        load_file(file)


def test_mark_at_the_beginning(file: Path) -> None:
    """The mark that some editors put before UTF-8 is no mistake."""
    file.write_bytes(b"\xef\xbb\xbf[policy]\nremind_cap = 3\n")
    assert load_file(file).policy.remind_cap == 3


def test_missing_file(file: Path) -> None:
    """By default there may be none; one that somebody named has to be there."""
    assert load_file(file).sources == ()
    with pytest.raises(SettingsError, match="UPTAKE_CONFIG or an argument names it"):
        load_file(file, required=True)


def test_example_is_valid(tmp_path: Path) -> None:
    """Whoever copies the example and names its secrets has a file that works."""
    copy = tmp_path / "uptake.toml"
    copy.write_text((ROOT / "docs" / "uptake.example.toml").read_text())
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "acme_app_key").write_text("ak1.key")
    secrets = {"ACME_CLIENT_SECRET": "s3cr3t", "ACME_HOOK_SECRET": "whsec_" + "A" * 32, "SMTP_PASSWORD": "s3cr3t"}
    found = load_file(copy, environment=secrets)
    assert [source.name for source in found.sources] == ["acme"]
    assert isinstance(found.receivers[0], EmailReceiver)
    assert doubts(copy, found) == []


def test_policies_for_some(file: Path) -> None:
    """What an override leaves out is as in [policy]; a date is the beginning of that day."""
    file.write_text(
        SOURCE
        + """
[policy]
grace = { blocking = "10d" }
severity = { warning = "5d" }
[[policy.override]]
app = "acme:4711"
labels = { tier = "gold" }
grace = { trimming = "1d" }
severity = { critical = "6d" }
remind_days = [1]
[[exemption]]
tenant = "7"
until = 2027-01-31
reason = "migrates in January"
"""
    )
    policies = written(load_file(file, environment=SURROUNDINGS)).policies
    (override,) = policies.overrides
    assert override.match == Match(source="acme", app="4711", labels=(("tier", "gold"),))
    assert override.policy == replace(
        policies.base,
        grace_trimming=timedelta(days=1),
        severity=(*policies.base.severity[:2], (Severity.CRITICAL, timedelta(days=6))),
        remind_days=(1,),
        place="[[policy.override]] number 1",
    )
    (exemption,) = policies.exemptions
    assert exemption.match == Match(tenant="7")
    assert exemption.until == datetime(2027, 1, 31, tzinfo=UTC)


def test_kinds_of_routes_are_those_of_alerts() -> None:
    """Whatever may be raised can be routed."""
    assert get_args(AlertKindName) == tuple(AlertKind)


def shown(heading: str) -> str:
    """What the example shows below *heading*, as if it were no comment."""
    example = (ROOT / "docs" / "uptake.example.toml").read_text()
    part = re.split(r"^# ---- ", re.split(heading, example, flags=re.MULTILINE)[1], flags=re.MULTILINE)[0]
    # Sentences stay comments; tables and keys do not.
    return "\n".join(re.findall(r"^# ((?:\[|\w+ = ).*)$", part, flags=re.MULTILINE))


def test_what_the_example_has_for_some(file: Path) -> None:
    """It works when it is no comment any more."""
    used = '\n[[receiver]]\nname = "hook"\nkind = "log"\n[[receiver]]\nname = "ops"\nkind = "log"\n'
    file.write_text(SOURCE + used + shown(r"^# ---- Otherwise for some"))
    found = written(load_file(file, environment=SURROUNDINGS)).policies
    assert (len(found.overrides), len(found.exemptions), len(found.routes)) == (2, 1, 2)


def test_what_the_example_says_to_tenants(file: Path) -> None:
    """Its folder and its features work when they are no comment any more."""
    file.write_text(SOURCE + shown(r"^# ---- What is said"))
    found = load_file(file, environment=SURROUNDINGS)
    assert found.templates
    assert found.templates.folder == file.parent / "templates"
    features = written(found).features
    assert [feature.name for feature in features] == ["Customer names on invoices", "Two-way calendar"]
    assert features[0].match == Match(source="acme", app="4711")
    assert features[0].why
    assert features[1].match == Match()


def test_features_of_one_name_for_different_apps(file: Path) -> None:
    """Two apps may each have a calendar; what each takes is its own."""
    table = '[[feature]]\nname = "Calendar"\napp = "acme:{0}"\nscopes = ["a{0}:r"]\n'
    file.write_text(SOURCE + table.format(1) + table.format(2))
    assert len(load_file(file, environment=SURROUNDINGS).features) == 2


def test_scopes_of_the_file_are_those_of_the_core() -> None:
    """Whatever may be written in uptake.toml is a scope, and every scope may be written."""
    characters = [*map(chr, range(0x300)), "", "rw", "\u017f", "\uff11"]
    spelled = [*(f"a{one}:r" for one in characters), *(f"a:{one}" for one in characters)]
    spelled += ["", "a", ":r", "a:r\n", *("a" * length + ":w" for length in (199, 200, 201))]
    ours = {text for text in spelled if message_tables.GRANT.fullmatch(text)}
    assert ours == {text for text in spelled if GRANT.fullmatch(text)}
    assert len(ours) == 26 * 2 + 10 + 3 + 2 + 2 + 1


def test_receivers_of_the_example(file: Path) -> None:
    """What it shows of more kinds works when it is no comment any more."""
    file.write_text(shown(r"^# More kinds;"))
    secrets = {"SLACK_WEBHOOK": "https://chat.example/s3cr3t", "PAGERDUTY_KEY": "r0ut1ng", "APPRISE_URL": "json://a"}
    found = {receiver.name: receiver for receiver in load_file(file, environment=secrets).receivers}
    assert set(found) == {"log", "chat", "pager", "elsewhere", "box"}
    assert isinstance(found["pager"], PagerDutyReceiver)
    assert isinstance(found["box"], FileReceiver)
    assert found["box"].folder == file.parent / "outbox"
    assert "s3cr3t" not in repr(found)


@pytest.mark.parametrize("url", ["s3cr3t", "ftp://chat.example/s3cr3t"])
def test_secret_that_is_no_address(file: Path, url: str) -> None:
    """An address that is a secret is checked like others, and not repeated."""
    file.write_text('[[receiver]]\nname = "chat"\nkind = "slack"\nurl = "env:CHAT"\n')
    with pytest.raises(SettingsError) as refused:
        load_file(file, environment={"CHAT": url})
    assert "uptake.toml:4: receiver[0].url: env:CHAT holds no address" in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_reminders_need_somebody_to_reach(file: Path) -> None:
    """A chat of our own people is no way to a tenant's."""
    (file.parent / "address").write_text("https://chat.example/hook")
    text = '[[receiver]]\nname = "chat"\nkind = "slack"\nurl = "file:address"\n[policy]\nreminders = "chat"\n'
    assert 'uptake.toml:6: policy.reminders: receiver "chat" reaches no tenant' in told(file, text)


@pytest.mark.parametrize(
    ("mute", "said"),
    [
        ('name = "a"', "mute[0]: never ends; say on which days or in which hours"),
        ('name = "a"\nhours = "10:00-10:00"', "mute[0].hours: '10:00-10:00' are a whole day; leave them out"),
        ('name = "a"\nhours = "25:00-10:00"', "mute[0].hours: '25:00-10:00' are no hours"),
        ('name = "a"\ndays = ["sun"]\ntime_zone = "Berlin"', "mute[0].time_zone: 'Berlin' is no time zone"),
        ('name = "a"\ndays = ["sunday"]', "mute[0].days[0]: "),
    ],
)
def test_mutes_that_cannot_be(file: Path, mute: str, said: str) -> None:
    """Each mistake with its key."""
    assert said in told(file, f"[[mute]]\n{mute}\n")


def test_example_shows_the_defaults(tmp_path: Path) -> None:
    """Each line that the example has commented out says what holds without it."""
    example = (ROOT / "docs" / "uptake.example.toml").read_text()
    shown = {
        table: re.findall(r"^# (\w+ = .*)$", part, re.MULTILINE)
        for table, part in re.findall(
            r"^\[(polling|retention|policy)\][^\n]*\n(.*?)(?=^\[|\Z)", example, re.MULTILINE | re.DOTALL
        )
    }
    file = tmp_path / "uptake.toml"
    file.write_text("\n".join(f"[{table}]\n" + "\n".join(lines) for table, lines in shown.items()))
    found = load_file(file)
    assert found.policy == PolicyTable()
    assert found.polling == PollingTable()
    assert found.retention == RetentionTable()
    assert len(shown["polling"]) == 5
    assert len(shown["retention"]) == 3
    assert len(shown["policy"]) == 22
