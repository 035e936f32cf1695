"""What somebody would write who needs the same: requests, and one upsert for each row, from cron."""

from collections.abc import Callable

import psycopg
import requests

TABLE = """
CREATE TABLE IF NOT EXISTS install (
    app_id bigint, tenant_id text, environment text, tenant_name text, status text, version int, scopes text[],
    client_id text, accepted_at timestamptz, accepted_by text, modified_at timestamptz, seen_at timestamptz,
    PRIMARY KEY (app_id, tenant_id, environment)
)
"""
UPSERT = """
INSERT INTO install (app_id, tenant_id, environment, tenant_name, status, version, scopes, client_id, accepted_at,
    accepted_by, modified_at, seen_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now())
ON CONFLICT (app_id, tenant_id, environment) DO UPDATE SET tenant_name = excluded.tenant_name,
    status = excluded.status, version = excluded.version, scopes = excluded.scopes, client_id = excluded.client_id,
    accepted_at = excluded.accepted_at, accepted_by = excluded.accepted_by, modified_at = excluded.modified_at,
    seen_at = excluded.seen_at
"""


def recording(*, url: str, apps: list[str], page: int, conninfo: str) -> Callable[[], int]:
    """Read every app and upsert every row, one commit per app; how many rows."""
    http = requests.Session()
    http.headers["Authorization"] = "Bearer at1.bench"
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(TABLE)

    def run() -> int:
        with psycopg.connect(conninfo) as connection:
            return sum(_recorded(http, url, app, page, connection) for app in apps)

    return run


def _recorded(http: requests.Session, url: str, app: str, size: int, connection: psycopg.Connection) -> int:
    number, rows, more = 0, 0, True
    while more:
        number += 1
        answer = http.get(
            f"{url}/portal/v2/organization/1001/apps/{app}/connections",
            params={"sort": "Id", "pageSize": str(size), "page": str(number)},
            timeout=30,
        )
        answer.raise_for_status()
        page = answer.json()
        for row in page["data"]:
            owner = row["resourceOwner"]
            connection.execute(
                UPSERT,
                (
                    row["appId"],
                    owner["id"],
                    row["environment"],
                    owner["name"],
                    row["status"],
                    row["version"],
                    row["scopes"],
                    row["clientId"],
                    row["versionAcceptedOn"],
                    row["versionAcceptedBy"],
                    row["modifiedOn"],
                ),
            )
        rows += len(page["data"])
        more = page["hasMore"]
    connection.commit()
    return rows
