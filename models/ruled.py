"""Which policy holds for which rows: decided once for each environment and set of labels, and joined by rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from uptake.cadence import reminder_due
from uptake.policies import Exemption, Policies, Who
from uptake.policy import KIND_OF, Policy, Severity, settles_at, severity
from uptake.versions import History

_RELEASE = version("uptake")  # another one may judge the same facts differently
_UNLABELLED = 0  # stands for every set of labels that changes nothing, too

# To begin a statement with. A tenant's labels are looked at only where they change what holds.
RULED = """
ruled AS (
    SELECT * FROM unnest(cast(:rule_environments AS text[]), cast(:rule_label_sets AS int8[]), cast(:rules AS int4[]),
        cast(:rule_settles AS timestamptz[]), cast(:rule_reminds AS timestamptz[]))
        AS r (environment, label_set_id, rule, settles_at, first_due_at)
),
labelled AS MATERIALIZED (
    SELECT id, label_set_id FROM tenant
    WHERE label_set_id = ANY(cast(:label_sets AS int8[])) AND source_id = :source
),
exempt AS MATERIALIZED (
    SELECT * FROM unnest(cast(:exempt_tenants AS int8[]), cast(:exempt_environments AS text[]))
        AS e (tenant_id, environment)
    UNION
    SELECT t.id, e.environment
    FROM unnest(cast(:exempt_label_sets AS int8[]), cast(:exempt_label_environments AS text[]))
        AS e (label_set_id, environment)
    JOIN tenant t ON t.label_set_id = e.label_set_id AND t.source_id = :source
)
"""
# The rule for each row of `standing s`.
RULE_OF = """
    LEFT JOIN labelled b ON b.id = s.tenant_id
    JOIN ruled u ON u.environment = s.environment AND u.label_set_id = coalesce(b.label_set_id, 0)"""
# Of the connection `c`: who is not watched any more, by which of both.
UNWATCHED = """
            WHEN EXISTS (SELECT FROM exempt e WHERE e.tenant_id = c.tenant_id AND e.environment = c.environment)
                THEN 'exempt'
            WHEN c.environment NOT IN (SELECT environment FROM ruled) THEN 'environment_not_watched'"""

_LABEL_SETS = text(
    "SELECT id, labels FROM label_set WHERE id IN (SELECT label_set_id FROM tenant WHERE source_id = :id)"
)
_NAMED = text("""
SELECT t.id, t.external_id, l.labels FROM tenant t LEFT JOIN label_set l ON l.id = t.label_set_id
WHERE t.source_id = :source AND t.external_id = ANY(cast(:tenants AS text[]))
""")


@dataclass(frozen=True, slots=True)
class Ruled:
    """What holds for an app's connections now: the parameters of RULED and of the ladders, and what they rest on."""

    bound: Mapping[str, Any]
    rests_on: str  # changes whenever all of the app have to be judged anew
    next_at: datetime | None  # when time alone makes it another

    @property
    def opens_threads(self) -> bool:
        """Whether anybody may be reminded from now on."""
        pairs = zip(self.bound["rule_reminds"], self.bound["rule_settles"], strict=True)
        return any(first and (settles is None or settles <= self.bound["now"]) for first, settles in pairs)


def ruled(session: Session, app: Row[Any], policies: Policies, history: History, *, now: datetime) -> Ruled:
    """What *policies* come to for the connections of *app* (its id, source_id, source and external_id)."""
    everybody = Who(source=app.source, app=app.external_id, environment="")
    labels = _labels(session, app.source_id) if policies.asks_labels(app.source, app.external_id) else {}
    rows, numbers = _numbered(policies, everybody, labels)
    settles = {number: settles_at(history, policy) for policy, number in numbers.items()}
    reminds = {number: reminder_due(policy, now, 0, None) for policy, number in numbers.items() if policy.reminders}
    tenants, by_labels, ends_at = _exempt(session, app, everybody, policies, labels, now=now)
    bound = _ladders(numbers) | {
        "app": app.id,
        "source": app.source_id,
        "now": now,
        "flap": policies.base.flap_window,
        "rule_environments": [environment for environment, _, _ in rows],
        "rule_label_sets": [label_set for _, label_set, _ in rows],
        "rules": [rule for _, _, rule in rows],
        "rule_settles": [settles[rule] for _, _, rule in rows],
        "rule_reminds": [reminds.get(rule) for _, _, rule in rows],
        "label_sets": sorted({label_set for _, label_set, _ in rows} - {_UNLABELLED}),
        "exempt_tenants": [tenant for tenant, _ in tenants],
        "exempt_environments": [environment for _, environment in tenants],
        "exempt_label_sets": [label_set for label_set, _ in by_labels],
        "exempt_label_environments": [environment for _, environment in by_labels],
        "ranks": [severity.value for severity in sorted(Severity)],
    }
    times = [*settles.values(), ends_at]
    settled = [at is None or at <= now for at in settles.values()]
    # Exemptions are told by whom they are for: a new one, and the end of one, change that.
    facts = (len(history), app.deleted_at is None, app.approval, settled, rows, tenants, by_labels)
    return Ruled(
        bound,
        sha256(repr((imprint(policies), *facts)).encode()).hexdigest(),
        min((at for at in times if at is not None and at > now), default=None),
    )


