"""Who is looked at next when the past is lived again: groups of alerts and apps, by what happened to them."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

# So that arousals show, every group that is awake is due in no time until somebody attends to it.
_AROUSED = text("""
SELECT g.id, g.receiver, g.source_id, g.app_id, g.kind, g.flush_at, s.name AS source,
    coalesce(s.name || ':' || app.external_id, '') AS app
FROM notice_group g JOIN source s ON s.id = g.source_id LEFT JOIN app ON app.id = g.app_id
WHERE g.flush_at < 'infinity' ORDER BY g.id
""")
_PUT_OFF = text("UPDATE notice_group SET flush_at = 'infinity' WHERE flush_at < 'infinity'")
_CALL = text("UPDATE notice_group SET flush_at = :at WHERE id = ANY(cast(:groups AS int8[])) AND flush_at IS NOT NULL")
_STIRRED = text("""
SELECT s.id, s.step, a.source_id, a.app_id, a.kind FROM alert_step s JOIN alert a ON a.id = s.alert_id
WHERE s.id > :last ORDER BY s.id
""")
_DUE_APPS = text("SELECT id, evaluate_at FROM app WHERE evaluate_at <= :until ORDER BY evaluate_at, id")
_JUDGE = text("""
UPDATE app SET evaluate_at = least(evaluate_at, :at), follow_at = CASE WHEN :follows THEN :at ELSE follow_at END
WHERE id = :app
""")
_FOLLOW_LATER = text("""
UPDATE app SET followed_at = :now, follow_at = :at WHERE id = :app AND followed_at IS NOT NULL
""")


class Subject(NamedTuple):
    """What a group of alerts is about."""

    source_id: int
    app_id: int | None
    kind: str


@dataclass(frozen=True, slots=True)
class Aroused:
    """A group that is to be looked at, since there is news or it was looked at."""

    id: int
    receiver: str
    subject: Subject
    flush_at: datetime
    source: str
    app: str  # as source:id


@dataclass(frozen=True, slots=True)
class Stirred:
    """A step that an alert took, and of which groups it is."""

    id: int
    step: str
    subject: Subject


def aroused(session: Session) -> list[Aroused]:
    """The groups that somebody has aroused since they were put off, with when they are due."""
    return [
        Aroused(row.id, row.receiver, Subject(row.source_id, row.app_id, row.kind), row.flush_at, row.source, row.app)
        for row in session.execute(_AROUSED)
    ]


def put_off(session: Session) -> None:
    """Let no group be due before it is aroused or called; who sleeps goes on sleeping."""
    session.execute(_PUT_OFF)


def call(session: Session, groups: Iterable[int], *, at: datetime) -> None:
    """Let these groups be due at that moment, but for those that sleep."""
    session.execute(_CALL, {"groups": list(groups), "at": at})


def stirred(session: Session, *, last: int) -> list[Stirred]:
    """The steps that alerts took after the *last* one."""
    rows = session.execute(_STIRRED, {"last": last})
    return [Stirred(row.id, row.step, Subject(row.source_id, row.app_id, row.kind)) for row in rows]


def due_apps(session: Session, *, until: datetime) -> list[tuple[int, datetime]]:
    """Which apps are to be judged until then, and when."""
    return [(row.id, row.evaluate_at) for row in session.execute(_DUE_APPS, {"until": until})]


def judge_at(session: Session, apps: Collection[tuple[int, bool]], *, at: datetime) -> None:
    """Let these apps be judged at that moment, and their rollouts be followed where that is said."""
    for app, follows in apps:
        session.execute(_JUDGE, {"app": app, "follows": follows, "at": at})


def follow_later(session: Session, app: int, *, now: datetime, at: datetime) -> None:
    """Let the app's rollout be followed then and not *now*, unless all of it is judged anew."""
    session.execute(_FOLLOW_LATER, {"app": app, "now": now, "at": at})
