"""How long an app's tenants take to upgrade, when enough of them will have, and how those did that began alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.orm import Session

from models.queries.taken import Cohort, VersionTaken, Watched, releases, taken, taken_by_cohort, unseen
from uptake.forecast import Forecast, Outcome, Rollout, Score, forecast, score
from uptake.survival import Curve, Percentile, Spell, percentiles, stages, survival_curve

TARGET = 0.95  # where nobody says another one
PAST = 8  # rollouts before this one that forecasts are tried on
_POINTS = 400  # of a curve that is shown: each a four-hundredth, or a moment, apart


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """From *seconds* after the release on, which share has not upgraded, with its 95 % bounds."""

    seconds: float
    at_risk: int  # that were watched for so long and had not upgraded before
    waiting: float
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Reached:
    """After how long a share has upgraded, with 95 % bounds; null: that was not reached."""

    share: float
    seconds: float | None
    lower_seconds: float | None
    upper_seconds: float | None


@dataclass(frozen=True, slots=True)
class Within:
    """Which share upgrades within so long, with 95 % bounds; null: nobody was watched for so long, or from early on."""

    within_seconds: float
    share: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class TimeToUpgrade:
    """How long tenants took to upgrade to a version or a newer one, with those who still wait counted as that."""

    version: int
    environment: str
    released_at: datetime
    as_of: datetime | None  # null: the app was never read to the end
    first_looked_at: datetime | None  # what was before that counts as of then; null: we looked before the release
    tenants: int  # that had something to upgrade from
    upgraded: int
    waiting: int
    left: int  # or were paused, before they upgraded
    joined: int  # came later and had the version from the start: they say nothing of the pace
    percentiles: Sequence[Reached]
    within: Sequence[Within]
    curve: Sequence[CurvePoint]


@dataclass(frozen=True, slots=True)
class Expected:
    """When the target is reached, what that rests on, and how such forecasts did on rollouts that went before."""

    version: int
    environment: str
    released_at: datetime
    as_of: datetime | None
    target: float
    outcome: Outcome
    confidence: float
    low_at: datetime | None
    middle_at: datetime | None
    high_at: datetime | None  # null: it may never be
    chance: float | None  # that it is within a year
    tenants: int  # connected
    upgraded: int
    needed: int
    age_seconds: float
    past_versions: Sequence[int]
    scores: Sequence[Score]


@dataclass(frozen=True, slots=True)
class CohortUpgrades:
    """How the tenants did that began, or were, with the same version; *median* counts those who wait."""

    cohort: int | None  # the version; null: the portal did not tell
    tenants: int
    upgraded: int
    share: float
    median_seconds: float | None  # null: fewer than half have upgraded
    lower_seconds: float | None
    upper_seconds: float | None
    as_of: datetime | None


def times_to_upgrade(
    session: Session, app: Watched, versions: Sequence[int], *, environment: str
) -> list[TimeToUpgrade]:
    """How long tenants took for each of these *versions* that there are, the oldest first."""
    return [_times(app, one, environment) for one in taken(session, app, versions, environment=environment)]


def expected(session: Session, app: Watched, *, environment: str, target: float = TARGET) -> Expected | None:
    """When *target* of the connected tenants will have the latest version; None: there is no version.

    Rollouts that began before anybody looked teach nothing. Costs some tenths of a second.
    """
    released = releases(session, app)
    versions = list(released)[: PAST + 1]
    if not versions:
        return None
    *earlier, present = taken(session, app, versions, environment=environment)
    past = [one.as_past() for one in earlier if app.since and one.released_at >= app.since]
    now = app.as_of or present.released_at
    rollout = present.as_present(now)
    return _expected(app, forecast(rollout, past, target=target, now=now), rollout, environment, _scores(past, target))


def cohorts(session: Session, app: Watched, version: int, *, environment: str, by: Cohort) -> list[CohortUpgrades]:
    """How tenants took *version*, by the *first* version they were ever seen with or had *before* it, in its order."""
    found = taken_by_cohort(session, app, version, environment=environment, by=by)
    return [_cohort(app, one) for one in found if one.spells("upgraded", "waiting", "gone")]


def _times(app: Watched, one: VersionTaken, environment: str) -> TimeToUpgrade:
    curve = survival_curve(one.spells("upgraded"), one.spells("waiting", "gone"))
    missed = unseen(app, one.released_at).total_seconds()
    return TimeToUpgrade(
        version=one.version,
        environment=environment,
        released_at=one.released_at,
        as_of=app.as_of,
        first_looked_at=app.since if missed else None,
        tenants=curve.tenants,
        upgraded=curve.upgraded,
        waiting=one.count("waiting"),
        left=one.count("gone"),
        joined=one.count("joined"),
        percentiles=[_reached(each, missed) for each in percentiles(curve)],
        within=_within(curve, missed),
        curve=_points(curve),
    )


def _reached(found: Percentile, missed: float) -> Reached:
    # Before anybody looked it may have been at any time.
    is_bound = found.seconds is not None and found.seconds <= missed
    return Reached(found.share, found.seconds, 0.0 if is_bound and missed else found.lower_seconds, found.upper_seconds)


def _within(curve: Curve, missed: float) -> list[Within]:
    found = [Within(one.within.total_seconds(), one.share, one.lower, one.upper) for one in stages(curve)]
    return [replace(one, share=None, lower=None, upper=None) if one.within_seconds < missed else one for one in found]


def _points(curve: Curve) -> list[CurvePoint]:
    """The steps of the curve, but for those that nobody could tell from the ones before."""
    points: list[CurvePoint] = []
    for place, step in enumerate(curve.steps, 1):
        is_last = place == len(curve.steps)
        if is_last or not points or points[-1].waiting - step.survival >= 1 / _POINTS:
            points.append(CurvePoint(step.seconds, step.at_risk, step.survival, step.lower, step.upper))
    return points


def _scores(past: Sequence[Rollout], target: float) -> Sequence[Score]:
    return score([one for one in past if one.upgraded], target=target)


def _expected(app: Watched, said: Forecast, rollout: Rollout, environment: str, scores: Sequence[Score]) -> Expected:
    return Expected(
        version=rollout.version,
        environment=environment,
        released_at=rollout.released_at,
        as_of=app.as_of,
        target=said.target,
        outcome=said.outcome,
        confidence=said.confidence,
        low_at=said.low_at,
        middle_at=said.middle_at,
        high_at=said.high_at,
        chance=said.chance,
        tenants=said.basis.tenants,
        upgraded=said.basis.upgraded,
        needed=said.basis.needed,
        age_seconds=said.basis.age.total_seconds(),
        past_versions=list(said.basis.past),
        scores=list(scores),
    )


def _cohort(app: Watched, one: VersionTaken) -> CohortUpgrades:
    upgraded: list[Spell] = one.spells("upgraded")
    curve = survival_curve(upgraded, one.spells("waiting", "gone"))
    (median,) = percentiles(curve, [0.5])
    return CohortUpgrades(
        cohort=one.cohort or None,
        tenants=curve.tenants,
        upgraded=curve.upgraded,
        share=curve.upgraded / curve.tenants,
        median_seconds=median.seconds,
        lower_seconds=median.lower_seconds,
        upper_seconds=median.upper_seconds,
        as_of=app.as_of,
    )
