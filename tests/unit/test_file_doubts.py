"""What uptake.toml hardly means is told by file, line and key, and keeps nobody from starting."""

from pathlib import Path

import pytest

from config.file_doubts import doubts
from config.policy_file import load_file

OPS = '[[receiver]]\nname = "ops"\nkind = "log"\n'
NOBODY = "[policy]\nreceivers = []\n"
ALL = '[[route]]\nreceivers = ["log"]\n'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("", [], id="D1_the_defaults"),
        pytest.param(NOBODY, ["2: policy.receivers: nobody is told of any alert"], id="D2_nobody"),
        pytest.param(NOBODY + ALL, [], id="D3_a_route_for_all"),
        pytest.param(NOBODY + ALL + "continue = true\n", [], id="D4_that_goes_on"),
        pytest.param(
            NOBODY + ALL + 'at_least = "critical"\n',
            ["2: policy.receivers: nobody is told of alerts that no [[route]] is for"],
            id="D5_a_route_for_some",
        ),
        pytest.param(
            NOBODY + ALL + 'kinds = ["poll_failing"]\n', ["2: policy.receivers: nobody is told of al"], id="D6_a_kind"
        ),
        pytest.param(
            NOBODY + ALL + 'environment = "production"\n',
            ["2: policy.receivers: nobody is told of al"],
            id="D7_a_place",
        ),
        pytest.param(
            NOBODY + "[[route]]\nreceivers = []\n",
            ["2: policy.receivers: nobody is told of any alert", "4: route[0].receivers: names nobody, so nobody is"],
            id="D8_a_route_to_nobody",
        ),
        pytest.param(
            '[[route]]\nkinds = ["poll_failing"]\ncontinue = true\nreceivers = []\n',
            ["4: route[0].receivers: names nobody and continues, so it changes nothing"],
            id="D9_that_goes_on",
        ),
        pytest.param(OPS, ['2: receiver[0].name: nothing goes to "ops"; name it in [policy]'], id="D10_named_nowhere"),
        pytest.param('[policy]\nreceivers = ["ops"]\n' + OPS, [], id="D11_named_as_receiver"),
        pytest.param('[policy]\nfallback = "ops"\n' + OPS, [], id="D12_as_fallback"),
        pytest.param('[policy]\nreminders = "ops"\n' + OPS, [], id="D13_for_reminders"),
        pytest.param(
            '[policy]\n[[policy.override]]\napp = "1"\nreminders = "ops"\n' + OPS, [], id="D14_for_some_reminders"
        ),
        pytest.param(ALL.replace("log", "ops") + OPS, [], id="D15_in_a_route"),
        pytest.param(
            '[policy]\nreceivers = ["ops"]\nreminders = "ops"\nfallback = "ops"\n' + OPS,
            [],
            id="D16_the_log_is_always_there",
        ),
    ],
)
def test_doubts(tmp_path: Path, text: str, found: list[str]) -> None:
    """Each with what to do about it."""
    path = tmp_path / "uptake.toml"
    path.write_text(text)
    said = doubts(path, load_file(path))
    assert len(said) == len(found), said
    assert all(one.startswith(f"{path}:{expected}") for one, expected in zip(said, found, strict=True)), said


def test_no_file_no_doubts(tmp_path: Path) -> None:
    """What nobody wrote cannot be meant otherwise."""
    path = tmp_path / "uptake.toml"
    assert doubts(path, load_file(path)) == []
