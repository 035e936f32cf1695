"""What may be asked about: apps of all sizes, tenants, scopes and places in lists, drawn anew for each question."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from models import db_now
from models.queries.app_order import Place as AppPlace
from models.queries.app_order import place
from models.queries.apps import overview
from models.queries.event_feed import Place as EventPlace
from models.queries.tenants_of import PLACES, Place, Sort, Wanted, tenants_of

_APPS = """
SELECT s.name || ':' || a.external_id FROM app a JOIN source s ON s.id = a.source_id
JOIN (SELECT app_id, sum(tenants) AS size FROM tally GROUP BY 1) z ON z.app_id = a.id ORDER BY z.size DESC
"""
_TENANTS = """
SELECT t.external_id FROM tenant t JOIN connection c ON c.tenant_id = t.id JOIN app a ON a.id = c.app_id
JOIN source s ON s.id = a.source_id WHERE s.name || ':' || a.external_id = :app ORDER BY c.hash LIMIT 50
"""
_SCOPES = """
SELECT DISTINCT unnest(g.grants) FROM app a JOIN source s ON s.id = a.source_id
JOIN app_version v ON v.app_id = a.id AND v.number = a.latest_version JOIN scope_set g ON g.id = v.scope_set_id
WHERE s.name || ':' || a.external_id = :app ORDER BY 1
"""
# Of the newest, among which are those that were sent once more; of reminders, and of alerts.
_MESSAGES = """
(SELECT id FROM notice ORDER BY id DESC LIMIT 50)
UNION (SELECT id FROM notice WHERE reminder_id IS NOT NULL ORDER BY id DESC LIMIT 50)
UNION (SELECT id FROM notice WHERE group_id IS NOT NULL ORDER BY id DESC LIMIT 50) ORDER BY id
"""
_EVENTS = """
SELECT cast(cast(e.tx AS text) AS numeric), e.id FROM generate_series(0, 700, 50) AS ago (days) CROSS JOIN LATERAL (
    SELECT tx, id FROM event WHERE at <= cast(:now AS timestamptz) - ago.days * interval '1 day'
    ORDER BY at DESC LIMIT 1
) e
"""
_ALERTS = "SELECT id FROM alert WHERE state = 'firing' ORDER BY hashint8(id) LIMIT 50"
_SHOWN = 100  # apps of a page
_DRAWN = 8  # apps, evenly from the largest to the smallest
_DEEP = 5000  # rows into a list, where it is so long


@dataclass(frozen=True, slots=True)
class App:
    """An app, and what may be asked of it."""

    key: str
    tenants: Sequence[str]
    scopes: Sequence[str]
    deep: Mapping[Sort, Place]  # by how the list of tenants is sorted: a place far into it


@dataclass(slots=True)
class Known:
    """What was found once, and what is drawn of it."""

    now: datetime
    keys: Sequence[str]  # of as many apps as are on a page
    apps: Sequence[App]
    middling: AppPlace  # in the list of apps by adoption, half way
    alerts: Sequence[int]  # that fire
    messages: Sequence[int]
    places: Sequence[EventPlace]  # in the feed, over the two years
    chance: random.Random = field(default_factory=random.Random)

    @classmethod
    def of(cls, session: Session, *, seed: int) -> "Known":
        """Look for it; the draws are the same for the same *seed*."""
        keys = session.scalars(text(_APPS)).all()
        step = max(1, (len(keys) - 1) / (_DRAWN - 1))
        chosen = sorted({min(len(keys) - 1, round(place * step)) for place in range(_DRAWN)})
        apps, now = [_app(session, keys[place]) for place in chosen], db_now(session)
        alerts, messages = (session.scalars(text(query)).all() for query in (_ALERTS, _MESSAGES))
        places = [(int(tx), number) for tx, number in session.execute(text(_EVENTS), {"now": now})]
        middling = place(overview(session, sort="adoption")[len(keys) // 2], "adoption")
        return cls(now, keys[:_SHOWN], apps, middling, alerts, messages, places, random.Random(seed))

    def app(self) -> App:
        """Any of the apps, the largest as often as the smallest."""
        return self.chance.choice(self.apps)

    def pair(self) -> tuple[str, str]:
        """An app and one of its tenants."""
        app = self.app()
        return app.key, self.chance.choice(app.tenants)

    def alert(self) -> int:
        """One of the alerts that fire."""
        return self.chance.choice(self.alerts)

    def message(self) -> int:
        """One of the messages."""
        return self.chance.choice(self.messages)

    def place(self) -> EventPlace:
        """Somewhere in the feed of events."""
        return self.chance.choice(self.places)

    def letters(self) -> str:
        """A few letters of some tenants' names or ids, in several scripts."""
        return self.chance.choice(("füchs", "HVAC 12", "Плюс 4", "東京設備", "שמל", "997", "zz", "1"))


def _app(session: Session, key: str) -> App:
    bound = {"app": key}
    deep = {sort: _deep(session, key, sort) for sort in PLACES}
    return App(key, session.scalars(text(_TENANTS), bound).all(), session.scalars(text(_SCOPES), bound).all(), deep)


def _deep(session: Session, key: str, sort: Sort) -> Place:
    return tenants_of(session, key, Wanted(), sort=sort, most=_DEEP)[-1].place
