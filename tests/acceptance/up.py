"""Keep servers, worker and beat running on the directory that the first argument names, as `uptake up` does."""

import sys
from pathlib import Path

from models.migrations import upgrade
from worker.embedded import Servers
from worker.supervisor import Child, Limits, Supervisor

CELERY = (sys.executable, "-m", "celery", "-A", "worker")
# A server stays away for longer than what is under way when it is killed.
LIMITS = Limits(backoff=2.0, backoff_most=2.0, look=0.5)


def _children(_servers: Servers) -> list[Child]:
    return [Child("worker", [*CELERY, "worker", "-c", "2"]), Child("beat", [*CELERY, "beat"])]


def _migrate(servers: Servers) -> None:
    assert servers.database_url
    upgrade(servers.database_url)


if __name__ == "__main__":
    Supervisor(Path(sys.argv[1]), _children, before=_migrate, limits=LIMITS).run()
