"""Evaluation: whose facts are new, what is to be judged by them, and alerts on failing sources and apps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from models.rollout import follow_if_due
from models.ruled import Ruled, imprint, ruled
from models.steps import step
from models.threads import plan_again
from models.verdicts import history_of, judge_app
from uptake.policies import Policies
from uptake.policy import AlertKind, Severity
from uptake.versions import History

# So many polls in a row must fail before a human hears of it: portals hiccup.
FAILING_AFTER = 3

# Like every lock here one that rows which point at the app may be written beside: a full one, held while this waits for
# a group that a flush holds, would wait for that flush's notice about the app, and it for this.
_LOCKED = text("""
SELECT a.id, a.external_id, a.source_id, s.name AS source, a.deleted_at, a.approval, a.failures, a.unjudged,
    a.evaluated_as, a.steps_at, a.followed_at, a.follow_at,
    EXISTS (SELECT FROM alert x WHERE x.app_id = a.id AND x.connection_id IS NULL AND x.kind = 'poll_failing'
        AND x.resolved_at IS NULL) AS is_alarmed
FROM app a JOIN source s ON s.id = a.source_id WHERE a.id = :app FOR NO KEY UPDATE OF a
""")
_FREE = text(f"{_LOCKED.text} SKIP LOCKED")
_EVALUATED = text("""
UPDATE app SET evaluated_at = :now, evaluate_at = least(cast(:next AS timestamptz), :follow_at), steps_at = :next,
    evaluated_as = :rests_on, ruled_as = :imprint, unjudged = '{}', evaluations_broken = 0,
    followed_at = :followed_at, follow_at = :follow_at
WHERE id = :app
""")
# In the order in which whoever holds several apps takes them.
_ADOPTED = text("""
UPDATE app SET evaluate_at = :now WHERE id = ANY(ARRAY(
    SELECT id FROM app WHERE deleted_at IS NULL AND evaluated_at IS NOT NULL AND ruled_as IS DISTINCT FROM :imprint
        AND (evaluate_at IS NULL OR evaluate_at > :now)
    ORDER BY id FOR NO KEY UPDATE
)) RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What one evaluation changed, by step, and when time alone may change something next."""

    rules: Ruled  # by which
    pending: int = 0
    raised: int = 0
    escalated: int = 0
    resolved: int = 0
    next_at: datetime | None = None
    only: Sequence[int] | None = None  # the connections that were judged anew, none where nothing is new; None: all
    is_turned: bool = False  # whether an alert that is about the app as a whole began or ended


def evaluate(
    session: Session, app_id: int, policies: Policies, *, now: datetime, waits: bool = True
) -> Evaluated | None:
    """Judge the app and bring its alerts in line, in the caller's transaction; a second run changes nothing.

    None when there is no such app, or another transaction writes about it and this one *waits* for nobody. Silence of
    the portal resolves nothing: only facts do.
    """
    app = session.execute(_LOCKED if waits else _FREE, {"app": app_id}).one_or_none()
    if app is None:
        return None
    history = history_of(session, app_id)
    rules = ruled(session, app, policies, history, now=now)
    is_known = app.evaluated_as == rules.rests_on and (app.steps_at is None or app.steps_at > now)
    # Judging 10,000 tenants anew takes tens of milliseconds; most evaluations have nothing new to judge them by, and
    # most others a few tenants that a poll found changed.
    only = app.unjudged if is_known else None
    if only is not None and not only:
        evaluated = Evaluated(rules, next_at=app.steps_at, only=())
    else:
        evaluated = _judged(session, app, history, rules, now=now, only=only)
    is_failing = app.failures >= FAILING_AFTER and not app.deleted_at
    is_turned = is_failing != app.is_alarmed
    if is_turned:
        _failing(session, app.source_id, app_id, failing=is_failing, now=now)
    followed = follow_if_due(session, app, policies, history, rules=rules, only=evaluated.only)
    done = {"app": app_id, "now": now, "next": evaluated.next_at, "rests_on": rules.rests_on}
    done |= {"imprint": imprint(policies), "followed_at": followed.at, "follow_at": followed.next_at}
    session.execute(_EVALUATED, done)
    return replace(evaluated, is_turned=is_turned or followed.changed > 0)


def _judged(
    session: Session,
    app: Row[Any],
    history: History,
    rules: Ruled,
    *,
    now: datetime,
    only: Sequence[int] | None,
) -> Evaluated:
    """Judge the app's connections, or *only* these, and let their alerts take the steps that follow."""
    bound = {**rules.bound, "whole": only is None, "only": list(only or ())}
    judge_app(session, app.id, history, only=only)
    steps, next_at = step(session, bound)
    # Nothing is sooner for whoever was not judged now.
    known = app.steps_at if only is not None else None
    times = [known, next_at, rules.next_at] if not app.deleted_at else []
    return Evaluated(
        rules,
        pending=steps.get("pending", 0),
        raised=steps.get("firing", 0),
        escalated=steps.get("escalated", 0),
        resolved=steps.get("resolved", 0),
        next_at=min((at for at in times if at is not None and at > now), default=None),
        only=only,
    )


