"""The orders in which apps are listed, each with a place for every app, so that pages follow one another."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from models.queries.apps import AppOverview

Sort = Literal["name", "blocked", "adoption"]
Place = tuple[str | int, ...]
# By source, name and id; before these by how many are blocked, the most first, or by how far the rollout is.
PLACES: dict[Sort, tuple[type, ...]] = {
    "name": (str, str, str),
    "blocked": (int, str, str, str),
    "adoption": (int, str, str, str),
}
# Shares are compared as whole billionths, which are the same here and there; an app with nobody connected comes last.
_WHOLE = 1_000_000_000
_NOBODY = 2 * _WHOLE

_APPS = "app a JOIN source s ON s.id = a.source_id"
# That of all apps that are meant is summed before some are taken: there is one row for each version that anybody runs.
_COUNTED = """app a JOIN source s ON s.id = a.source_id LEFT JOIN (
    SELECT t.app_id, sum(t.tenants) AS connected, sum(t.tenants) FILTER (WHERE v.lag = 'current') AS current,
        sum(t.tenants) FILTER (WHERE v.lag = 'blocking') AS blocking
    FROM tally t LEFT JOIN verdict v
        ON v.app_id = t.app_id AND v.version = t.version AND v.scope_set_id = t.scope_set_id
    WHERE t.environment = :environment AND t.status = 'connected' GROUP BY t.app_id
) n ON n.app_id = a.id"""
_RANKS: dict[Sort, tuple[str, str]] = {
    "name": (_APPS, "0"),
    "blocked": (_COUNTED, "-coalesce(n.blocking, 0)"),
    # Whole numbers, so that it is divided as here.
    "adoption": (
        _COUNTED,
        f"CASE WHEN n.connected > 0 THEN div({_WHOLE} * coalesce(n.current, 0), n.connected) ELSE {_NOBODY} END",
    ),
}


def ranked(sort: Sort) -> tuple[str, str]:
    """What apps `a` of sources `s` are taken from, and the number by which they are ordered before their names."""
    return _RANKS[sort]


def place(app: "AppOverview", sort: Sort) -> Place:
    """Where *app* stands in the list; no two apps stand at the same place."""
    named = (app.source, app.name, app.app.partition(":")[2])
    if sort == "name":
        return named
    if sort == "blocked":
        return (-app.blocking, *named)
    return (app.current * _WHOLE // app.connected if app.connected else _NOBODY, *named)


def beginning(sort: Sort, after: Sequence[str | int] | None) -> dict[str, Any]:
    """The parameters for what comes after the place; None: for the first ones."""
    names = ("after_rank", "after_source", "after_name", "after_id")
    if after is None:
        return dict.fromkeys(names)
    return dict(zip(names, after if sort != "name" else (0, *after), strict=True))
