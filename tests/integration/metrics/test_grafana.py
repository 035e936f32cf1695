"""The rules and the dashboard that come with Uptake, against what is really told."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dashboard.app import application
from tests.integration.access.callers import bearer
from tests.integration.metrics.scraped import scraped
from tests.integration.models.world import World

DOCS = Path(__file__).parents[3] / "docs"
FOLDER = DOCS / "grafana"
RULES: dict[str, Any] = YAML(typ="safe").load(FOLDER / "uptake.rules.yml")
BOARD: dict[str, Any] = json.loads((FOLDER / "uptake.json").read_text())
METRIC = re.compile(r"\b(uptake_\w+)(?:\{([^}]*)\})?")
ADDED = {"alertname", "job", "instance"}


def rules() -> list[dict[str, Any]]:
    """Every rule of the file."""
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    """Everything that is asked of Prometheus, by the rules and the dashboard."""
    asked = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", [])]
    asked += [one["query"]["query"] for one in BOARD["templating"]["list"] if one["type"] == "query"]
    return [rule["expr"] for rule in rules()] + asked


@pytest.fixture
def told(lived: World, own_url: str) -> dict[str, set[str]]:
    """The labels of each sample that a busy Uptake tells, by the sample's name."""
    app, headers = application(own_url), bearer(lived.session)
    scraped(app, headers)
    app.state.figures._kept.clear()
    lived.put("3", 2)
    lived.poll()
    lived.session.commit()
    samples = [sample for family in scraped(app, headers).values() for sample in family.samples]
    return {sample.name: set(sample.labels) for sample in samples}


def test_only_what_there_is_is_asked_for(told: dict[str, set[str]]) -> None:
    """Each metric that a rule or a panel names is told, with the labels by which it is chosen."""
    found = [match for expression in expressions() for match in METRIC.findall(expression)]
    assert len(found) > 40
    for name, matchers in found:
        assert name in told, name
        assert set(re.findall(r"(\w+)\s*[=!]~?\"", matchers)) <= told[name], f"{name}{{{matchers}}}"


def test_legends_name_labels(told: dict[str, set[str]]) -> None:
    """What a legend shows is left over by the expression beside it."""
    for panel in BOARD["panels"]:
        for target in panel.get("targets", []):
            labels = set().union(*(told[name] for name, _ in METRIC.findall(target["expr"])))
            kept = re.search(r"\bby \(([^)]*)\)", target["expr"])
            if kept:
                assert set(kept[1].split(", ")) <= labels | {"le"}, panel["title"]
                labels = set(kept[1].split(", "))
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, panel["title"]


def test_recorded_names_are_the_rules_own() -> None:
    """A rule that rests on a recorded one names one that is recorded."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert {name for one in expressions() for name in re.findall(r"\buptake:[\w:]+", one)} <= recorded


def test_every_alert_is_explained() -> None:
    """The page says what each alert means, and of no other; each says how grave it is and what to do."""
    alerts = [rule for rule in rules() if "alert" in rule]
    page = (DOCS / "metrics.md").read_text()
    assert re.findall(r"^\| `(Uptake\w+)`", page, re.MULTILINE) == [rule["alert"] for rule in alerts]
    for rule in alerts:
        labels, annotations = rule["labels"], rule["annotations"]
        assert labels["severity"] in {"warning", "critical"}
        assert annotations["summary"]


def test_the_dashboard_hangs_together() -> None:
    """Panels have ids of their own and do not lie over each other."""
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24


@pytest.mark.parametrize("kind", ["datasources", "dashboards"])
def test_provisioning_can_be_read(kind: str) -> None:
    """Both files are YAML of Grafana's first version, and keep no secret."""
    said = YAML(typ="safe").load(FOLDER / "provisioning" / kind / "uptake.yml")
    assert said["apiVersion"] == 1
    assert "password" not in json.dumps(said)


@pytest.mark.parametrize(("check", "file"), [("check", "uptake.rules.yml"), ("test", "uptake.rules.test.yml")])
def test_promtool_is_content(check: str, file: str) -> None:
    """Prometheus' own tool understands every rule, and each fires when it should and not otherwise."""
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is missing: apt install prometheus")
    done = subprocess.run([promtool, check, "rules", FOLDER / file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
