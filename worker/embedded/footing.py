"""As whom PostgreSQL runs here: it refuses root, so root lends it a user namespace or, failing that, a user."""

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from worker.embedded.errors import SetupError
from worker.embedded.process import leashed

NOBODY = 65534
NAMESPACE = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
# What nobody must be able to reach lives here when root's own directories are closed to it.
HOUSE = Path("/var/lib/uptake")


@dataclass(frozen=True)
class Footing:
    """How to run PostgreSQL's programs: from *programs*, behind *prefix*, as *uid* (None: as who we are)."""

    programs: Path
    prefix: tuple[str, ...] = ()
    uid: int | None = None

    @property
    def owner(self) -> int:
        """Who must own the cluster's files, as the kernel sees it."""
        return os.geteuid() if self.uid is None else self.uid

    def command(self, program: str, *arguments: str) -> list[str]:
        """The words that run one of the programs on this footing."""
        return [*self.prefix, str(self.programs / program), *arguments]


def footing(programs: Path, data: Path) -> Footing:
    """Choose how PostgreSQL is run on *data*: directly, else in a user namespace, else as nobody from a copy."""
    if os.geteuid() != 0 and _has_name(os.geteuid()):
        return Footing(programs)
    spaced = Footing(programs, prefix=NAMESPACE)
    if _works(spaced) and reaches(spaced, data):
        return spaced
    if os.geteuid() != 0:
        raise SetupError(
            f"User {os.geteuid()} has no name on this machine, and PostgreSQL insists on one: run as a user of "
            "/etc/passwd, or set DATABASE_URL to a running server."
        )
    lowered = Footing(programs, uid=NOBODY)
    return lowered if _works(lowered) else Footing(_copied(programs), uid=NOBODY)


def _has_name(uid: int) -> bool:
    # In a container that is run as just any number there is none.
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def reaches(chosen: Footing, directory: Path) -> bool:
    """Say whether a program on this footing may enter *directory*."""
    return _succeeds([*chosen.prefix, "test", "-x", str(directory)], chosen.uid)


def settle(chosen: Footing, cluster: Path) -> None:
    """Make the place of *cluster* reachable and its files owned by who will run on them."""
    if os.geteuid() != 0:
        return
    if chosen.uid is not None and not cluster.is_symlink():
        # Passing through, not looking in; the directories above are not ours to open.
        cluster.parent.chmod(0o711)
        if not reaches(chosen, cluster.parent):
            _move_out(cluster)
    if cluster.exists() and cluster.stat().st_uid != chosen.owner:
        for place, _, files in os.walk(cluster.resolve()):
            for path in (place, *(os.path.join(place, name) for name in files)):  # noqa: PTH118 - a long walk
                os.chown(path, chosen.owner, chosen.owner, follow_symlinks=False)


def _works(chosen: Footing) -> bool:
    return _succeeds(chosen.command("postgres", "--version"), chosen.uid)


def _succeeds(argv: list[str], uid: int | None) -> bool:
    done = subprocess.run(leashed(argv, uid=uid), capture_output=True, check=False)  # noqa: S603 - our own words
    return done.returncode == 0


def _move_out(cluster: Path) -> None:
    # A random name: deleting the data directory must mean beginning afresh.
    target = _house() / f"pg-{secrets.token_hex(6)}"
    if cluster.exists():
        shutil.move(cluster, target)
    else:
        target.mkdir(mode=0o700)
    cluster.symlink_to(target)


def _copied(programs: Path) -> Path:
    """A copy of the wheel's programs that everybody may run; made once per version of them."""
    tree = programs.parent
    package = tree.parent
    mark = hashlib.sha256(f"{tree}{(programs / 'postgres').stat()[6:9]}".encode()).hexdigest()[:12]
    target = _house() / f"postgres-{mark}"
    if not target.exists():
        fresh = Path(f"{target}.{os.getpid()}")
        shutil.copytree(tree, fresh / package.name / tree.name, symlinks=True)
        # The wheel keeps the libraries it was linked with beside the package, found by a relative path.
        for libraries in package.parent.glob(f"{package.name}.libs"):
            shutil.copytree(libraries, fresh / libraries.name)
        _open_to_all(fresh)
        fresh.rename(target)
    return target / package.name / tree.name / programs.name


def _open_to_all(tree: Path) -> None:
    for place, _, files in os.walk(tree):
        Path(place).chmod(0o755)
        for name in files:
            path = Path(place, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | 0o444 | (path.stat().st_mode & 0o100 and 0o111))


def _house() -> Path:
    try:
        HOUSE.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            f"PostgreSQL does not run as root and {HOUSE} cannot be made ({error.strerror}); run Uptake as another "
            "user, or set DATABASE_URL to a running server."
        ) from error
    return HOUSE
