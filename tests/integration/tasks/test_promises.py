"""Whatever happens, in whatever order: nobody is told too often, or of what is over, and nothing is left untold."""

import os
import random
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from models.opt_out import opt_in, opt_out
from models.outbox import waiting
from models.queries.alert_lists import WantedAlerts, alerts_after
from models.quiet import Matchers, acknowledge, silence
from models.stopped import resume
from tasks.deliver import deliver_now
from tasks.evaluate import evaluate_now
from tasks.flush import flush_now
from tasks.remind import remind_now
from tasks.rules import rules
from tests.integration.models.world import A, B, C, World
from uptake.channels import Message, Receipt
from uptake.channels.log import LogChannel
from uptake.errors import Fault, PermanentError, TransientError
from uptake.facts import Status

# LIVES=n lives so many others.
SEEDS = range(int(os.environ["LIVES"])) if "LIVES" in os.environ else range(6)
STEPS = 60
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
START = datetime(2026, 3, 2, 9, tzinfo=UTC)  # a Monday
PEOPLE = [("1", "ada"), ("2", "ada"), ("3", "bob"), ("3", "eve"), ("4", "cy"), ("6", "dot"), ("6", "ada")]


class Life:
    """Some weeks of an app, its six tenants and their people, with mail servers that have their days."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.chance = world, random.Random(seed)
        self.arrived: list[tuple[datetime, Message]] = []
        self.refuses: type[Exception] | None = None
        self.deaths = 0
        for tenant in "123456":
            world.put(tenant, 1)
        world.now = START
        world.poll(after=MINUTE)
        for rank, (tenant, name) in enumerate(PEOPLE):
            insert = "INSERT INTO contact (tenant_id, email, rank) SELECT id, :to, :n FROM tenant WHERE name = :t"
            world.session.execute(text(insert), {"to": f"{name}@b.example", "n": rank, "t": f"Tenant {tenant}"})
        world.session.commit()

    def send(self, message: Message) -> Receipt:
        """What a receiver does with a message; what arrives must be true at that moment."""
        fault = self.chance.random()
        if self.refuses is TransientError and fault < 0.7:
            raise TransientError("451 come again", fault=Fault.SERVER)
        if self.refuses is PermanentError and fault < 0.4:
            kinds = (
                [Fault.RECIPIENT, Fault.REQUEST, Fault.AUTH] if message.payload["type"] == "reminder" else [Fault.AUTH]
            )
            raise PermanentError("550 no", fault=self.chance.choice(kinds))
        self.arrived.append((self.world.now, message))
        return Receipt("250 ok")

    def step(self) -> None:
        """Something happens, time passes, and all tasks run, the last of them as often as there is something to do."""
        world, chance = self.world, self.chance
        chance.choice(
            [self.release, self.move, self.move, self.move, self.people, self.quiet, self.weather, self.nothing]
        )()
        world.poll(after=chance.choice([10 * MINUTE, HOUR, 3 * HOUR, 9 * HOUR, DAY, 4 * DAY]))
        world.session.commit()
        self.tick()
        if chance.random() < 0.15:
            self.die()

    def tick(self) -> None:
        """What the daemon does."""
        now = self.world.now
        evaluate_now(self.world.app_id, now=now)
        flush_now(now=now)
        for _ in range(3):
            remind_now(now=now)
            deliver_now(now=now)
            flush_now(now=now)

    def release(self) -> None:
        """Another version, that may want less."""
        self.world.release(A, *self.chance.sample([B, C], self.chance.choice([0, 1, 2])))

    def move(self) -> None:
        """A tenant accepts, goes back, is switched off, or leaves."""
        tenant, latest = self.chance.choice("123456"), len(self.world.versions)
        fate = self.chance.choice(["accept", "accept", "some", "back", "off", "gone"])
        version = {"accept": latest, "some": self.chance.randint(1, latest), "gone": None}.get(fate, 1)
        if fate == "off":
            self.world.put(tenant, version, status=Status.DISABLED)
        else:
            self.world.put(tenant, version)

    def people(self) -> None:
        """Somebody wants no more reminders, or wants them again, or leaves."""
        tenant, name = self.chance.choice(PEOPLE)
        ((tenant_id,),) = self.world.rows("SELECT id FROM tenant WHERE external_id = :id", id=tenant)
        change = self.chance.choice([opt_out, opt_in, opt_in])
        change(self.world.session, [tenant_id], f"{name}@b.example", now=self.world.now)

    def quiet(self) -> None:
        """An operator has seen it, or does not want to hear of a tenant for a while."""
        session, now = self.world.session, self.world.now
        if self.chance.random() < 0.5:
            found = [one.id for _, one in alerts_after(session, WantedAlerts(), now=now, most=1000)]
            acknowledge(session, found, author="eve", comment="", until=now + DAY, now=now)
        else:
            matchers = Matchers(tenant=self.chance.choice("123456"))
            silence(session, matchers, author="eve", comment="", starts_at=now, ends_at=now + 2 * DAY, now=now)

    def weather(self) -> None:
        """What receivers do from now on; somebody may have mended what refused us."""
        self.refuses = self.chance.choice([None, None, TransientError, PermanentError])
        resume(self.world.session)

    def nothing(self) -> None:
        """Time passes."""

    def die(self) -> None:
        """Whoever sent the last message did not live to write that down."""
        killed = self.world.rows("""
            UPDATE notice SET state = 'sending', settled_at = NULL, lease_until = clock_timestamp() - interval '1 s'
            WHERE id = (SELECT max(id) FROM notice WHERE state = 'sent' AND settled_at = :now) RETURNING id, attempts
        """, now=self.world.now)  # fmt: skip
        for notice, number in killed:
            self.deaths += 1
            undone = "UPDATE attempt SET outcome = NULL, finished_at = NULL WHERE notice_id = :id AND number = :number"
            self.world.session.execute(text(undone), {"id": notice, "number": number})
        self.world.session.commit()

    def check(self) -> None:
        """What holds after every step."""
        self.check_arrivals()
        self.check_queue()
        self.check_turns()
        self.check_operators()

    def check_arrivals(self) -> None:
        """Nobody has two reminders on one day; the same message twice only where a sender died."""
        times: dict[str, dict[str, datetime]] = defaultdict(dict)
        for at, message in self.arrived:
            if message.payload["type"] == "reminder":
                times[message.to].setdefault(message.key, at)
        for to, keys in times.items():
            days = sorted(keys.values())
            gaps = [after - before for before, after in pairwise(days)]
            assert all(gap >= DAY for gap in gaps), (to, days)
        again = sum(count - 1 for count in Counter(message.key for _, message in self.arrived).values())
        assert again <= self.deaths

    def check_queue(self) -> None:
        """Nothing that could be sent waits, and nothing is on its way but what somebody died over."""
        now, session = self.world.now, self.world.session
        died = self.world.rows("SELECT count(*) FROM notice WHERE state = 'sending'")[0][0]
        assert died <= 1
        assert waiting(session, now=now, most=99) <= died
        assert self.world.rows(
            "SELECT count(*) FROM notice WHERE state = 'sending' AND lease_until > clock_timestamp()"
        ) == [(0,)]

    def check_turns(self) -> None:
        """Each open thread has used the turns that went out, or still may; no more, unless somebody died."""
        counts = self.world.rows("""
            SELECT r.id, r.sent, count(*) FILTER (WHERE n.state IN ('due', 'sending', 'sent') AND p.number > 0),
                count(*) FILTER (WHERE n.gives_back AND p.number > 0)
            FROM reminder r LEFT JOIN notice_reminder p ON p.reminder_id = r.id LEFT JOIN notice n ON n.id = p.notice_id
            WHERE r.stopped_at IS NULL GROUP BY 1, 2
        """)
        for thread, sent, standing, returning in counts:
            assert sent >= standing, thread
            if not self.deaths:
                assert sent == standing + returning, thread

    def check_operators(self) -> None:
        """What has fired for a while is told, unless somebody said that it is not to be."""
        now, session = self.world.now, self.world.session
        fires = "SELECT alert_id FROM alert_step WHERE step = 'firing' GROUP BY 1 HAVING max(at) < :now"
        long = {alert for (alert,) in self.world.rows(fires, now=now)}
        loud = long & {one.id for _, one in alerts_after(session, WantedAlerts(quiet=False), now=now, most=1000)}
        heard = {
            alert
            for (alert,) in self.world.rows("SELECT alert_id FROM told WHERE receiver = 'ops' AND state = 'firing'")
        }
        assert loud <= heard

    def ends(self) -> None:
        """Everybody accepts, all receivers are well: all is said and done, and no incident is left open."""
        self.refuses = None
        resume(self.world.session)
        for tenant in "123456":
            self.world.put(tenant, len(self.world.versions))
        for _ in range(9):
            self.world.poll(after=DAY)
            self.world.session.commit()
            self.tick()
        assert self.world.rows("SELECT count(*) FROM reminder WHERE stopped_at IS NULL") == [(0,)]
        assert self.world.rows("SELECT state, count(*) FROM notice WHERE state IN ('due', 'sending') GROUP BY 1") == []
        assert self.world.rows("SELECT kind FROM alert WHERE resolved_at IS NULL AND kind = 'tenant_lagging'") == []
        last: dict[str, Any] = {}
        for _, message in self.arrived:
            if message.payload.get("kind") == "tenant_lagging":
                last[message.payload["group"]] = message.payload["firing"]
        assert set(last.values()) <= {0}, last


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_happens(world: World, chosen: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Sixty steps at random, each of which must leave all promises kept."""
    chosen.write_text(chosen.read_text().replace("[policy]", '[policy]\ngrace = { blocking = "1d" }\nremind_pace = 2'))
    rules.cache_clear()
    life = Life(world, seed)

    def send(_: LogChannel, message: Message) -> Receipt:
        if message.payload["type"] == "reminder":
            for ask in message.payload["asks"]:
                asked(world, message.to, ask)
        return life.send(message)

    monkeypatch.setattr(LogChannel, "send", send)
    monkeypatch.setattr("tasks.deliver.SENDERS", 1)  # what is random is so in one order
    for _ in range(STEPS):
        life.step()
        life.check()
    life.ends()
    kinds = Counter(message.payload["type"].partition(".")[0] for _, message in life.arrived)
    assert min(kinds["reminder"], kinds["alerts"]) > 0, kinds


def asked(world: World, to: str, ask: dict[str, Any]) -> None:
    """Whom a reminder goes to is asked for what they can do now, and did not say that they want none."""
    ((status, version, out),) = world.rows("""
        SELECT c.status, c.version, k.opted_out_at FROM tenant t JOIN connection c ON c.tenant_id = t.id
        JOIN contact k ON k.tenant_id = t.id AND k.email = :to WHERE t.external_id = :tenant
    """, to=to, tenant=ask["tenant"])  # fmt: skip
    assert (status, out) == ("connected", None)
    assert version is None or version < ask["target_version"]
    assert ask["target_version"] == len(world.versions)
