"""The documentation: it becomes a site without a broken link, and names every key and setting as the code has it."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from config import receivers
from config.file_values import Table
from config.message_tables import FeatureTable, TemplatesTable
from config.mutes import MuteTable
from config.policy_file import HeartbeatTable, PollingTable, RetentionTable, SourceTable, UptakeFile, load_file
from config.policy_tables import ExemptionTable, OverrideTable, PolicyTable, RouteTable
from config.settings import Settings, _environment_names
from models import Base
from uptake.errors import Fault
from worker.doctor import CHECKS

ROOT = Path(__file__).parents[2]
POLICY = (ROOT / "docs" / "policy.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
ROW = re.compile(r"^\| (`[^|]*`) \| .* \| ([^|]*) \|$", re.MULTILINE)

TABLES: dict[str, type[Table]] = {
    "[[source]]": SourceTable,
    "[polling]": PollingTable,
    "[retention]": RetentionTable,
    "[policy]": PolicyTable,
    "[[policy.override]]": OverrideTable,
    "[[exemption]]": ExemptionTable,
    "[[route]]": RouteTable,
    "[[mute]]": MuteTable,
    "[[feature]]": FeatureTable,
    "[templates]": TemplatesTable,
    "[heartbeat]": HeartbeatTable,
    'kind = "email"': receivers.EmailReceiver,
    'kind = "webhook"': receivers.WebhookReceiver,
    'kind = "slack"': receivers.SlackReceiver,
    'kind = "teams"': receivers.TeamsReceiver,
    'kind = "pagerduty"': receivers.PagerDutyReceiver,
    'kind = "apprise"': receivers.AppriseReceiver,
    'kind = "file"': receivers.FileReceiver,
    'kind = "log"': receivers.LogReceiver,
}
ELSEWHERE = {"override"}  # a table of its own
CASES = [pytest.param(heading, table, id=heading) for heading, table in TABLES.items()]


def section(text: str, heading: str) -> str:
    """What stands under *heading*, up to the next one of any depth."""
    (found,) = re.findall(rf"^##+ `?{re.escape(heading)}`?$(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    return str(found)


def told(text: str) -> dict[str, str]:
    """Each name of the tables in *text*, and what stands there as its default."""
    return {name: row[2] for row in ROW.finditer(text) for name in re.findall(r"`([^`]*)`", row[1])}


def fields(table: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys of *table*, as they are written in the file."""
    named = {field.alias or name: field for name, field in table.model_fields.items()}
    return {name: field for name, field in named.items() if name not in ELSEWHERE}


def documented(heading: str) -> dict[str, str]:
    """The keys that the page has of a table; what all receivers have stands above their kinds."""
    common = told(section(POLICY, "[[receiver]]")) if heading.startswith("kind = ") else {}
    return common | told(section(POLICY, heading))


def is_nothing(value: Any) -> bool:
    """Whether a default leaves it to something else."""
    return value in (None, {}) or (isinstance(value, BaseModel) and all(part is None for _, part in value))


def meant(field: FieldInfo, default: str) -> Any:
    """The value that *default*, written as in the file, is to this key."""
    (literal,) = re.findall(r"^`(.*)`$", default)
    return TypeAdapter(field.rebuild_annotation()).validate_python(tomllib.loads(f"x = {literal}")["x"])


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> UptakeFile:
    """All examples of the page together, read as one file."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "secrets").mkdir()
    (folder / "secrets" / "acme_app_key").write_text("key")
    blocks = "\n".join(re.findall(r"^```toml\n(.*?)^```", POLICY, re.MULTILINE | re.DOTALL))
    (folder / "uptake.toml").write_text(blocks)
    secrets = dict.fromkeys(re.findall(r'"env:(\w+)"', blocks), "https://hooks.acme.example/secret")
    return load_file(folder / "uptake.toml", environment=secrets)


def values(found: BaseModel) -> Iterator[BaseModel]:
    """*found* and all tables in it."""
    yield found
    for _, value in found:
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, BaseModel):
                yield from values(one)


def test_site_has_no_broken_link(tmp_path: Path) -> None:
    """Every link of the documentation leads to a page, a heading or a file that is there, and every page is listed."""
    build = [sys.executable, "-m", "sphinx", "-c", "docs/site", "-W", "--keep-going", "-q", "-b", "dummy"]
    built = subprocess.run([*build, ".", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize(("heading", "table"), CASES)
def test_every_key_is_documented(heading: str, table: type[Table]) -> None:
    """A table of uptake.toml has the keys that docs/policy.md says, and no others."""
    assert documented(heading).keys() == fields(table).keys()


@pytest.mark.parametrize(("heading", "table"), CASES)
def test_defaults_are_as_documented(heading: str, table: type[Table]) -> None:
    """What docs/policy.md calls the default of a key is what leaving it out means."""
    for name, default in documented(heading).items():
        field = fields(table)[name]
        if field.is_required():
            assert default in {"required", "any"}, name
        elif is_nothing(field.default):
            assert default != "required", name
            assert not default.startswith("`"), name
        else:
            assert meant(field, default) == field.default, name


def test_no_table_is_forgotten() -> None:
    """Each table of the file has its place in docs/policy.md."""
    tables = {name for name in fields(UptakeFile) if name != "receiver"}
    assert tables == {heading.strip("[]") for heading in TABLES if heading.startswith("[") and "." not in heading}
    kinds = {heading for heading in TABLES if heading.startswith("kind = ")}
    assert len(kinds) == len(receivers.Receiver.__args__)


def test_every_key_has_an_example(example: UptakeFile) -> None:
    """The examples of docs/policy.md are one file in order, and each key stands in it."""
    used: dict[type[BaseModel], set[str]] = {}
    for one in values(example):
        used.setdefault(type(one), set()).update(one.model_fields_set)
    common = {"send_resolved", "cap", "rate"}  # shown with the first receiver
    for table in TABLES.values():
        left_out = table.model_fields.keys() - used[table]
        assert left_out <= (common if issubclass(table, receivers._Receiver) else set()), table.__name__
    assert common <= used[receivers.EmailReceiver]


def test_every_setting_is_documented() -> None:
    """docs/operating.md names what the environment chooses, with its default, and nothing else."""
    found = told(section(OPERATING, "Settings"))
    settings = {_environment_names(name)[0]: field for name, field in Settings.model_fields.items()}
    assert found.keys() == settings.keys()
    for name, field in settings.items():
        if field.default is None:
            assert not found[name].startswith("`"), name
        else:
            default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
            assert found[name] == f"`{default}`", name


def test_every_check_and_fault_is_documented() -> None:
    """docs/operating.md says what each check of `uptake doctor` looks at, and what each fault of a portal means."""
    assert set(CHECKS) <= set(re.findall(r"`(\w+)`", section(OPERATING, "What to watch")))
    rows = re.findall(r"^\| (`.*?) \|", section(OPERATING, "When something is wrong"), re.MULTILINE)
    told_of = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {fault.value for fault in Fault} - {Fault.RECIPIENT, Fault.INTERNAL} <= told_of


def test_every_table_is_documented() -> None:
    """docs/architecture.md has a place for each table that we remember something in."""
    assert Base.metadata.tables.keys() <= set(re.findall(r"`(\w+)`", section(ARCHITECTURE, "What is remembered")))
