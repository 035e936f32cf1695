"""The reads of the tenant's side, and how they are shown."""

from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from portal.answers import stamp
from portal.catalogue import described
from portal.fields import Environment
from portal.tables import Record, app, availability, version
from portal.tables import connection as table
from portal.versions import diff

# A tenant sees an app that lists its id, is approved if it needs to be, and lives.
APPROVED = and_(app.c.approval_status.in_(["approved", "notRequired"]), app.c.deleted_at.is_(None))
APP = (
    app.c.id.label("app_id"),
    app.c.organization_id,
    app.c.public_id,
    app.c.name,
    app.c.organization_name,
    app.c.home_page_url,
    app.c.latest_version,
    app.c.credential_management,
)
VISIBLE = (
    select(*APP)
    .join(availability, availability.c.app_id == app.c.id)
    .where(APPROVED, app.c.id == bindparam("of_app"), availability.c.tenant_id == bindparam("owner"))
)
# Many tenants may accept at once, but none while a version is being released or the app deleted.
VISIBLE_STILL = VISIBLE.with_for_update(read=True, of=app)
# Who had an app that was deleted since; to all others it never was.
HAD_IT = (
    select(table.c.id)
    .join(app, app.c.id == table.c.app_id)
    .where(
        app.c.deleted_at.is_not(None),
        table.c.epoch > 0,
        table.c.app_id == bindparam("of_app"),
        table.c.tenant_id == bindparam("owner"),
    )
)
ONE = select(table).where(
    table.c.app_id == bindparam("of_app"),
    table.c.tenant_id == bindparam("owner"),
    table.c.environment == bindparam("place"),
    table.c.removed_at.is_(None),
)
SCOPES = select(version.c.number, version.c.scopes).where(
    version.c.app_id == bindparam("of_app"), version.c.number.in_(bindparam("numbers", expanding=True))
)


def rows_of(tenant: str, environment: Environment | None, *, newer_first: bool = False) -> Select[Any]:
    """Every connection the tenant's admin may act on, each with its app."""
    wanted = [table.c.tenant_id == tenant, table.c.removed_at.is_(None), APPROVED]
    if environment is not None:
        wanted.append(table.c.environment == environment)
    newer = [func.coalesce(table.c.version < app.c.latest_version, False).desc()] if newer_first else []
    return select(table, *APP[2:]).join(app, app.c.id == table.c.app_id).where(*wanted).order_by(*newer, table.c.id)


def view(seen: Record, row: Record, scopes: Any) -> dict[str, Any]:
    """An app as the tenant's admin sees it: *seen* is the app, *row* the tenant's connection with it."""
    return {
        "app": {
            "id": seen.app_id,
            "publicId": seen.public_id,
            "name": seen.name,
            "organizationName": seen.organization_name,
            "homePageUrl": seen.home_page_url,
        },
        "connectionId": row.id,
        "environment": row.environment,
        "status": row.state,
        "enabled": row.state == "connected",
        "version": row.version,
        "latestVersion": seen.latest_version,
        "newVersionAvailable": row.version is not None and row.version < seen.latest_version,
        "scopes": scopes,
        "clientId": row.client_id,
        "credentialManagement": seen.credential_management,
        "allowedOn": stamp(row.allowed_at),
        "versionAcceptedOn": stamp(row.version_accepted_at),
        "versionAcceptedBy": row.version_accepted_by,
    }


async def pending_view(
    connection: AsyncConnection, seen: Record, row: Record | None, environment: Environment
) -> dict[str, Any]:
    """The screen before Allow: what the latest version adds to and takes from what is in play."""
    version = row.version if row is not None and row.version is not None else 0
    wanted = {"of_app": seen.app_id, "numbers": [version, seen.latest_version]}
    sets = {row.number: row.scopes for row in await connection.execute(SCOPES, wanted)}
    latest = sets[seen.latest_version]
    return {
        "appId": seen.app_id,
        "environment": environment,
        "from": version,
        "to": seen.latest_version,
        "newVersionAvailable": 0 < version < seen.latest_version,
        **diff(sets.get(version, ()), latest),
        "scopes": described(latest),
    }
