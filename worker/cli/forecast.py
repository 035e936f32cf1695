"""`uptake forecast`: when a share of the tenants will have the latest version, as an interval."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer

from config.settings import SettingsError
from models import Session, db_now
from models.queries.studies import forecast_of
from models.queries.taken import watched
from models.queries.upgrades import TARGET, Expected
from uptake.forecast import Outcome
from worker.cli.answers import App, require_app, warned
from worker.cli.output import Json, console, one_as_json
from worker.lifecycle import open_database


def forecast(
    app: App,
    *,
    target: Annotated[
        float, typer.Option(min=0.0001, max=1, help="The share of the connected tenants, from 0 to 1.")
    ] = TARGET,
    environment: Annotated[str, typer.Option(help="Where.")] = "production",
    json: Json = False,
) -> None:
    """When so many tenants will have upgraded to the latest version, and what that rests on."""
    open_database()
    with Session() as session:
        require_app(session, app)
        known = watched(session, app)
        found = forecast_of(session, known, environment=environment, target=target) if known else None
        warned(session, now=db_now(session), app=app)
    if found is None:
        raise SettingsError(f"No version of {app} is known so far.")
    if json:
        one_as_json(found)
    else:
        console.print("\n".join(said(found)), highlight=False, markup=False)


def said(one: Expected) -> Iterator[str]:
    """The forecast in words, and then what it rests on."""
    yield f"{one.target * 100:.4g} % of the tenants on version {one.version}: {_outcome(one)}"
    age = f"{one.age_seconds / 86400:.0f} days after its release" if one.as_of else "before anything was read"
    yield f"{one.upgraded} of {one.tenants} have it, {one.needed} are needed; as of {_day(one.as_of)}, {age}."
    if one.past_versions:
        versions = "version" if len(one.past_versions) == 1 else "versions"
        yield f"Taken into account: how {versions} {', '.join(map(str, one.past_versions))} went."
    for score in one.scores:
        if score.made:
            way = f"{score.way * 100:.0f} % of the way"
            yield f"Made at {way}, {score.covered} of {score.made} such forecasts would have covered what came."


def _outcome(one: Expected) -> str:
    match one.outcome:
        case Outcome.REACHED:
            return f"reached on {_day(one.middle_at)}."
        case Outcome.EXPECTED:
            if one.high_at is None:
                return f"about {_day(one.middle_at)}, not before {_day(one.low_at)}, and it may be never."
            return f"about {_day(one.middle_at)}, between {_day(one.low_at)} and {_day(one.high_at)}."
        case Outcome.NOT_REACHED:
            return "not reached at this pace" + (f", and not before {_day(one.low_at)}." if one.low_at else ".")
        case Outcome.UNKNOWN:
            return "too little is known to say."


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d}" if at else "never"
