"""The contact book: whom to write to at each tenant, as our users tell it; portals know nobody."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

# A contact of a tenant nobody has seen is kept nowhere: it might be a typing error, and would be written to by nobody.
_TOLD = """
WITH said AS (
    SELECT k.*, s.id AS source_id
    FROM unnest(cast(:source AS text[]), cast(:tenant AS text[]), cast(:email AS text[]), cast(:name AS text[]),
        cast(:role AS text[]), cast(:may_accept AS boolean[]), cast(:rank AS integer[]), cast(:time_zone AS text[]),
        cast(:locale AS text[]), cast(:labels AS text[]))
        AS k (source, tenant, email, name, role, may_accept, rank, time_zone, locale, labels)
    LEFT JOIN source s ON s.name = k.source
), told AS (
    SELECT t.id, said.* FROM said JOIN tenant t ON t.source_id = said.source_id AND t.external_id = said.tenant
)
"""


def _told(statement: str) -> TextClause:
    return text(_TOLD + statement)


_STRANGERS = _told("""
SELECT DISTINCT said.source || ':' || said.tenant AS tenant FROM said
WHERE NOT EXISTS (SELECT FROM told WHERE told.source = said.source AND told.tenant = said.tenant) ORDER BY 1
""")
_PLACE = _told("""
, place AS (
    SELECT t.id, coalesce(max(told.time_zone), t.time_zone) AS time_zone, coalesce(max(told.locale), t.locale) AS locale
    FROM told JOIN tenant t ON t.id = told.id GROUP BY t.id
)
UPDATE tenant SET time_zone = place.time_zone, locale = place.locale FROM place
WHERE tenant.id = place.id AND (tenant.time_zone, tenant.locale) IS DISTINCT FROM (place.time_zone, place.locale)
""")
_LABEL_SETS = _told("""
INSERT INTO label_set (labels) SELECT DISTINCT cast(labels AS jsonb) FROM told WHERE labels IS NOT NULL
ON CONFLICT DO NOTHING
""")
_OTHERS = """
, label AS (
    SELECT t.id, l.id AS label_set_id FROM (
        SELECT id, cast(max(labels) AS jsonb) AS labels FROM told WHERE labels IS NOT NULL GROUP BY id
    ) t JOIN label_set l ON l.labels = t.labels
), other AS (
    SELECT tenant.id, label.label_set_id FROM label JOIN tenant ON tenant.id = label.id
    WHERE tenant.label_set_id IS DISTINCT FROM label.label_set_id
)
"""
_ARE_OTHERS = _told(f"{_OTHERS} SELECT EXISTS (SELECT FROM other)")  # noqa: S608 - constants only
_LABEL = _told(f"""{_OTHERS}
UPDATE tenant SET label_set_id = other.label_set_id FROM other WHERE tenant.id = other.id RETURNING tenant.source_id
""")  # noqa: S608 - constants only
# An evaluation opens alerts and keeps the tenant's labels beside them: none does so while these become others. The
# source before its apps, and these before tenants, as a listing and polls take them: other orders are deadlocks.
_HELD = "source WHERE name = ANY(cast(:source AS text[]))"
_HOLD = (
    text(f"SELECT id FROM {_HELD} ORDER BY id FOR NO KEY UPDATE"),  # noqa: S608 - constants only
    text(f"SELECT id FROM app WHERE source_id IN (SELECT id FROM {_HELD}) ORDER BY id FOR NO KEY UPDATE"),  # noqa: S608
    # In the order in which they are acknowledged.
    _told(f"""{_OTHERS}
SELECT a.id FROM other JOIN connection c ON c.tenant_id = other.id
JOIN alert a ON a.app_id = c.app_id AND a.connection_id = c.id AND a.resolved_at IS NULL
ORDER BY a.id FOR NO KEY UPDATE OF a
"""),  # noqa: S608 - constants only
)
# Other labels, other policies.
_JUDGE_AGAIN = text("""
UPDATE app SET unjudged = NULL, evaluate_at = least(evaluate_at, clock_timestamp())
WHERE source_id = ANY(cast(:sources AS int8[])) AND deleted_at IS NULL AND evaluated_at IS NOT NULL
""")
_KEEP = _told("""
INSERT INTO contact AS c (tenant_id, email, name, role, may_accept, rank)
SELECT id, email, name, role, may_accept, rank FROM told
ON CONFLICT (tenant_id, email) DO UPDATE
SET name = excluded.name, role = excluded.role, may_accept = excluded.may_accept, rank = excluded.rank
WHERE (c.name, c.role, c.may_accept, c.rank)
    IS DISTINCT FROM (excluded.name, excluded.role, excluded.may_accept, excluded.rank)
RETURNING xmax = 0 AS is_new
""")
# Who has opted out stays, so that no later book writes to them again.
_REMOVE = _told("""
DELETE FROM contact c WHERE c.opted_out_at IS NULL AND c.tenant_id IN (SELECT id FROM told)
  AND NOT EXISTS (SELECT FROM told WHERE told.id = c.tenant_id AND told.email = c.email)
RETURNING id
""")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at a tenant, by their address in small letters; rank 1 is written to first of those who may accept."""

    source: str
    tenant: str
    email: str
    name: str | None = None
    role: str | None = None
    may_accept: bool = True
    rank: int = 1
    time_zone: str | None = None  # the tenant's; None leaves what is known
    locale: str | None = None
    labels: Mapping[str, str] | None = None  # the tenant's; None leaves what is known


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of a book; *strangers* are tenants, as source:id, that no portal has listed, and were left out."""

    contacts: int
    added: int
    changed: int
    removed: int
    strangers: Sequence[str]


def keep_contacts(session: Session, people: Sequence[Person], *, is_whole: bool = False) -> Kept:
    """Know *people*, and how their tenants are placed; a second time changes nothing.

    *is_whole*: who is not among them is no contact of these tenants any more. Opt-outs stay in either case: a person
    who is told again has not changed their mind.
    """
    names = ("source", "tenant", "email", "name", "role", "may_accept", "rank", "time_zone", "locale")
    columns: dict[str, list[object]] = {name: [getattr(one, name) for one in people] for name in names}
    columns["labels"] = [None if one.labels is None else json.dumps(one.labels, sort_keys=True) for one in people]
    strangers = session.scalars(_STRANGERS, columns).all()
    session.execute(_LABEL_SETS, columns)
    if session.scalar(_ARE_OTHERS, columns):
        for held in _HOLD:
            session.execute(held, columns)
        labelled = set(session.scalars(_LABEL, columns))
        session.execute(_JUDGE_AGAIN, {"sources": sorted(labelled)})
    session.execute(_PLACE, columns)
    kept = session.scalars(_KEEP, columns).all()
    removed = session.scalars(_REMOVE, columns).all() if is_whole else []
    unknown = set(strangers)
    return Kept(
        contacts=sum(f"{one.source}:{one.tenant}" not in unknown for one in people),
        added=sum(kept),
        changed=len(kept) - sum(kept),
        removed=len(removed),
        strangers=strangers,
    )
