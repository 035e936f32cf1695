"""What Uptake has stored, read in one question."""

from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import text

from models import Session
from uptake.pages import unpacked

_ALL = text("""
SELECT json_build_object(
  'connections', (SELECT json_agg(json_build_object('app', c.app_id, 'tenant', t.external_id, 'name', t.name,
      'environment', c.environment, 'status', c.status, 'version', c.version, 'grants', s.grants,
      'client', c.client_id, 'epoch', c.epoch, 'regressed', c.regressed_from,
      'hash', c.hash, 'id', c.id, 'seq', c.last_seq))
    FROM connection c JOIN tenant t ON t.id = c.tenant_id LEFT JOIN scope_set s ON s.id = c.scope_set_id),
  'tenures', (SELECT json_agg(json_build_object('connection', u.connection_id, 'status', u.status,
      'version', u.version, 'grants', s.grants, 'epoch', u.epoch, 'not_before', u.not_before,
      'valid_from', u.valid_from, 'valid_to', u.valid_to) ORDER BY u.valid_from)
    FROM tenure u LEFT JOIN scope_set s ON s.id = u.scope_set_id),
  'events', (SELECT json_agg(json_build_object('id', e.id, 'app', e.app_id, 'type', e.type,
      'connection', e.connection_id, 'data', e.data) ORDER BY e.id) FROM event e WHERE e.id > :event),
  'polls', (SELECT json_agg(json_build_object('id', p.id, 'app', p.app_id, 'outcome', p.outcome, 'seq', p.seq,
      'changed', p.changed, 'vanished', p.vanished, 'rejected', p.rejected) ORDER BY p.id)
    FROM poll p WHERE p.id > :poll),
  'adoption', (SELECT json_agg(json_build_array(a.app_id, a.environment, a.version, a.day, a.tenants)
      ORDER BY a.day) FROM adoption a),
  'pages', (SELECT json_agg(json_build_array(w.app_id, encode(w.hashes, 'hex'))) FROM walked_page w),
  'apps', (SELECT json_agg(json_build_object('id', a.id, 'external_id', a.external_id, 'name', a.name,
      'approval', a.approval, 'settled', a.settled, 'failures', a.failures, 'rewrites', a.rewrites,
      'latest', a.latest_version, 'deleted_at', a.deleted_at, 'lease', a.lease_token, 'seq', a.poll_seq) ORDER BY a.id)
    FROM app a),
  'alerts', (SELECT json_agg(json_build_object('app', a.app_id, 'connection', a.connection_id, 'kind', a.kind,
      'state', a.state)) FROM alert a WHERE a.resolved_at IS NULL),
  'reminders', (SELECT json_agg(json_build_array(r.app_id, r.connection_id)) FROM reminder r
    WHERE r.stopped_at IS NULL),
  'versions', (SELECT json_agg(json_build_array(v.app_id, v.number, s.grants) ORDER BY v.app_id, v.number)
    FROM app_version v JOIN scope_set s ON s.id = v.scope_set_id)
)::text
""")


class Connection(msgspec.Struct):
    """A row of `connection`."""

    app: int
    tenant: str
    name: str | None
    environment: str
    status: str
    version: int | None
    grants: frozenset[str] | None
    client: str | None
    epoch: int
    regressed: int | None
    hash: int
    id: int
    seq: int


class Tenure(msgspec.Struct):
    """A row of `tenure`."""

    connection: int
    status: str
    version: int | None
    grants: frozenset[str] | None
    epoch: int
    not_before: datetime | None
    valid_from: datetime
    valid_to: datetime | None


class Event(msgspec.Struct):
    """A row of `event`."""

    id: int
    app: int | None
    type: str
    connection: int | None
    data: dict[str, Any]


class Poll(msgspec.Struct):
    """A row of `poll`."""

    id: int
    app: int | None
    outcome: str
    seq: int
    changed: int
    vanished: int
    rejected: int


class App(msgspec.Struct):
    """A row of `app`."""

    id: int
    external_id: str
    name: str
    approval: str
    settled: bool
    failures: int
    rewrites: int
    latest: int | None
    deleted_at: datetime | None
    lease: str | None
    seq: int


class Alert(msgspec.Struct):
    """An open row of `alert`."""

    app: int | None
    connection: int | None
    kind: str
    state: str


class Stored(msgspec.Struct):
    """All tables that matter; events and polls only those that are new."""

    connections: list[Connection] | None
    tenures: list[Tenure] | None
    events: list[Event] | None
    polls: list[Poll] | None
    adoption: list[tuple[int, str, int, str, int]] | None
    pages: list[tuple[int, str]] | None
    apps: list[App]
    alerts: list[Alert] | None
    reminders: list[tuple[int, int]] | None
    versions: list[tuple[int, int, frozenset[str]]] | None

    def hashes(self, app: int) -> set[int]:
        """What stands on the app's remembered pages."""
        pages = (bytes.fromhex(packed) for owner, packed in self.pages or () if owner == app)
        return {number for page in pages for number in unpacked(page)}


class Seen(NamedTuple):
    """The last event and poll that were looked at."""

    event: int = 0
    poll: int = 0


NOTHING = Seen()
_decode = msgspec.json.Decoder(Stored).decode


def stored(since: Seen) -> Stored:
    """What is stored, and the events and polls that came *since*."""
    with Session() as session:
        return _decode(session.execute(_ALL, {"event": since.event, "poll": since.poll}).scalar_one())
