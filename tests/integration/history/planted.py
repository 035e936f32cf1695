"""Bugs as somebody might make them one day; the histories have to find each."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import TextClause, text

from models import listing, moves, record, ruled, stage, walked
from uptake import lag

Plant = Callable[[pytest.MonkeyPatch], None]


def _sql(module: ModuleType, name: str, old: str, new: str) -> Plant:
    """A statement that says something else."""

    def plant(patch: pytest.MonkeyPatch) -> None:
        statement: TextClause = getattr(module, name)
        assert old in statement.text, f"{name} is not what it was when this bug was thought of"
        patch.setattr(module, name, text(re.sub(r"(?<!:):(\w+)", r":\1", statement.text.replace(old, new))))

    return plant


def _no(module: ModuleType, name: str) -> Plant:
    """A statement that does nothing."""
    return lambda patch: patch.setattr(module, name, text("SELECT 1"))


def _set(module: ModuleType, name: str, value: object) -> Plant:
    return lambda patch: patch.setattr(module, name, value)


def _unfenced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(record, "hold_app", lambda *_: None)
    _sql(record, "_FINISH", "AND lease_token = :token", "AND cast(:token AS uuid) IS NOT NULL")(patch)


def _partial_counts(patch: pytest.MonkeyPatch) -> None:
    absences = moves.absences
    patch.setattr(record, "absences", lambda session, bound, **_: absences(session, bound, is_partial=False))


def _nobody_is_exempt(patch: pytest.MonkeyPatch) -> None:
    absences = moves.absences
    patch.setattr(record, "absences", lambda session, bound, **told: absences(session, bound | {"exempt": []}, **told))


def _rejected_is_remembered(patch: pytest.MonkeyPatch) -> None:
    kept: Callable[..., bool] = record._kept
    patch.setattr(
        record,
        "_kept",
        lambda session, lease, walk, stored: kept(session, lease, replace(walk, refused=frozenset()), stored),
    )


def _first_row_wins(patch: pytest.MonkeyPatch) -> None:
    doubled = str(stage._DOUBLED).replace("max(kind) OVER (PARTITION BY tenant, environment)", "1")
    patch.setattr(stage, "_DOUBLED", text(doubled))


def _lost_pages(patch: pytest.MonkeyPatch) -> None:
    def remembered(session: Any, app_id: int, *, settled: bool) -> walked.Memory:
        memory = walked.remembered(session, app_id, settled=settled)
        return walked.Memory(memory.marks) if settled else memory

    patch.setattr("tasks.poll.remembered", remembered)


PLANTS: Mapping[str, Plant] = {
    "one walk is enough to be gone": _sql(moves, "_GONE", "c.absent_walks > 0 OR", "true OR"),
    "absences of a partial walk are counted": _partial_counts,
    "the fencing token is ignored": _unfenced,
    "a changed hash with equal facts is news": _no(moves, "_SAME"),
    "a page is remembered although a row was rejected": _rejected_is_remembered,
    "a reconnect between polls is no new epoch": _sql(stage, "_MOVED", " OR c.client_id <> s.client_id", ""),
    "adoption is not counted down on a disconnect": _sql(
        moves, "_ADOPTION", "WHERE was_status = 'connected'", "WHERE was_status = 'connected' AND status = 'connected'"
    ),
    "marks of pages after the end are kept": _sql(walked, "_FORGET", "number > :last OR", "number > :last + 99 OR"),
    "tenants of rejected rows are missing like others": _nobody_is_exempt,
    "tenants of rejected rows are gone for who believes": _sql(
        moves, "_GONE", "AND NOT t.external_id = ANY(cast(:exempt AS text[]))", ""
    ),
    "absence goes on counting after a rejected row": _no(moves, "_SPARED"),
    "a change is bounded by the last walk, seen or not": _no(moves, "_UNSEEN"),
    "a doubtful row proves that its tenant is still away": _no(moves, "_AWAY"),
    "most of the tenants may vanish at once": _set(moves, "IMPLAUSIBLE_COUNT", 10**6),
    "who is back is still counted as missing": _no(moves, "_BACK"),
    "the first of two rows wins": _first_row_wins,
    "lost pages pass for an empty memory": _lost_pages,
    "a newer version restarts the clock": _set(lag, "_run", lambda history, *_, **__: history[-1:]),
    "nothing settles": _set(ruled, "settles_at", lambda *_: None),
    "a deleted app keeps its curve": _sql(
        listing, "_DELETED", "JOIN gone ON gone.id = a.app_id", "JOIN gone ON gone.id = a.app_id AND a.tenants < 0"
    ),
    "two events of one poll come in any order": _sql(moves, "_EVENTS", ", e.place", ", e.place DESC"),
}
