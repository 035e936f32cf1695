"""Who ran what on which day, and how far each version has got."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.queries.taken import Watched
from uptake.stages import Counted, StageName, adopted


@dataclass(frozen=True, slots=True)
class AdoptionPoint:
    """How many connected tenants ran one version of an app at the end of a day, in UTC."""

    day: date
    version: int | None  # null: the portal did not tell
    tenants: int
    connected: int
    share: float
    as_of: datetime | None  # the end of the day, or until when our picture is exact where that is before


@dataclass(frozen=True, slots=True)
class Days:
    """The *first* day, and every *step*-th after it up to the *last*."""

    first: date
    last: date
    step: int = 1


@dataclass(frozen=True, slots=True)
class VersionStage:
    """How far one version has got among the connected tenants, in one word."""

    version: int
    released_at: datetime
    stage: StageName | None  # null: too few tenants are connected to say
    tenants: int  # connected, that run exactly this version
    connected: int
    share: float | None
    peak_share: float
    adopted_on: date | None  # the first day on which it had 10 %
    replaced_on: date | None
    as_of: datetime | None


# A day without change has no row: each row holds until the next one of its version. Every step that a row holds for is
# made of it, so that what is read are the changes and what comes out are the days.
_POINTS = text("""
WITH held AS (
    SELECT version, tenants, greatest(day, cast(:first AS date)) - cast(:first AS date) AS begins,
        least(lead(day) OVER (PARTITION BY version ORDER BY day), cast(:last AS date) + 1) - cast(:first AS date)
            AS ends
    FROM adoption WHERE app_id = :app AND environment = :environment AND day <= :last
), point AS (
    SELECT cast(:first AS date) + place AS day, version, tenants,
        sum(tenants) OVER (PARTITION BY place) AS connected
    FROM held CROSS JOIN LATERAL
        generate_series((begins + cast(:step AS int) - 1) / cast(:step AS int) * cast(:step AS int), ends - 1,
            cast(:step AS int)) AS place
    WHERE begins < ends AND tenants > 0
)
SELECT day, version, tenants, connected,
    least(cast(day + 1 AS timestamp) AT TIME ZONE 'UTC', cast(:as_of AS timestamptz)) AS as_of
FROM point
WHERE cast(:after_day AS date) IS NULL OR (day, version) > (cast(:after_day AS date), cast(:after_version AS int8))
ORDER BY day, version LIMIT :most
""")
_COUNTED = text("""
SELECT day, version, tenants FROM adoption WHERE app_id = :app AND environment = :environment ORDER BY day, version
""")
_RELEASES = text("SELECT number, released_at FROM app_version WHERE app_id = :app ORDER BY number DESC")


def adoption(
    session: Session,
    app: Watched,
    days: Days,
    *,
    environment: str,
    after: tuple[date, int] | None = None,
    most: int | None = None,
) -> list[AdoptionPoint]:
    """Each version that somebody ran at the end of each of these *days*; on any day what a recount would give.

    By day and version: the next *most* of them, *after* the day and version (0: not told) of the last one.
    """
    day, version = after or (None, None)
    bound = {
        "app": app.id,
        "environment": environment,
        "as_of": app.as_of,
        # The day of the last row is one of the steps.
        "first": day or days.first,
        "last": days.last,
        "step": days.step,
        "after_day": day,
        "after_version": version,
        "most": most,
    }
    return [
        AdoptionPoint(row.day, row.version or None, row.tenants, row.connected, row.tenants / row.connected, row.as_of)
        for row in session.execute(_POINTS, bound)
    ]


def version_stages(session: Session, app: Watched, *, environment: str) -> list[VersionStage]:
    """The stage of every version of the app, the newest first."""
    bound = {"app": app.id, "environment": environment}
    counts = adopted(Counted(row.day, row.version, row.tenants) for row in session.execute(_COUNTED, bound))
    known = {one.version: one for one in counts}
    connected = counts[-1].connected if counts else 0
    found = []
    for row in session.execute(_RELEASES, bound):
        one = known.get(row.number)
        found.append(
            VersionStage(
                version=row.number,
                released_at=row.released_at,
                stage=one.stage if one else StageName.UNUSED,
                tenants=one.tenants if one else 0,
                connected=connected,
                share=(one.share or 0.0) if one and connected else 0.0 if connected else None,
                peak_share=one.peak if one else 0.0,
                adopted_on=one.adopted_on if one else None,
                replaced_on=one.replaced_on if one else None,
                as_of=app.as_of,
            )
        )
    return found
