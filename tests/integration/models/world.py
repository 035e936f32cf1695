"""A small world to record: one source, one app, and a portal's listing that a test can change."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.alerts import Evaluated, evaluate
from models.contacts import Person, keep_contacts
from models.leases import claim_app, claim_source
from models.listing import record_listing, sync_sources
from models.record import Recorded, record
from models.stage import Fresh, Walk
from models.walked import stored_hashes
from uptake.facts import SeenApp, SeenConnection, SeenVersion, Status
from uptake.policies import Policies
from uptake.policy import DEFAULT, Policy

A, B, C = "tn.crm.customers:r", "tn.jpm.jobs:r", "tn.jpm.jobs:w"


@dataclass
class World:
    """What the portal would list now; poll() records it as one complete walk would."""

    session: Session
    now: datetime
    step: timedelta
    source_id: int = 0
    app_id: int = 0
    versions: list[SeenVersion] = field(default_factory=list)
    listed: dict[tuple[str, str], SeenConnection] = field(default_factory=dict)

    @classmethod
    def founded(cls, session: Session, now: datetime, *, step: timedelta) -> World:
        """A world whose app has been listed, with version 1 that wants A."""
        sync_sources(session, [("acme", "portal")], now=now)
        world = cls(session, now, step)
        world.source_id = session.execute(text("SELECT id FROM source WHERE name = 'acme'")).scalar_one()
        world.list_apps()
        world.app_id = session.execute(text("SELECT id FROM app")).scalar_one()
        world.release(A)
        return world

    def list_apps(self, *, deleted: bool = False) -> None:
        """Read and record the list of apps."""
        lease = claim_source(self.session, self.source_id, now=self.now, every=self.step, forced=True)
        assert lease
        app = SeenApp("4711", "Dispatch Helper", None, "public", "approved", self.now, deleted, ("production",))
        record_listing(self.session, lease, [app], now=self.now, duration_seconds=0.1)

    def release(self, *grants: str) -> int:
        """Publish the next version, released now."""
        number = len(self.versions) + 1
        self.versions.append(SeenVersion(number, frozenset(grants), self.now, "j.doe"))
        return number

    def put(self, tenant: str, version: int | None, **facts: Any) -> None:
        """Let the portal list *tenant* at *version*, with the scopes of that version in play."""
        status = facts.pop("status", Status.CONNECTED if version else Status.NOT_CONNECTED)
        environment = facts.pop("environment", "production")
        known = next((v.grants for v in self.versions if v.number == version), None)
        base = SeenConnection(
            external_id=f"c-{tenant}",
            tenant=tenant,
            tenant_name=f"Tenant {tenant}",
            environment=environment,
            status=status,
            version=version,
            grants=known,
            client_id=f"cid.{tenant}" if status in (Status.CONNECTED, Status.DISABLED) else None,
            allowed_at=None,
            accepted_at=None,
            accepted_by=None,
        )
        self.listed[tenant, environment] = base._replace(**facts)

    def drop(self, *tenants: str) -> None:
        """Let the portal list these tenants no more."""
        self.listed = {key: seen for key, seen in self.listed.items() if key[0] not in tenants}

    def label(self, *tenants: str, **labels: str) -> None:
        """Let a contact book say this of *tenants*, which have been seen."""
        people = [Person("acme", tenant, f"admin@t{tenant}.example", labels=labels) for tenant in tenants]
        assert keep_contacts(self.session, people).strangers == []

    def walk(self, **changes: Any) -> Walk:
        """What a complete walk finds now, against the hashes stored."""
        stored = stored_hashes(self.session, self.app_id)
        seen = {hash(facts) or 1: facts for facts in self.listed.values()}
        fresh = [Fresh(number, facts) for number, facts in seen.items() if number not in stored]
        base: dict[str, Any] = {"fresh": fresh, "stale": sorted(stored - seen.keys()), "pages": 1, "rows": len(seen)}
        return Walk(**(base | changes))

    def poll(self, *, after: timedelta | None = None, believe: bool = False, **changes: Any) -> Recorded:
        """One complete poll, *after* the one before."""
        self.now += after or self.step
        lease = claim_app(self.session, self.app_id, now=self.now, every=self.step, forced=True)
        assert lease
        return record(self.session, lease, self.walk(**changes), self.versions, now=self.now, believe_absence=believe)

    def evaluate(self, policy: Policy | Policies = DEFAULT, *, after: timedelta = timedelta()) -> Evaluated:
        """Evaluate the app, *after* the last instant."""
        self.now += after
        policies = policy if isinstance(policy, Policies) else Policies(policy)
        evaluated = evaluate(self.session, self.app_id, policies, now=self.now)
        assert evaluated
        return evaluated

    def rows(self, query: str, **bound: object) -> list[tuple[Any, ...]]:
        """The rows of *query*, as tuples."""
        return [tuple(row) for row in self.session.execute(text(query), bound)]

    def events(self) -> list[str]:
        """The types of all events so far, in order."""
        return [kind for (kind,) in self.rows("SELECT type FROM event ORDER BY id")]

    def snapshot(self) -> dict[str, list[tuple[Any, ...]]]:
        """Everything that only news may change."""
        tables = (
            *("connection", "tenure", "event", "adoption", "verdict"),
            *("alert", "alert_step", "notice_group", "reminder", "notice"),
        )
        # By the whole row: what is equal in some columns comes in whatever order the planner likes that day.
        return {table: self.rows(f"SELECT it.* FROM {table} it ORDER BY it::text") for table in tables}  # noqa: S608 - ours
