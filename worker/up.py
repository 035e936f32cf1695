"""`uptake up`: everything on one machine."""

import sys
from collections.abc import Sequence

from config.settings import Settings, settings
from models.migrations import upgrade
from tasks.rules import rules
from worker.embedded import Servers, SetupError, running
from worker.greeting import greeting
from worker.ports import require_port
from worker.signs import Page, Pulse
from worker.supervisor import Child, Supervisor

# Longer than a task may take: with every process busy, no tick is done meanwhile.
SILENT_WORKER_SECONDS = 300.0


def run() -> None:
    """Run everything until Ctrl-C; SetupError or SettingsError says what is in the way."""
    _Everything(settings()).run()


class _Everything:
    def __init__(self, chosen: Settings) -> None:
        self.chosen = chosen

    def run(self) -> None:
        self._refuse_early()
        given = self.chosen.database_url, self.chosen.redis_url
        database_url, redis_url = (url.get_secret_value() if url else None for url in given)
        Supervisor(
            self.chosen.data_dir,
            self._children,
            before=self._prepare,
            up=self._greet,
            database_url=database_url,
            redis_url=redis_url,
        ).run()

    def _refuse_early(self) -> None:
        """Whatever can be known to be in the way is said before anything is started."""
        chosen = self.chosen
        if found := running(chosen.data_dir):
            raise SetupError(
                f"Uptake already runs on {chosen.data_dir} (pid {found.pid}); stop that one first "
                "or set UPTAKE_DATA_DIR elsewhere."
            )
        rules()
        require_port(chosen.dashboard_host, chosen.dashboard_port, "UPTAKE_DASHBOARD_PORT")

    def _prepare(self, servers: Servers) -> None:
        upgrade(_database(servers))

    def _children(self, servers: Servers) -> Sequence[Child]:
        pulse = Pulse(_database(servers), servers.broker_url or "")
        dashboard = Page(self.chosen.dashboard_host, self.chosen.dashboard_port)
        return [
            Child("worker", _command("worker"), {}, pulse.has_begun, pulse.age, SILENT_WORKER_SECONDS, order=1),
            Child("beat", _command("beat"), order=1),
            Child("dashboard", _command("dashboard"), {}, dashboard.answers, dashboard.silence, order=1),
        ]

    def _greet(self, _servers: Servers) -> None:
        _say("\n".join(("", *greeting(self.chosen), "")))


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "worker.cli", name]


def _database(servers: Servers) -> str:
    if servers.database_url is None:
        raise SetupError("No database was started: this should not have happened; please tell us.")
    return servers.database_url
