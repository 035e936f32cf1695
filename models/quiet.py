"""Who need not be told for a while: acknowledged, snoozed, silenced or muted, or resting on a dead source."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.silence import Silence
from uptake.mutes import Mute, muted_until

# As LIKE wants it: what it reads as more than itself is escaped, and our * is its %.
_LIKE = r"replace(replace(replace(replace({0}, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%') AS {0}"
_PATTERNS = ", ".join(_LIKE.format(name) for name in ("source", "app", "tenant", "environment", "kind"))
# What the two below look into; all are a handful of rows, and mostly none.
QUIET = f"""
hush AS MATERIALIZED (
    SELECT 'silenced' AS why, ends_at, labels, {_PATTERNS} FROM silence WHERE starts_at <= :now AND ends_at > :now
    UNION ALL
    SELECT 'muted', ends_at, cast(labels AS jsonb), {_PATTERNS}
    FROM unnest(cast(:mute_ends AS timestamptz[]), cast(:mute_labels AS text[]), cast(:mute_sources AS text[]),
        cast(:mute_apps AS text[]), cast(:mute_tenants AS text[]), cast(:mute_environments AS text[]),
        cast(:mute_kinds AS text[])) AS m (ends_at, labels, source, app, tenant, environment, kind)
), dead AS MATERIALIZED (
    SELECT source_id, app_id FROM alert
    WHERE source_id = ANY(ARRAY(SELECT id FROM source)) AND kind IN ('poll_failing', 'data_stale')
      AND connection_id IS NULL AND resolved_at IS NULL AND state = 'firing'
      AND (app_id IS NULL OR cast(:app AS int8) IS NULL OR app_id = :app)
)
"""  # noqa: S608 - constants only, so nothing can be injected
# Of an alert a: what is silenced or muted now and is about it.
HUSHED = """
    FROM hush h WHERE a.kind LIKE h.kind AND coalesce(a.environment, '') LIKE h.environment
      AND EXISTS (SELECT FROM source s LEFT JOIN app ON app.id = a.app_id
                  WHERE s.id = a.source_id AND s.name LIKE h.source
                    AND coalesce(s.name || ':' || app.external_id, '') LIKE h.app)
      AND (h.tenant = '%' AND h.labels = '{}' OR EXISTS (
          SELECT FROM tenant LEFT JOIN label_set ON label_set.id = tenant.label_set_id
          WHERE tenant.id = a.tenant_id AND tenant.external_id LIKE h.tenant
              AND coalesce(label_set.labels, '{}') @> h.labels))
"""
# What is known of a tenant is as old as its source's last answer: one alert on that is enough.
INHIBITED = """a.app_id IS NOT NULL AND a.kind <> 'poll_failing' AND EXISTS (
        SELECT FROM dead WHERE dead.source_id = a.source_id
            AND (dead.app_id IS NULL OR dead.app_id = a.app_id AND a.kind <> 'data_stale'))"""
# Of an alert a: why it is quiet now (NULL: it is not), when that ends (NULL: when somebody says so), and when to look
# again, for several may hold at once and each may end first.
WHY = f"""
CASE WHEN a.state = 'firing' AND a.snoozed_until > :now THEN 'snoozed'
    WHEN a.state = 'firing' AND a.acknowledged_at IS NOT NULL AND coalesce(a.acknowledged_until > :now, true)
        THEN 'acknowledged'
    ELSE coalesce((SELECT max(h.why) {HUSHED}), CASE WHEN {INHIBITED} THEN 'inhibited' END)
END
"""
ENDS = f"""
CASE WHEN a.state = 'firing' AND a.snoozed_until > :now THEN a.snoozed_until
    WHEN a.state = 'firing' AND a.acknowledged_at IS NOT NULL AND coalesce(a.acknowledged_until > :now, true)
        THEN a.acknowledged_until
    ELSE coalesce((SELECT max(h.ends_at) {HUSHED}),
        CASE WHEN {INHIBITED} THEN cast(:now AS timestamptz) + interval '5 minutes' END)
END
"""
UNTIL = f"""
least(CASE WHEN a.state = 'firing' AND a.snoozed_until > :now THEN a.snoozed_until END,
    CASE WHEN a.state = 'firing' AND a.acknowledged_until > :now THEN a.acknowledged_until END,
    (SELECT max(h.ends_at) {HUSHED}),
    CASE WHEN {INHIBITED} THEN cast(:now AS timestamptz) + interval '5 minutes' END)