def _numbered(
    policies: Policies, everybody: Who, labels: Mapping[int, Mapping[str, str]]
) -> tuple[list[tuple[str, int, int]], dict[Policy, int]]:
    """Which policy, by its number, holds for each (environment, set of labels), and the number of each.

    Only sets of labels that change what holds anywhere are told apart.
    """
    environments = policies.base.environments
    of = {
        (environment, label_set): policies.of(replace(everybody, environment=environment, labels=own))
        for environment in environments
        for label_set, own in {_UNLABELLED: {}, **labels}.items()
    }
    special = sorted(
        {label_set for (environment, label_set), policy in of.items() if policy != of[environment, _UNLABELLED]}
    )
    told = [(environment, label_set) for environment in environments for label_set in (_UNLABELLED, *special)]
    numbers = {policy: number for number, policy in enumerate(dict.fromkeys(of[pair] for pair in told))}
    return [(*pair, numbers[of[pair]]) for pair in told], numbers


@lru_cache(maxsize=8)
def imprint(policies: Policies) -> str:
    """What tells these policies, as this release understands them, from any others."""
    return sha256(repr((_RELEASE, policies)).encode()).hexdigest()


def _labels(session: Session, source_id: int) -> dict[int, Mapping[str, str]]:
    return {row.id: row.labels for row in session.execute(_LABEL_SETS, {"id": source_id})}


def _exempt(
    session: Session,
    app: Row[Any],
    everybody: Who,
    policies: Policies,
    labels: Mapping[int, Mapping[str, str]],
    *,
    now: datetime,
) -> tuple[list[tuple[int, str]], list[tuple[int, str]], datetime | None]:
    """Who is exempt now: (tenant, environment) by name, (set of labels, environment) by labels; when the first ends."""
    lasting = [
        one for one in policies.exemptions if one.until > now and one.match.may_be_of(app.source, app.external_id)
    ]
    by_labels = [
        (label_set, environment)
        for environment in policies.base.environments
        for label_set, own in labels.items()
        if _is_any(lasting, replace(everybody, environment=environment, labels=own))
    ]
    names = [one.match.tenant for one in lasting if one.match.tenant is not None]
    named = session.execute(_NAMED, {"source": app.source_id, "tenants": names}).all() if names else []
    tenants = [
        (row.id, environment)
        for row in sorted(named)
        for environment in policies.base.environments
        if _is_any(
            lasting, replace(everybody, environment=environment, tenant=row.external_id, labels=row.labels or {})
        )
    ]
    return tenants, by_labels, min((one.until for one in lasting), default=None)


def _is_any(exemptions: Sequence[Exemption], who: Who) -> bool:
    return any(one.match.is_met(who) for one in exemptions)


def _ladders(numbers: Mapping[Policy, int]) -> dict[str, Any]:
    """Each policy's ladder as parallel arrays: the core decides the severity at each threshold, SQL compares ages."""
    rows: list[tuple[int, str, str, str, timedelta]] = []
    for policy, number in numbers.items():
        for lag, kind in KIND_OF.items():
            grace = policy.grace(lag)
            if kind is None or grace is None:
                continue
            for _, past in policy.severity:
                reached = severity(policy, lag, grace + past)
                if reached is not None:
                    rows.append((number, lag.value, kind.value, reached.value, grace + past))
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]
    return dict(zip(("rung_rules", "lags", "kinds", "severities", "thresholds"), columns, strict=True))
