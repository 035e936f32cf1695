"""The outbox: notices are claimed under a lease, sent by nobody's transaction, and settled once."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.base import forget_plans, kept_plans
from models.letters import MAY_HAVE_ARRIVED
from models.paced import HAS_ROOM, held, use
from models.stopped import RESTING
from uptake.errors import Fault
from uptake.policies import Who
from uptake.rates import Rate, free

LEASE = timedelta(minutes=5)  # longer than any channel's time-out
SHARE = 5  # of each receiver at least, however many there are

# What one group of alerts has to say to one address goes out in its order, or what is over would begin again.
_FIRST = """
(n.group_id IS NULL OR NOT EXISTS (
    SELECT FROM notice o WHERE o.group_id = n.group_id AND o.receiver = n.receiver AND o."to" = n."to" AND o.id < n.id
        AND o.state IN ('due', 'sending')))
"""
# And what is for a receiver that cannot be used rests.
IN_TURN = f"NOT {RESTING} AND {_FIRST}"
# A reminder whose reason is over is cancelled by the thread's end; here is the last look before sending.
# Each receiver has its share, so that a slow one, or one with a rate, hides nobody else's messages. The index has them
# in the order of their times, and of nothing else: all that are due at once would be read and sorted for each batch.
# The inner limit tells the planner how few they are, before the outer one, of which it knows nothing, takes its share.
_CLAIM = text(f"""
WITH RECURSIVE known AS (
    (SELECT receiver FROM notice WHERE state IN ('due', 'sending') ORDER BY receiver LIMIT 1)
    UNION ALL
    SELECT (SELECT n.receiver FROM notice n WHERE n.state IN ('due', 'sending') AND n.receiver > known.receiver
        ORDER BY n.receiver LIMIT 1) FROM known WHERE known.receiver IS NOT NULL
), meant AS (
    SELECT receiver FROM known n WHERE receiver IS NOT NULL AND NOT {RESTING}
      AND CASE WHEN cast(:only AS text) IS NULL THEN receiver <> ALL(cast(:paced AS text[])) ELSE receiver = :only END
), due AS (
    SELECT mine.* FROM meant, LATERAL (
        SELECT one.* FROM (
            SELECT n.id, n."to", coalesce(cast(n.payload ->> 'anyway' AS boolean), false) AS anyway
            FROM notice n LEFT JOIN source src ON src.id = n.source_id
            WHERE n.receiver = meant.receiver AND n.due_at <= :now AND coalesce(src.enabled, true)
              AND (n.state = 'due' OR (n.state = 'sending' AND n.lease_until < clock_timestamp())) AND {_FIRST}
            ORDER BY n.due_at LIMIT :most FOR NO KEY UPDATE OF n SKIP LOCKED
        ) one LIMIT (SELECT greatest(:least, :most / count(*)) FROM meant)
    ) mine
), looked AS (
    SELECT due.id, r.stop_reason,
        -- They said so, or were taken out of the contact book, while it was on its way.
        CASE WHEN o.is_out THEN coalesce((SELECT 'opted_out' FROM contact k WHERE k.tenant_id = r.tenant_id
            AND k.email = due."to"), 'no_contact') END AS out,
        -- Whoever has it sent once more may know better than we do, but not whether they want it.
        o.is_out OR NOT due.anyway AND (r.stopped_at IS NOT NULL OR c.status <> 'connected'
            OR coalesce(c.version >= r.target_version, false)
            OR coalesce(s.lag NOT IN ('blocking', 'unknown'), false)) AS is_over,
        NOT due.anyway AND coalesce(p.target_version < r.target_version, false) AS is_superseded,
        -- A version that was seen and not yet judged: the evaluation is on its way.
        NOT due.anyway AND (s.lag IS NULL OR s.lag = 'unknown') AS is_unjudged
    FROM due JOIN notice_reminder p ON p.notice_id = due.id JOIN reminder r ON r.id = p.reminder_id
    JOIN connection c ON c.id = r.connection_id LEFT JOIN standing s ON s.connection_id = r.connection_id,
    LATERAL (SELECT NOT EXISTS (SELECT FROM contact k WHERE k.tenant_id = r.tenant_id AND k.email = due."to"
        AND k.opted_out_at IS NULL) AS is_out) o
), judged AS (
    SELECT id, CASE
        WHEN bool_or(is_over) THEN min(coalesce(out, stop_reason, 'nothing_missing')) FILTER (WHERE is_over)
        WHEN bool_or(is_superseded) THEN 'superseded' WHEN bool_or(is_unjudged) THEN 'not_judged' END AS reason
    FROM looked GROUP BY id
), over AS (
    UPDATE notice n SET state = 'cancelled', settled_at = :now, settle_reason = j.reason,
        -- What somebody died over may have arrived.
        gives_back = n.state = 'due' AND NOT {MAY_HAVE_ARRIVED}
    FROM judged j WHERE n.id = j.id
      -- Whatever else it speaks for does not wait for a judgement; only a repetition does, for a while.
      AND (j.reason <> 'not_judged' OR n.state = 'due' OR n.lease_until < clock_timestamp() - interval '1 hour')
    RETURNING n.id
), unjudged AS (
    UPDATE notice n SET due_at = cast(:now AS timestamptz) + interval '1 minute'
    FROM judged j WHERE n.id = j.id AND j.reason = 'not_judged' AND n.state = 'sending'
      AND n.lease_until >= clock_timestamp() - interval '1 hour'
), claimed AS (
    UPDATE notice n SET state = 'sending', attempts = n.attempts + 1, lease_token = :token,
        lease_until = clock_timestamp() + :lease
    FROM due WHERE n.id = due.id AND due.id NOT IN (SELECT id FROM judged WHERE reason IS NOT NULL)
    RETURNING n.id, n.key, n.receiver, n."to", n.reason, n.subject, n.body, n.html, n.payload, n.created_at,
        n.attempts, n.failures
), begun AS (
    INSERT INTO attempt (notice_id, number, started_at) SELECT id, attempts, :now FROM claimed
)
SELECT claimed.id, key, receiver, "to", reason, subject, body, html, payload, created_at, attempts,
    failures, cast(:now AS timestamptz) AS at,
    EXISTS (SELECT FROM stopped_receiver x WHERE x.name = receiver) AS is_trial, (
    SELECT jsonb_agg(jsonb_build_object('time_zone', t.time_zone, 'who', jsonb_build_object('source', src.name,
        'app', app.external_id, 'environment', r.environment, 'tenant', t.external_id,
        'labels', coalesce(l.labels, '{{}}'))) ORDER BY r.id)
    FROM notice_reminder p JOIN reminder r ON r.id = p.reminder_id JOIN tenant t ON t.id = r.tenant_id
    LEFT JOIN label_set l ON l.id = t.label_set_id
    JOIN app ON app.id = r.app_id JOIN source src ON src.id = app.source_id
    WHERE p.notice_id = claimed.id) AS reminded
