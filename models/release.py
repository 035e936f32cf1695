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
    VALUES (:app, :number, :scope_set, least(cast(:released_at AS timestamptz), :now), :released_by, :now)
    ON CONFLICT DO NOTHING RETURNING number, scope_set_id
)
INSERT INTO event (at, type, app_id, data)
SELECT :now, 'version.released', :app, jsonb_build_object(
    'version', new.number, 'released_at', cast(:released_at AS timestamptz), 'released_by', cast(:released_by AS text),
    'scopes', (SELECT grants FROM scope_set WHERE id = new.scope_set_id))
FROM new RETURNING id
""")


# Rows that ran a version before the list of versions knew it, and say nothing of their scopes themselves.
_KNOWN = text("""
WITH late AS (
    UPDATE connection c SET scope_set_id = v.scope_set_id FROM app_version v
    WHERE c.app_id = :app AND v.app_id = :app AND v.number = c.version AND c.scope_set_id IS NULL
      AND v.number = ANY(cast(:new AS int[]))
    RETURNING c.id, c.scope_set_id
)
UPDATE tenure t SET scope_set_id = late.scope_set_id FROM late
WHERE t.connection_id = late.id AND t.valid_to IS NULL AND t.scope_set_id IS NULL
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
    numbers = [version.number for version in new]
    session.execute(_KNOWN, {"app": lease.app_id, "new": numbers})
    return numbers
