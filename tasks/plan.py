"""What would be alerted, told and reminded now: all of it is done as ever, looked at, and taken back.

So a plan cannot say anything else than what a tick would then do, as long as nothing changes in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from models import Session, db_now
from models.groups import due_groups
from models.queries.planned import Lagging, Step, Telling, lagging, steps, tellings
from models.turns import alone
from models.verdicts import history_of
from tasks.evaluate import evaluate_in
from tasks.flush import tell
from tasks.remind import remind_in
from tasks.rules import rules
from uptake.facts import Status
from uptake.lag import bounded, judge
from uptake.policies import Policies
from uptake.policy import Reason, explain
from uptake.versions import History

MOST = 100_000  # threads and tenants of one app


@dataclass(frozen=True, slots=True)
class Holding:
    """A reminder that is due and does not go out: why, and when it is looked at again."""

    tenant: str
    tenant_name: str | None
    environment: str
    reason: str
    again_at: datetime | None


@dataclass(frozen=True, slots=True)
class Quiet:
    """A tenant that lags and has no alert that fires: why, and when it will, if nothing changes."""

    tenant: str
    tenant_name: str | None
    environment: str
    reason: str
    fires_at: datetime | None
    by: str  # which table of uptake.toml says so


@dataclass(frozen=True, slots=True)
class Plan:
    """All that would happen to one app at *at*; messages of a group that still waits have their own time."""

    at: datetime
    steps: Sequence[Step]
    messages: Sequence[Telling]  # to operators
    reminders: Sequence[Telling]
    held: Sequence[Holding]
    quiet: Sequence[Quiet]


def planned(app_id: int, *, now: datetime | None = None) -> Plan | None:
    """What an evaluation, a flush and a look at reminders would do to the app now; None without such an app.

    Nothing is written and nothing sent; while it is worked out, nobody else can write about the app.
    """
    chosen = rules()
    policies = chosen.policies
    with Session() as session:
        at = now or db_now(session)
        try:
            # First of all: whoever reminds may wait for what an evaluation locks.
            alone(session, "remind", waits=True)
            if evaluate_in(session, app_id, policies, now=at) is None:
                return None
            took = steps(session, app_id, at=at)
            horizon = at + max(policies.base.group_wait, policies.base.group_interval)
            for group in due_groups(session, policies.receivers, now=horizon, most=MOST, app_id=app_id):
                tell(session, group, chosen, now=max(at, group.flush_at))
            messages = tellings(session, app_id, since=at, reminders=False)
            looked = remind_in(session, policies, now=at, most=MOST, app_id=app_id)
            waits = [
                Holding(one.tenant, one.tenant_name, one.environment, found.reason.value, found.until)
                for one, found in looked.held
                if one.app_id == app_id
            ]
            reminders = tellings(session, app_id, since=at, reminders=True)
            history = history_of(session, app_id)
            quiet = [_quiet(row, policies, history, now=at) for row in lagging(session, app_id, most=MOST)]
        finally:
            session.rollback()
    return Plan(at, took, messages, reminders, waits, quiet)


def _quiet(row: Lagging, policies: Policies, history: History, *, now: datetime) -> Quiet:
    """Why this one has no alert, decided by the rule that raises them."""
    policy, exemption = policies.of(row.who), policies.exemption(row.who, now)
    verdict = judge(history, version=row.version, grants=None if row.grants is None else frozenset(row.grants))
    decided = explain(
        policy,
        history,
        bounded(verdict, row.epoch_started_at) if verdict else None,
        status=Status(row.status),
        environment=row.environment,
        now=now,
        exempt=exemption is not None,
        has_fired=False,
    )
    by = exemption.place if exemption and decided.reason is Reason.EXEMPT else policy.place
    return Quiet(row.tenant, row.tenant_name, row.environment, decided.reason.value, decided.fires_at, by)