FROM claimed
ORDER BY claimed.id
""")  # noqa: S608 - constants only
# One statement, for each message waits for it: what became of the try and of the notice, the events of the threads
# that it speaks for, and who cannot be reached, whose turn goes to the next in the contact book.
_SETTLE = text("""
WITH clock AS MATERIALIZED (SELECT coalesce(cast(:now AS timestamptz), clock_timestamp()) AS now),
tried AS (
    UPDATE attempt SET finished_at = clock.now, outcome = :outcome, fault = :fault, answer = :answer FROM clock
    WHERE notice_id = :notice AND number = :number AND finished_at IS NULL
), settled AS (
    UPDATE notice SET state = :state, failures = failures + :counts,
        settled_at = CASE WHEN :state <> 'due' THEN clock.now END,
        due_at = coalesce(cast(:due_at AS timestamptz), due_at), settle_reason = :reason,
        lease_token = NULL, lease_until = NULL, gives_back = :state = 'failed' AND reminder_id IS NOT NULL
    FROM clock WHERE id = :notice AND lease_token = :token AND state = 'sending'
    RETURNING id, reminder_id, "to"
), spoken AS (
    SELECT r.* FROM settled JOIN notice_reminder p ON p.notice_id = settled.id JOIN reminder r ON r.id = p.reminder_id
    WHERE :state <> 'due' AND settled.reminder_id IS NOT NULL
), said AS (
    INSERT INTO event (at, type, app_id, tenant_id, connection_id, data)
    SELECT clock.now, 'reminder.' || cast(:state AS text), app_id, tenant_id, connection_id,
        jsonb_build_object('notice', cast(:notice AS int8)) FROM spoken, clock ORDER BY spoken.id
), refused AS (
    UPDATE contact k SET refused_at = clock.now, refusal = :answer FROM spoken, settled, clock
    WHERE :is_bounce AND k.tenant_id = spoken.tenant_id AND k.email = settled."to"
)
SELECT count(*) FROM settled
""")
_WAITING = text(f"""
SELECT count(*) FROM (
    SELECT FROM notice n LEFT JOIN source src ON src.id = n.source_id
    WHERE n.due_at <= :now AND coalesce(src.enabled, true) AND {IN_TURN} AND {HAS_ROOM}
      AND (n.state = 'due' OR (n.state = 'sending' AND n.lease_until < clock_timestamp())) LIMIT :most
) w
""")  # noqa: S608 - constants only
# No call was made, so there was no attempt.
_GIVE_BACK = text("""
WITH unsent AS (
    UPDATE notice SET state = 'due', attempts = attempts - 1,
        due_at = coalesce(cast(:due_at AS timestamptz), due_at), lease_token = NULL, lease_until = NULL
    WHERE id = ANY(cast(:ids AS int8[])) AND lease_token = :token AND state = 'sending'
    RETURNING id, attempts + 1 AS number
)
DELETE FROM attempt a USING unsent WHERE a.notice_id = unsent.id AND a.number = unsent.number
""")


@dataclass(frozen=True, slots=True)
class Reminded:
    """Whom a reminder is about, and on whose clock its tenant lives."""

    who: Who
    time_zone: str | None


@dataclass(frozen=True, slots=True)
class ClaimedNotice:
    """A notice that this worker alone may send until its lease runs out."""

    id: int
    key: str
    receiver: str
    to: str
    reason: str
    subject: str
    body: str
    html: str | None
    payload: dict[str, Any]
    created_at: datetime
    attempts: int
    failures: int  # that count against it
    at: datetime  # of the claim
    is_trial: bool  # its receiver could not be used when it was tried last
    reminded: Sequence[Reminded]  # none: it is no reminder
    token: uuid.UUID
    not_before: datetime | None = None  # its receiver has no room sooner


def claim_notices(
    session: Session,
    *,
    now: datetime,
    most: int,
    rates: Mapping[str, Rate] = MappingProxyType({}),
    until: datetime | None = None,
) -> list[ClaimedNotice]:
    """Lease about *most* due notices, the same share of each receiver's, after a last look whether they are wanted.

    Beside them, for each receiver in *rates*, as many as its rate has room for now and, spread, before *until*.
    An attempt row is written for each: without an end, its outcome is unknown.
    """
    # How to settle is planned once for a batch: a plan kept from when there were few would look through all of many.
    forget_plans(session)
    bound = {"now": now, "token": uuid.uuid4(), "lease": LEASE, "paced": list(rates)}
    found = _claimed(session, bound | {"most": most, "least": min(SHARE, most), "only": None})
    for name, used in held(session, rates, now=now).items():
        room = free(rates[name], used, now=now, until=until or now, most=most)
        mine = _claimed(session, bound | {"most": len(room), "least": 0, "only": name})
        found += [replace(notice, not_before=moment) for notice, moment in zip(mine, room, strict=False)]
        use(session, name, rates[name], used=used, taken=room[: len(mine)], now=now)
    return found


def _claimed(session: Session, bound: Mapping[str, Any]) -> list[ClaimedNotice]:
    return [
        ClaimedNotice(
            **{**row, "reminded": [Reminded(Who(**one["who"]), one["time_zone"]) for one in row["reminded"] or ()]},
            token=bound["token"],
        )
        for row in session.execute(_CLAIM, bound).mappings()
    ]


def give_back(session: Session, notices: Sequence[ClaimedNotice], *, due_at: datetime | None = None) -> None:
    """Let another worker send, at once or from *due_at* on, what one claim leased and nobody tried to send."""
    if notices:
        bound = {"ids": [notice.id for notice in notices], "token": notices[0].token, "due_at": due_at}
        session.execute(_GIVE_BACK, bound)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one attempt; *due_at* is set when there is to be another."""

    outcome: str  # sent | transient | permanent
    answer: str
    fault: str | None = None
    due_at: datetime | None = None
    stops: bool = False  # no other message will fare better with this receiver
    counts: bool = False  # against the message, which is given up after so many

    @property
    def state(self) -> str:
        """The notice's state after it."""
        if self.outcome == "sent":
            return "sent"
        return "due" if self.due_at else "failed"

    @property
    def is_bounce(self) -> bool:
        """Whether there is no such address: nobody got it, and nobody will."""
        return self.state == "failed" and self.fault == Fault.RECIPIENT


def settle(session: Session, notice: ClaimedNotice, settlement: Settlement, *, now: datetime | None = None) -> bool:
    """Write down the outcome, by the database's clock where none is given.

    False when another worker has taken the notice over meanwhile.
    """
    bound = {
        "notice": notice.id,
        "number": notice.attempts,
        "token": notice.token,
        "state": settlement.state,
        "outcome": settlement.outcome,
        "fault": settlement.fault,
        "answer": settlement.answer,
        "reason": None if settlement.outcome == "sent" else settlement.answer,
        "due_at": settlement.due_at,
        "is_bounce": settlement.is_bounce,
        "counts": int(settlement.counts),
        "now": now,
    }
    with kept_plans(session):
        return bool(session.scalar(_SETTLE, bound))


def waiting(session: Session, *, now: datetime, most: int) -> int:
    """How many notices could be sent now, *most* at most, among them those whose sender died."""
    return int(session.scalar(_WAITING, {"now": now, "most": most}) or 0)
