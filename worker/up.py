"""`uptake up`: everything on one machine."""

import os
import sys
from collections.abc import Sequence

from config import traces
from config.settings import Settings, SettingsError, settings
from models.migrations import upgrade
from tasks.rules import rules
from worker.demo import Demo, prepare
from worker.embedded import Directory, Servers, SetupError, running
from worker.first_link import first_link
from worker.greeting import greeting
from worker.ports import require_port
from worker.signs import Page, Pulse
from worker.supervisor import Child, Supervisor

# Longer than a task may take: with every process busy, no tick is done meanwhile.
SILENT_WORKER_SECONDS = 300.0


def run(*, demo: bool) -> None:
    """Run everything until Ctrl-C; SetupError or SettingsError says what is in the way."""
    _Everything(settings(), demo=demo).run()


class _Everything:
    def __init__(self, chosen: Settings, *, demo: bool) -> None:
        self.chosen = chosen
        self.wants_demo = demo
        self.demo: Demo | None = None

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
        if self.wants_demo and os.environ.get("UPTAKE_CONFIG"):
            raise SettingsError("The demo brings its own rules: unset UPTAKE_CONFIG, or leave out --demo.")
        if not self.wants_demo:
            if (chosen.data_dir / "demo").exists():
                raise SetupError(
                    f"{chosen.data_dir} holds the demo: go on with `uptake up --demo`, remove that directory, "
                    "or set UPTAKE_DATA_DIR to another one."
                )
            rules()
        traces.check()
        require_port(chosen.dashboard_host, chosen.dashboard_port, "UPTAKE_DASHBOARD_PORT")
        if self.wants_demo:
            require_port(chosen.portal_host, chosen.portal_port, "UPTAKE_PORTAL_PORT")

    def _prepare(self, servers: Servers) -> None:
        upgrade(_database(servers))
        if self.wants_demo:
            self.demo = prepare(self.chosen.data_dir, _database(servers), say=_say)
            Directory(self.chosen.data_dir).remember(config=str(self.demo.config.absolute()))

    def _children(self, servers: Servers) -> Sequence[Child]:
        rules_file = {"UPTAKE_CONFIG": str(self.demo.config.absolute())} if self.demo else {}
        pulse = Pulse(_database(servers), servers.broker_url or "")
        dashboard = Page(self.chosen.dashboard_host, self.chosen.dashboard_port)
        children = [
            Child("worker", _command("worker"), rules_file, pulse.has_begun, pulse.age, SILENT_WORKER_SECONDS, order=1),
            Child("beat", _command("beat"), rules_file, order=1),
            Child("dashboard", _command("dashboard"), rules_file, dashboard.answers, dashboard.silence, order=1),
        ]
        if self.demo:
            portal = Page(self.chosen.portal_host, self.chosen.portal_port)
            children += [
                Child("portal", _command("portal"), rules_file, portal.answers, portal.silence, order=0),
                Child("demo", [sys.executable, "-m", "worker.demo"], rules_file, order=2),
            ]
        return children

    def _greet(self, servers: Servers) -> None:
        # A database that somebody has named is not ours to let anybody into.
        is_ours = self.wants_demo or self.chosen.database_url is None
        link = first_link(_database(servers)) if is_ours else None
        _say("\n".join(("", *greeting(self.chosen, self.demo, link), "")))


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "worker.cli", name]


def _database(servers: Servers) -> str:
    if servers.database_url is None:
        raise SetupError("No database was started: this should not have happened; please tell us.")
    return servers.database_url