"""


def muted(mutes: Sequence[Mute], *, now: datetime) -> dict[str, Any]:
    """The parameters of QUIET: what is muted now by uptake.toml, and until when."""
    active = [(until, one) for one in mutes if (until := muted_until(one, now)) is not None]
    columns = ("source", "app", "tenant", "environment", "kind")
    return {
        "mute_ends": [until for until, _ in active],
        "mute_labels": [json.dumps(dict(one.labels)) for _, one in active],
        **{f"mute_{name}s": [getattr(one, name) for _, one in active] for name in columns},
    }


# In the order in which whoever writes several takes them.
_HOLD = """
WITH held AS (
    UPDATE alert SET {change} WHERE id = ANY(ARRAY(
        SELECT id FROM alert WHERE id = ANY(cast(:alerts AS int8[])) AND state = 'firing' ORDER BY id FOR NO KEY UPDATE
    )) RETURNING id, app_id, tenant_id, connection_id, kind, severity
), logged AS (
    INSERT INTO alert_step (alert_id, at, step, reason, severity, author, comment)
    SELECT id, :now, :step, 'by_hand', severity, :author, cast(:comment AS text) FROM held
), told AS (
    INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
    SELECT :now, 'alert.' || :step, app_id, tenant_id, connection_id,
        jsonb_build_object('alert', id, 'kind', kind, 'by', cast(:author AS text), 'until', cast(:until AS timestamptz),
            'comment', cast(:comment AS text))
    FROM held
)
SELECT id FROM held ORDER BY id
"""
_ACKNOWLEDGE = text(
    _HOLD.format(change="acknowledged_at = :now, acknowledged_by = :author, acknowledged_until = :until")
)
_SNOOZE = text(_HOLD.format(change="snoozed_until = :until, snoozed_by = :author"))
_RELEASE = text(
    _HOLD.format(
        change="""acknowledged_at = NULL, acknowledged_by = NULL, acknowledged_until = NULL, snoozed_until = NULL,
        snoozed_by = NULL"""
    )
)


def acknowledge(
    session: Session, alerts: Sequence[int], *, author: str, comment: str, until: datetime | None, now: datetime
) -> Sequence[int]:
    """Somebody looks after these *alerts*: no more is told of them *until* then, or until they get more severe.

    Which of them fired, and so were acknowledged. That they are over is told in any case.
    """
    return _held(session, "acknowledged", alerts, author=author, comment=comment, until=until, now=now)


def snooze(
    session: Session, alerts: Sequence[int], *, author: str, comment: str, until: datetime, now: datetime
) -> Sequence[int]:
    """Nothing is told of these *alerts* *until* then, however severe they get; which of them fired."""
    return _held(session, "snoozed", alerts, author=author, comment=comment, until=until, now=now)


def unhold(session: Session, alerts: Sequence[int], *, author: str, now: datetime) -> Sequence[int]:
    """Take acknowledgements and snoozes of these *alerts* back; which of them fire. Tell of them by `arouse`."""
    return _held(session, "unheld", alerts, author=author, comment="", until=None, now=now)


def _held(
    session: Session,
    step: str,
    alerts: Sequence[int],
    *,
    author: str,
    comment: str,
    until: datetime | None,
    now: datetime,
) -> Sequence[int]:
    statement = {"acknowledged": _ACKNOWLEDGE, "snoozed": _SNOOZE, "unheld": _RELEASE}[step]
    bound = {"alerts": list(alerts), "step": step, "author": author, "comment": comment or None, "until": until}
    return session.scalars(statement, bound | {"now": now}).all()


@dataclass(frozen=True, kw_only=True, slots=True)
class Matchers:
    """Which alerts are meant: in each text, * stands for anything; *labels* are those that the tenant has to have."""

    source: str = "*"
    app: str = "*"  # as source:id
    tenant: str = "*"
    environment: str = "*"
    kind: str = "*"
    labels: dict[str, str] = field(default_factory=dict)


def silence(
    session: Session,
    matchers: Matchers,
    *,
    author: str,
    comment: str,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
) -> int:
    """Tell nobody of what matches from *starts_at* until *ends_at*; the silence's id."""
    values = {name: getattr(matchers, name) for name in ("source", "app", "tenant", "environment", "kind", "labels")}
    made = insert(Silence).values(
        **values, author=author, comment=comment, starts_at=starts_at, ends_at=ends_at, created_at=now
    )
    return session.scalars(made.returning(Silence.id)).one()


def end_silence(session: Session, silence_id: int, *, now: datetime) -> bool:
    """End it now; False when there is none that has not ended yet. Tell of what still fires by `arouse`."""
    ended = text("""UPDATE silence SET ends_at = greatest(:now, starts_at), starts_at = least(starts_at, :now)
                    WHERE id = :silence AND ends_at > :now RETURNING id""")
    return session.execute(ended, {"silence": silence_id, "now": now}).one_or_none() is not None


def change_silence(
    session: Session, silence_id: int, *, ends_at: datetime | None, comment: str | None, now: datetime
) -> bool:
    """Let it end then, or say otherwise why; False when it has ended. Tell of what is silent no more by `arouse`."""
    changed = text("""UPDATE silence SET ends_at = coalesce(cast(:ends_at AS timestamptz), ends_at),
                      comment = coalesce(cast(:comment AS text), comment)
                      WHERE id = :silence AND ends_at > :now RETURNING id""")
    bound = {"silence": silence_id, "ends_at": ends_at, "comment": comment, "now": now}
    return session.execute(changed, bound).one_or_none() is not None
