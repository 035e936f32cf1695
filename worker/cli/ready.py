"""`uptake ready`: whether an app can rely on a scope by now, as an exit code for those who decide by one."""

from collections.abc import Sequence
from typing import Annotated

import typer

from config.settings import SettingsError
from models import Session, db_now
from models.queries.readiness import Readiness, readiness
from uptake.scopes import parse
from worker.cli.answers import App, require_app, warned
from worker.cli.output import Json, as_json, console
from worker.lifecycle import open_database


def ready(
    app: App,
    *,
    scope: Annotated[list[str], typer.Option(help="A scope such as tn.jpm.jobs:w; repeat it, and all are needed.")],
    least: Annotated[
        float, typer.Option("--min", min=0, max=100, help="So many percent of the connected tenants have to grant it.")
    ] = 95.0,
    environment: Annotated[str, typer.Option(help="Where.")] = "production",
    json: Json = False,
) -> None:
    """Whether so many tenants grant a scope that the app can rely on it: exit code 0, or 1 when they do not.

    Of whom nobody knows what they grant, it counts as not granted. Nobody connected is not ready.
    """
    open_database()
    with Session() as session:
        require_app(session, app)
        _require_scopes(scope)
        found = [one for name in scope for one in readiness(session, app, environment=environment, scope=name.strip())]
        warned(session, now=db_now(session), app=app)
    if json:
        as_json(found)
    else:
        for one in found:
            console.print(_said(one, least, environment), highlight=False, markup=False)
    if not all(_is_ready(one, least) for one in found):
        raise typer.Exit(1)


def _require_scopes(scopes: Sequence[str]) -> None:
    """A misspelt scope must not look like one that nobody grants."""
    for scope in scopes:
        try:
            parse(scope.strip())
        except ValueError as error:
            raise SettingsError(f"{error}.") from None


def _is_ready(one: Readiness, least: float) -> bool:
    return one.connected > 0 and one.granted * 100 >= least * one.connected


def _said(one: Readiness, least: float, environment: str) -> str:
    verdict = "ready" if _is_ready(one, least) else "not ready"
    if not one.connected:
        return f"{one.scope}: {verdict}, for no tenant is connected in {environment}."
    # Rounded down: 95 % is said only of what is 95 %.
    share = int(one.granted * 1000 / one.connected) / 10
    unknown = f", of {one.unknown} nobody knows" if one.unknown else ""
    return (
        f"{one.scope}: {verdict}. {share:g} % of the connected tenants grant it"
        f" ({one.granted} of {one.connected}{unknown}); {least:g} % are wanted."
    )
