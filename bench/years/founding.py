"""The sources, their apps with all versions, and the tenants with their people."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from bench.years.sizes import Years
from models.stage import intern
from uptake.scopes import canonical, fingerprint

SOURCES = ("acme", "globex")
FIRST_APP = 4711
_THINGS = (
    "customers", "jobs", "invoices", "team", "pricebook", "calls", "campaigns", "parts", "timesheets", "plans",
    "settings", "reports", "equipment", "estimates", "locations", "forms", "inventory", "payroll",
)  # fmt: skip
# How long ago the newest version of an app was released: some are fresh, most are not.
_NEWEST_DAYS = (3, 12, 35, 60, 90, 150)
_SOURCE = """
INSERT INTO source (name, kind, listed_at, next_poll_at)
VALUES (:name, 'portal', cast(:now AS timestamptz), cast(:now AS timestamptz) + interval '1 day') RETURNING id
"""
_APP = """
INSERT INTO app (source_id, external_id, name, approval, environments, latest_version, created_at, first_seen_at,
    walked_at, recorded_at, full_walk_at, changed_at, next_poll_at, poll_seq, settled)
SELECT :source, :external_id, :name, 'approved', ARRAY['production', 'integration'], :latest, :since, :since,
    n.at, n.at, n.at, n.at, n.at + interval '1 day', 1, true
FROM (SELECT cast(:now AS timestamptz) AS at) n RETURNING id
"""
_VERSION = """
INSERT INTO app_version (app_id, number, scope_set_id, released_at, released_by, first_seen_at)
VALUES (:app, :number, :scope_set, :released_at, 'j.doe', :released_at)
"""
# Names as tenants have them: of several scripts, most with a number, some the same.
_TENANTS = """
INSERT INTO tenant (source_id, external_id, name, label_set_id, time_zone, locale, first_seen_at)
SELECT s.id, (1000000000 + n * 997)::text,
    (ARRAY['Bright HVAC', 'Ärzte am Füchsberg', 'Électricité Côté Sud', 'Сантехника Плюс', 'Υδραυλικά Νίκος',
           'شركة النور', 'בית החשמל', '東京設備', '北京暖通', '서울 전기', 'बिजली घर', 'ช่างไฟฟ้า', 'Şömine Çağ',
           '=Plumb & Sons', 'O''Neil "Quick" Fix'])[1 + n % 15]
        || CASE WHEN n % 37 = 0 THEN '' ELSE ' ' || n END,
    CASE WHEN n % 4 = 0 THEN :labels END,
    (ARRAY[NULL, 'Europe/Berlin', 'America/New_York', 'Asia/Tokyo'])[1 + n % 4], (ARRAY['en', 'de', 'fr'])[1 + n % 3],
    cast(:since AS timestamptz)
FROM source s CROSS JOIN generate_series(1, :tenants) n ORDER BY s.id, n
"""
_CONTACTS = """
INSERT INTO contact (tenant_id, email, name, rank)
SELECT id, 'p' || k || '@t' || id || '.example', 'Person ' || k, k
FROM tenant CROSS JOIN generate_series(1, 2) k WHERE k = 1 OR id % 3 = 0
"""
_LABELS = 'INSERT INTO label_set (labels) VALUES (\'{"plan": "gold"}\') RETURNING id'


def found(session: Session, years: Years, *, now: datetime) -> None:
    """Write them."""
    since = now - timedelta(days=years.days)
    sources = [session.scalar(text(_SOURCE), {"name": name, "now": now}) for name in SOURCES]
    for place in range(years.apps):
        bound = {
            "source": sources[place % years.apart == years.apart - 1],
            "external_id": str(FIRST_APP + place),
            "name": f"{_THINGS[place % len(_THINGS)].title()} Helper {place + 1}",
            "latest": years.versions(place),
            "since": since,
            "now": now,
        }
        _release(session, session.scalar(text(_APP), bound), place, years, now=now)
    labels = session.scalar(text(_LABELS.replace(":", "\\:")))
    session.execute(text(_TENANTS), {"labels": labels, "tenants": years.tenants, "since": since})
    session.execute(text(_CONTACTS))


def _release(session: Session, app: int | None, place: int, years: Years, *, now: datetime) -> None:
    """All versions of one app, in even steps from before the first poll to its newest."""
    count, newest = years.versions(place), _NEWEST_DAYS[place % len(_NEWEST_DAYS)]
    step = (years.days + 10 - newest) / (count - 1)
    sets = [frozenset(_grants(place, number)) for number in range(1, count + 1)]
    ids = intern(session, sets)
    rows = [
        {
            "app": app,
            "number": number,
            "scope_set": ids[fingerprint(canonical(sets[number - 1]))],
            "released_at": now - timedelta(days=newest + step * (count - number)),
        }
        for number in range(1, count + 1)
    ]
    session.execute(text(_VERSION), rows)


def _grants(place: int, number: int) -> list[str]:
    """Each version wants one scope more; every third gives one up instead, and those after it do without it."""
    wanted = [f"tn.crm.{_THINGS[(place + n) % len(_THINGS)]}:r" for n in range(number + 3)]
    dropped = set(range(number // 3))
    return [scope for n, scope in enumerate(wanted[: len(wanted) - number // 3]) if n not in dropped]
