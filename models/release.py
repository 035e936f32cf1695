"""Recording versions of an app: immutable once seen, and an event each."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.leases import AppLease
from models.stage import intern
from uptake.facts import SeenVersion
from uptake.scopes import fingerprint

_RELEASED = text("""
WITH new AS (
    INSERT INTO app_version (app_id, number, scope_set_id, released_at, released_by, first_seen_at)
    VALUES (:app, :number, :scope_set, :released_at, :released_by, :now)
    ON CONFLICT DO NOTHING RETURNING number, scope_set_id
)
INSERT INTO event (at, type, app_id, data)
SELECT :now, 'version.released', :app, jsonb_build_object(
    'version', new.number, 'released_at', cast(:released_at AS timestamptz), 'released_by', cast(:released_by AS text),
    'scopes', (SELECT grants FROM scope_set WHERE id = new.scope_set_id))
FROM new RETURNING id
""")


def record_versions(session: Session, lease: AppLease, versions: Sequence[SeenVersion], *, now: datetime) -> list[int]:
    """Store the versions not known yet; the numbers that were new, lowest first. A known one never changes."""
    known = set(session.scalars(text("SELECT number FROM app_version WHERE app_id = :app"), {"app": lease.app_id}))
    new = sorted((v for v in versions if v.number not in known), key=lambda v: v.number)
    if not new:
        return []
    sets = intern(session, [version.grants for version in new])
    for version in new:
        session.execute(
            _RELEASED,
            {
                "app": lease.app_id,
                "number": version.number,
                "scope_set": sets[fingerprint(version.grants)],
                "released_at": version.released_at,
                "released_by": version.released_by,
                "now": now,
            },
        )
    session.execute(
        text("UPDATE app SET latest_version = greatest(latest_version, :latest) WHERE id = :app"),
        {"app": lease.app_id, "latest": new[-1].number},
    )
    return [version.number for version in new]