def adopt(session: Session, policies: Policies, *, now: datetime) -> int:
    """Let every app be evaluated soon that was by other rules than these, and its reminders be looked at; how many."""
    apps = session.scalars(_ADOPTED, {"imprint": imprint(policies), "now": now}).all()
    plan_again(session, apps, now=now)
    return len(apps)


def postpone(session: Session, app_id: int, *, wait: timedelta) -> None:
    """Evaluate the app in a while, unless something is found out about it before."""
    session.execute(
        text(
            "UPDATE app SET evaluate_at = clock_timestamp() + cast(:wait AS interval),"
            " evaluations_broken = evaluations_broken + 1 WHERE id = :app"
        ),
        {"app": app_id, "wait": wait},
    )


def source_failing(session: Session, source_id: int, *, now: datetime) -> None:
    """Open or close the alert on a source whose list of apps cannot be read."""
    failures = session.scalar(text("SELECT failures FROM source WHERE id = :source"), {"source": source_id})
    _failing(session, source_id, None, failing=(failures or 0) >= FAILING_AFTER, now=now)


def _failing(session: Session, source_id: int, app_id: int | None, *, failing: bool, now: datetime) -> None:
    """Open or close an alert on polls that fail."""
    bound = {
        "source": source_id,
        "app": app_id,
        "kind": AlertKind.POLL_FAILING.value,
        "severity": Severity.WARNING.value,
        "now": now,
        "failing": failing,
    }
    session.execute(_FAILING if failing else _RECOVERED, bound)


_FAILING = text("""
WITH last AS (
    SELECT outcome, fault, reason, started_at FROM poll
    WHERE source_id = :source AND app_id IS NOT DISTINCT FROM cast(:app AS int8) ORDER BY id DESC LIMIT 1
), opened AS (
    INSERT INTO alert (source_id, app_id, kind, state, severity, since, opened_at, fired_at, reason, data)
    SELECT :source, :app, :kind, 'firing', :severity, :now, :now, :now, coalesce(last.fault, last.outcome),
        jsonb_build_object('outcome', last.outcome, 'fault', last.fault, 'error', last.reason)
    FROM last ON CONFLICT DO NOTHING RETURNING id, reason, severity
), logged AS (
    INSERT INTO alert_step (alert_id, at, step, reason, severity)
    SELECT id, :now, 'firing', reason, severity FROM opened
)
INSERT INTO event (at, type, app_id, data)
SELECT :now, 'alert.raised', :app, jsonb_build_object('alert', id, 'kind', cast(:kind AS text), 'reason', reason)
FROM opened RETURNING id
""")
_RECOVERED = text("""
WITH closed AS (
    UPDATE alert SET state = 'resolved', resolved_at = :now, resolve_reason = 'recovered'
    WHERE source_id = :source AND (app_id = :app OR cast(:app AS int8) IS NULL AND app_id IS NULL)
      AND connection_id IS NULL AND kind = :kind AND resolved_at IS NULL
    RETURNING id, severity
), logged AS (
    INSERT INTO alert_step (alert_id, at, step, reason, severity)
    SELECT id, :now, 'resolved', 'recovered', severity FROM closed
)
INSERT INTO event (at, type, app_id, data)
SELECT :now, 'alert.resolved', :app, jsonb_build_object('alert', id, 'kind', cast(:kind AS text), 'reason', 'recovered')
FROM closed RETURNING id
""")
