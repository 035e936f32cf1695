"""The words our code may use: events in the log, no times ahead in Celery, nothing of one machine."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("config", "uptake", "models", "tasks", "worker", "dashboard", "portal")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
EVENT = re.compile(r"[a-z]+\.[a-z_]+")
# Written so that this file does not match itself.
FOREIGN = re.compile(
    r"pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|docker[.]io|golang[.]org|crates[.]io|--(?:extra-)?index-url"
    r"|(?<![\w.:/])/(?:work|root|home|tmp)/\w",
    re.IGNORECASE,
)


def modules(*folders: str) -> Iterator[Path]:
    """Every Python file of *folders*."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def nameless_events(source: str) -> list[str]:
    """The log calls in *source* whose event is not a constant such as `app.polled`."""
    return [
        ast.unparse(call)
        for call in ast.walk(ast.parse(source))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in LEVELS
        and re.match(r"_?log(ger)?\b", ast.unparse(call.func.value))
        and not (call.args and isinstance(call.args[0], ast.Constant) and EVENT.fullmatch(str(call.args[0].value)))
    ]


def times_ahead(source: str) -> list[str]:
    """What in *source* would leave a time ahead, or another try, to Celery."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    keywords = {keyword.arg for call in calls for keyword in call.keywords}
    retries = [
        ast.unparse(call.func) for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "retry"
    ]
    return sorted({"countdown", "eta", "autoretry_for"} & keywords) + retries


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param('log.info("app.polled", app=app)', 0, id="noun_participle"),
        pytest.param('log.bind(app=1).warning("alert.raised_again")', 0, id="bound"),
        pytest.param('log.info(f"app.{what}")', 1, id="f_string"),
        pytest.param('log.info("App polled")', 1, id="prose"),
        pytest.param("log.error(event)", 1, id="variable"),
        pytest.param("log.exception()", 1, id="nothing"),
        pytest.param('logger.bind(app=1).info("polled")', 1, id="bound_without_a_noun"),
        pytest.param('catalog.info("Anything")', 0, id="not_a_logger"),
    ],
)
def test_nameless_events_are_found(source: str, found: int) -> None:
    """The search below finds what it looks for."""
    assert len(nameless_events(source)) == found


def test_events_are_nouns_with_participles() -> None:
    """An event is a constant like `alert.raised`; what belongs to it goes in keywords."""
    found = {str(module): nameless_events(module.read_text()) for module in modules(*FOLDERS)}
    assert found
    assert {module: calls for module, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        pytest.param("task.apply_async(args, countdown=3)", ["countdown"], id="countdown"),
        pytest.param("task.apply_async(args, eta=at)", ["eta"], id="eta"),
        pytest.param("raise self.retry()", ["self.retry"], id="retry"),
        pytest.param("@shared_task(autoretry_for=(E,))\ndef f(): ...", ["autoretry_for"], id="autoretry"),
        pytest.param("task.apply_async(args, expires=60)  # no countdown=", [], id="expires_is_welcome"),
    ],
)
def test_times_ahead_are_found(source: str, found: list[str]) -> None:
    """The search below finds what it looks for."""
    assert times_ahead(source) == found


def test_times_ahead_are_columns() -> None:
    """Nothing waits inside the broker: with Redis it would run again past the visibility timeout."""
    found = {str(module): times_ahead(module.read_text()) for module in modules("tasks", "worker")}
    assert found
    assert {module: words for module, words in found.items() if words} == {}


@pytest.mark.parametrize("folder", ["work", "root", "home", "tmp"])
def test_foreign_paths_are_found(folder: str) -> None:
    """The search below finds what it looks for."""
    assert FOREIGN.search(f'open("/{folder}/x")')
    assert not FOREIGN.search(f"https://acme.example/{folder}/x")


@pytest.mark.parametrize("host", ["pypi", "files.pythonhosted"])
def test_foreign_hosts_are_found(host: str) -> None:
    """The search below finds what it looks for."""
    assert FOREIGN.search(f"https://{host}.org/simple")


def test_tracked_files_name_no_registry_and_no_machine() -> None:
    """The tree builds on any machine, from whichever registry that machine uses."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: nothing is tracked")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    found = {}
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        # A file that is deleted but not yet committed is still listed.
        lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
        found[name] = [line.strip()[:120] for line in lines if FOREIGN.search(line)]
    assert found
    assert {name: lines for name, lines in found.items() if lines} == {}
