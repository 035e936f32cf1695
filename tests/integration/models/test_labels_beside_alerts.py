"""The tenant's set of labels beside each open alert: it is the tenant's, whichever of both was there first."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session

from models.alerts import evaluate
from models.contacts import Person, keep_contacts
from models.quiet import acknowledge
from tests.integration.models.waiting import waiting
from tests.integration.models.world import A, B, World
from uptake.policies import Policies
from uptake.policy import DEFAULT

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BESIDE = """
SELECT t.external_id, a.state, l.labels ->> 'tier' FROM alert a JOIN tenant t ON t.id = a.tenant_id
LEFT JOIN label_set l ON l.id = a.label_set_id ORDER BY a.id
"""


@pytest.fixture
def lagging(world: World) -> World:
    """Tenants 1 and 2 lag, and nobody has looked yet; 1 has a label."""
    for tenant in ("1", "2"):
        world.put(tenant, 1)
    world.poll()
    world.label("1", tier="gold")
    world.release(A, B)
    world.poll()
    world.now += 20 * DAY
    return world


def test_what_opens_has_the_labels_of_its_tenant(lagging: World) -> None:
    """Of each tenant its own."""
    lagging.evaluate()
    assert lagging.rows(BESIDE) == [("1", "firing", "gold"), ("2", "firing", None)]


def test_a_book_labels_what_is_open(lagging: World) -> None:
    """A later one, too; a tenant that it leaves out keeps what is known."""
    lagging.evaluate()
    lagging.label("2", tier="lead")
    assert lagging.rows(BESIDE) == [("1", "firing", "gold"), ("2", "firing", "lead")]
    lagging.label("1")
    lagging.label("2", tier="iron")
    assert lagging.rows(BESIDE) == [("1", "firing", None), ("2", "firing", "iron")]


def test_what_opens_again_has_the_labels_of_now(lagging: World) -> None:
    """What is over is labelled no more, and anew when it begins again."""
    lagging.evaluate()
    policy = replace(DEFAULT, flap_window=10 * DAY)
    for version, tier, state in ((2, "gold", "resolved"), (1, "lead", "firing")):
        lagging.put("1", version)
        lagging.poll()
        lagging.evaluate(policy, after=HOUR)
        lagging.label("1", tier="lead")
        assert lagging.rows(BESIDE)[0] == ("1", state, tier)
    reason = "SELECT reason FROM alert WHERE tenant_id = (SELECT id FROM tenant WHERE external_id = '1')"
    assert lagging.rows(reason) == [("reopened",)]


def test_no_alert_opens_beside_other_labels(apart: Engine) -> None:
    """While a book labels a source, its apps wait to be judged, no others; one that changes no label holds none."""
    with apart.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO source (name, kind, next_poll_at) VALUES ('other', 'portal', now());
            INSERT INTO app (source_id, external_id, name, first_seen_at, next_poll_at)
            VALUES (2, '8', 'Of another source', now(), now());
            INSERT INTO tenant (source_id, external_id, first_seen_at) VALUES (1, '1', now())
        """)
        )
    person = Person("acme", "1", "ada@bright.example")
    for labels, waits in ((None, False), ({"tier": "gold"}, True), ({"tier": "gold"}, False)):
        with Session(apart) as book, Session(apart) as judge, book.begin(), judge.begin():
            keep_contacts(book, [replace(person, labels=labels)])
            assert (evaluate(judge, 1, Policies(DEFAULT), now=NOW, waits=False) is None) == waits
            assert evaluate(judge, 2, Policies(DEFAULT), now=NOW, waits=False)


def told(session: Session) -> None:
    """A book that labels both tenants."""
    people = [Person("acme", tenant, "ada@bright.example", labels={"tier": "gold"}) for tenant in ("1", "2")]
    keep_contacts(session, people)


def acknowledged(session: Session) -> None:
    """Somebody looks after both alerts."""
    acknowledge(session, [2, 1], author="me", comment="", until=None, now=NOW)


@pytest.mark.parametrize("take", [told, acknowledged])
def test_alerts_are_taken_in_one_order(apart: Engine, take: Callable[[Session], None]) -> None:
    """A book and somebody who acknowledges never wait for each other in a circle."""
    with apart.begin() as connection:
        for statement in (
            """INSERT INTO tenant (source_id, external_id, first_seen_at)
               SELECT 1, n, now() FROM unnest(ARRAY['1', '2']) n""",
            """INSERT INTO connection (app_id, tenant_id, environment, status, epoch, hash, observed_at, last_seq)
               SELECT 1, id, 'production', 'connected', 1, 0, now(), 0 FROM tenant ORDER BY id""",
            # The second tenant's is the first, and stands behind the other on disk.
            """INSERT INTO alert (source_id, app_id, kind, tenant_id, connection_id, environment, state, severity,
                   since, opened_at, fired_at, reason)
               SELECT 1, 1, 'tenant_lagging', tenant_id, id, environment, 'firing', 'info', now(), now(), now(), 'x'
               FROM connection ORDER BY id DESC""",
            "UPDATE alert SET reason = 'moved' WHERE id = 1",
        ):
            connection.execute(text(statement))
    with waiting(apart, take, "SELECT FROM alert WHERE id = 1 FOR UPDATE"), apart.begin() as other:
        assert list(other.scalars(text("SELECT id FROM alert ORDER BY id FOR UPDATE SKIP LOCKED"))) == [2]
