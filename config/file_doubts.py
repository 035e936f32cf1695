"""What uptake.toml may say and hardly means: alerts that nobody hears of, receivers that nothing goes to."""

from collections.abc import Iterator
from pathlib import Path

from config import toml_lines
from config.file_complaints import Complaint, Place, written
from config.policy_file import UptakeFile
from config.policy_tables import RouteTable

_ANY = RouteTable(receivers=())


def doubts(path: Path, file: UptakeFile) -> list[str]:
    """What to look at in *file*, which was loaded from *path*: by file, line and key, as mistakes are told."""
    if not path.exists():
        return []
    lines = toml_lines.lines(path.read_text(encoding="utf-8-sig"))
    found = [*_unheard(file), *_unnamed(file)]
    return written(path, [Complaint.at(place, said, lines) for place, said in found]).splitlines()


def _unheard(file: UptakeFile) -> Iterator[tuple[Place, str]]:
    """Alerts that are raised and told to nobody."""
    heard = [route for route in file.routes if route.receivers]
    if not file.policy.receivers and not heard:
        yield ("policy", "receivers"), "nobody is told of any alert; name who is, here or in a [[route]]"
    elif not file.policy.receivers and not any(_is_for_all(route) for route in heard):
        yield ("policy", "receivers"), "nobody is told of alerts that no [[route]] is for; name who is"
    for index, route in enumerate(file.routes):
        if not route.receivers:
            said = (
                "names nobody and continues, so it changes nothing; take it out"
                if route.goes_on
                else "names nobody, so nobody is told of what it is for; [[mute]] and [[exemption]] do that for a while"
            )
            yield ("route", index, "receivers"), said


def _is_for_all(route: RouteTable) -> bool:
    return route.model_copy(update={"goes_on": False}).swallows(_ANY)


def _unnamed(file: UptakeFile) -> Iterator[tuple[Place, str]]:
    """Receivers that are written and not used."""
    policy = file.policy
    reminding = [policy.reminders, *(override.reminders for override in policy.overrides)]
    named = {*policy.receivers, policy.fallback, *reminding, *(name for one in file.routes for name in one.receivers)}
    for index, receiver in enumerate(file.receivers):
        # The one that is always there is not written.
        if receiver.name not in named | {"log"}:
            yield ("receiver", index, "name"), f'nothing goes to "{receiver.name}"; name it in [policy] or a [[route]]'
