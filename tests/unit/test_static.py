"""The files of the pages: libraries as their packages have them, addresses by content, and nothing else served."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

from dashboard import static

FOLDER = Path(static.__file__).parent / "static"
SUMS = dict(
    re.findall(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", (FOLDER / "vendor" / "README.md").read_text(), re.MULTILINE)
)


def test_libraries_are_unchanged() -> None:
    """Each is listed with its licence, and has the sum that is written there."""
    shipped = {path.name for path in (FOLDER / "vendor").iterdir() if path.suffix in {".js", ".css"}}
    assert shipped == set(SUMS)
    for name, known in SUMS.items():
        assert sha256((FOLDER / "vendor" / name).read_bytes()).hexdigest() == known, name


def test_every_file_is_served() -> None:
    """What lies in the folder can be asked for, by an address that changes with its content."""
    names = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.suffix in {".js", ".css", ".svg"}}
    for name in names:
        found = static.kept(name)
        assert found.body == (FOLDER / name).read_bytes()
        assert static.address(name) == f"/static/{found.mark}/{name}"


@pytest.mark.parametrize("name", ["../app.py", "vendor/README.md", "", "/etc/passwd", "style.css/"])
def test_nothing_else_is(name: str) -> None:
    """A path that is not one of these files leads nowhere."""
    with pytest.raises(FileNotFoundError):
        static.kept(name)
