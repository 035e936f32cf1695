"""What dlt's own documentation leads to: its REST source into PostgreSQL, merged with a history (scd2)."""

import os
from collections.abc import Callable
from pathlib import Path

DATASET = "portal"
# A connection's lists stay columns of its row: with dlt's child tables it would write five more rows for each.
_NESTING = 0


def loading(*, url: str, page: int, host: str, database: str, place: str, tuned: bool) -> Callable[[], None]:
    """Read all apps and all connections and merge them. *tuned*: CSV files of 50,000 rows."""
    os.environ |= {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "ERROR",
        "DLT_DATA_DIR": str(Path(place) / "dlt"),
        **({"DATA_WRITER__FILE_MAX_ITEMS": "50000"} if tuned else {}),
    }
    import dlt  # type: ignore[import-not-found]  # noqa: PLC0415 - in a venv of its own, reads the environment
    from dlt.sources.rest_api import rest_api_source  # type: ignore[import-not-found]  # noqa: PLC0415

    # A socket's directory is no host to dlt; libpq takes the last one that it is given.
    credentials = {
        "host": "localhost",
        "port": 5432,
        "username": "postgres",
        "password": "-",
        "database": database,
        "query": {"host": host},
    }
    pipeline = dlt.pipeline(
        pipeline_name=f"bench_{database}",
        pipelines_dir=str(Path(place) / "pipelines"),
        destination=dlt.destinations.postgres(credentials=credentials),
        dataset_name=DATASET,
    )

    def run() -> None:
        source = rest_api_source(_source(url, page))
        info = pipeline.run(source, **({"loader_file_format": "csv"} if tuned else {}))
        info.raise_on_failed_jobs()

    return run


def _source(url: str, page: int) -> dict[str, object]:
    return {
        "client": {
            "base_url": f"{url}/portal/v2/organization/1001/",
            "headers": {"ST-App-Key": "secret"},
            "auth": {"type": "bearer", "token": "at1.bench"},
            "paginator": {
                "type": "page_number",
                "base_page": 1,
                "total_path": None,
                "has_more_path": "hasMore",
                "stop_after_empty_page": False,
            },
        },
        "resource_defaults": {"endpoint": {"data_selector": "data"}, "max_table_nesting": _NESTING},
        "resources": [
            {"name": "apps", "write_disposition": "replace", "endpoint": {"path": "apps"}},
            {
                "name": "connections",
                "write_disposition": {"disposition": "merge", "strategy": "scd2"},
                "endpoint": {
                    "path": "apps/{resources.apps.id}/connections",
                    "params": {"sort": "Id", "pageSize": page},
                },
            },
        ],
    }
