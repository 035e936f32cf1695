"""The command `uptake`: every answer for people or as JSON; errors are one sentence and exit code 2."""

import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated

import typer

from config.settings import settings
from worker.cli.accounts import audit, user
from worker.cli.answers import alerts, explain, laggards, status, timeline
from worker.cli.backtest import backtest
from worker.cli.contacts import contacts
from worker.cli.forecast import forecast
from worker.cli.foresee import impact, plan
from worker.cli.notices import notices, replay_
from worker.cli.preview import preview
from worker.cli.processes import beat, dashboard, portal, up, worker
from worker.cli.quiet import acknowledge_, silence_cli, snooze_
from worker.cli.ready import ready
from worker.cli.tokens import token
from worker.cli.upkeep import check, doctor, migrate, poll
from worker.embedded import running
from worker.obstacles import obstacle, refuse

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Which tenant runs which version of your apps, and who lags behind.",
)
_PANELS: dict[str, tuple[Callable[..., None], ...]] = {
    "Answers": (status, laggards, timeline, explain, alerts, notices, plan, preview, backtest, impact, ready, forecast),
    "Run": (up, worker, beat, dashboard, portal),
    "Upkeep": (check, doctor, migrate, poll),
}


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"uptake {version('uptake')}")
        raise typer.Exit


@cli.callback()
def _options(
    *,
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=lambda wanted: _version(wanted=wanted), is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


# The first command of each panel says where the panel stands in --help.
for _panel, _commands in _PANELS.items():
    for _command in _commands:
        cli.command(rich_help_panel=_panel)(_command)
cli.command("acknowledge", rich_help_panel="Alerts")(acknowledge_)
cli.command("snooze", rich_help_panel="Alerts")(snooze_)
cli.add_typer(silence_cli, name="silence", rich_help_panel="Alerts")
cli.command("replay", rich_help_panel="Upkeep")(replay_)
cli.add_typer(contacts, name="contacts", rich_help_panel="Upkeep")
cli.add_typer(user, name="user", rich_help_panel="Access")
cli.add_typer(token, name="token", rich_help_panel="Access")
cli.command("audit", rich_help_panel="Access")(audit)


def main() -> None:
    """Run the command; whatever goes wrong is one sentence on standard error, never a traceback."""
    try:
        _follow_the_daemon()
        cli()
    except BrokenPipeError:
        # Whoever read us, a pager or head, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except UnicodeEncodeError:
        refuse("An argument is not text in UTF-8.")
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if sentence := obstacle(error):
            refuse(sentence)
        if settings().log_level == "debug":
            raise
        # The first line only: the rest of a database error repeats the statement.
        said = str(error).strip().partition("\n")[0]
        refuse(f"This should not have happened ({type(error).__name__}: {said}); UPTAKE_LOG_LEVEL=debug shows where.")


def _follow_the_daemon() -> None:
    """Use the rules of the `uptake up` that runs here, unless the environment names others."""
    if not os.environ.get("UPTAKE_CONFIG") and (found := running(settings().data_dir)) and found.config:
        os.environ["UPTAKE_CONFIG"] = found.config
        settings.cache_clear()
