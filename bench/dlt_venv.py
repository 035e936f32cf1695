"""The virtual environment in which dlt runs, so that its dependencies never mix with ours."""

import subprocess
import sys
import venv
from pathlib import Path

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "dlt-requirements.txt"
_CACHE = _HERE.parent / ".bench"


def python() -> str:
    """The interpreter that has dlt; made on first use, and again when the requirements have changed."""
    place, stamp = _CACHE / "venv", _CACHE / "venv" / "installed.txt"
    program = place / "bin" / "python"
    if not stamp.exists() or stamp.read_text() != _REQUIREMENTS.read_text():
        print("Installing dlt into .bench/venv (about a minute the first time) ...", flush=True)
        _CACHE.mkdir(exist_ok=True)
        (_CACHE / ".gitignore").write_text("*\n")
        venv.create(place, clear=True, with_pip=True)
        install = [str(program), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", str(_REQUIREMENTS)]
        subprocess.run(install, check=True, stdout=sys.stderr)
        stamp.write_text(_REQUIREMENTS.read_text())
    return str(program)
