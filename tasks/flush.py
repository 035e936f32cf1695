"""Telling operators: groups of alerts whose turn it is become one notice each, or none, with a reason."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from celery import shared_task
from sqlalchemy import select
from sqlalchemy.orm import Session as OrmSession

from config.receivers import Receiver
from models import Notice, Session, db_now
from models.groups import (
    DueGroup,
    GroupCounts,
    Seen,
    arouse,
    due_groups,
    groups_waiting,
    heard_lately,
    members,
    note_acknowledged,
    rest,
    seen,
    told,
)
from models.groups import Member as Alerted
from models.stopped import hears_instead, tell_elsewhere
from models.telling import Telling, tell_operators
from models.turns import alone
from tasks.deliver import deliver
from tasks.doorbell import ring
from tasks.edges import addresses_of
from tasks.rules import Rules, rules
from uptake.alert_words import about, capped
from uptake.cadence import NoticeReason, is_looked_after, is_sent, notice_reason
from uptake.letter import Parts
from uptake.policy import Policy
from uptake.wording import Digest, Member, digest

log = structlog.get_logger()

GROUPS = 100  # a tick's worth; the rest has the next one
NAMED = 20  # alerts named in one message
CAPPED = timedelta(hours=1)  # what a receiver's cap is counted over


@shared_task(name="uptake.flush")
def flush() -> None:
    """Queue the notices that operators are due."""
    if flush_now():
        ring(deliver)


def flush_now(*, now: datetime | None = None) -> int:
    """Decide and queue, in one transaction; how many notices were queued. A second run queues none.

    While somebody else does, nothing: what a receiver has heard of late is counted.
    """
    chosen = rules()
    policies, queued = chosen.policies, 0
    with Session.begin() as session:
        if not alone(session, "flush", waits=False):
            return 0
        at = now or db_now(session)
        arouse(session, policies, now=at)
        for group in due_groups(session, policies.receivers, now=at, most=GROUPS):
            queued += tell(session, group, chosen, now=at).queued
        if fallback := policies.base.fallback:
            addresses = addresses_of(chosen.receivers.get(fallback))
            queued += tell_elsewhere(session, fallback, addresses, now=at)
    if queued:
        log.info("notices.queued", notices=queued)
    return queued


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a look at a group, by what was found, and when it has its next turn (None: when there is news)."""

    reason: NoticeReason | None
    counts: GroupCounts
    queued: int  # messages
    next_at: datetime | None
    waits: bool = False  # there is news, and it is too soon for it


def tell(session: OrmSession, group: DueGroup, chosen: Rules, *, now: datetime) -> Told:
    """Queue what the group's receiver is to be told now, and set the group's next turn."""
    found, policy = seen(session, group, chosen.policies, now=now), chosen.policy
    count = found.counts
    receiver = chosen.receivers.get(group.receiver)
    wants_resolved = receiver is None or receiver.send_resolved
    reason = _reason(group, count, policy, wants_resolved=wants_resolved, now=now)
    queued = 0
    if reason is not None and is_sent(reason, send_resolved=wants_resolved):
        if (until := _has_enough(session, group.receiver, receiver, now=now)) is not None:
            # Nothing is noted as told, so all of it is news still when there is room again.
            rest(session, group, flush_at=until, told_at=None)
            queued = _say_so(session, group.receiver, receiver, until, now=now)
            return Told(reason, count, queued, until, waits=True)
        queued = _queue(session, group, found, reason.value, addresses_of(receiver), now=now)
    if reason is not None and not count.firing:
        queued += _end_elsewhere(session, group, found, reason.value, chosen, now=now)
    if reason is not None:
        told(session, found)
    looked_after = is_looked_after(firing=count.firing, quiet=count.quiet, acknowledged=count.acknowledged)
    if looked_after and group.acknowledged_at is None and receiver is not None and receiver.hears_acknowledgements:
        queued += _queue(session, group, found, "acknowledged", addresses_of(receiver), now=now)
    note_acknowledged(session, group, at=(group.acknowledged_at or now) if looked_after else None)
    idle = not count.firing and (reason is not None or not count.told_firing)
    looks = [] if idle else [now + policy.group_interval]
    looks += [count.quiet_until] if count.quiet_until else []
    next_at = min(looks, default=None)
    rest(session, group, flush_at=next_at, told_at=now if reason is not None else None)
    news = count.new_firing or count.escalated or count.unmuted or (wants_resolved and count.new_resolved)
    return Told(reason, count, queued, next_at, waits=reason is None and bool(news))


def _reason(
    group: DueGroup, count: GroupCounts, policy: Policy, *, wants_resolved: bool, now: datetime
) -> NoticeReason | None:
    """Why the group's receiver is to be told something now; None: it is not."""
    return notice_reason(
        firing=count.firing,
        new_firing=count.new_firing,
        escalated=count.escalated,
        unmuted=count.unmuted,
        new_resolved=count.new_resolved,
        told_before=group.last_told_at is not None,
        told_firing=count.told_firing,
        last_at=group.last_told_at,
        now=now,
        group_wait=policy.group_wait,
        group_interval=policy.group_interval,
        repeat_interval=policy.repeat_interval,
        opened_at=group.opened_at if count.new_firing else None,
        send_resolved=wants_resolved,
        quiet=count.quiet,
    )


def _has_enough(session: OrmSession, name: str, receiver: Receiver | None, *, now: datetime) -> datetime | None:
    """Until when the receiver has heard as much as it wants to in an hour; None: it has not."""
    cap = receiver.cap if receiver else 0
    if not cap:
        return None
    heard = heard_lately(session, name, since=now - CAPPED)
    return heard[-cap] + CAPPED if len(heard) >= cap else None


def _say_so(session: OrmSession, name: str, receiver: Receiver | None, until: datetime, *, now: datetime) -> int:
    """Tell the receiver once in an hour that more waits for it; how many messages."""
    said = session.scalar(
        select(Notice.id).where(Notice.receiver == name, Notice.reason == "capped", Notice.created_at > now - CAPPED)
    )
    if receiver is None or said is not None:
        return 0
    waiting = groups_waiting(session, name, until=until)
    telling = Telling(
        key=f"capped:{name}:{now:%Y%m%dT%H%M%S}",
        receiver=name,
        reason="capped",
        said=capped(name, receiver.cap, waiting, until),
        payload={
            "type": "alerts.capped",
            "receiver": name,
            "waiting": waiting,
            "until": until.isoformat(),
        },
    )
    tell_operators(session, telling, addresses_of(receiver), now=now)
    return 1


def _queue(
    session: OrmSession, group: DueGroup, found: Seen, reason: str, addresses: Sequence[str], *, now: datetime
) -> int:
    tell_operators(session, _telling(session, group, found, reason), addresses, now=now)
    return 1


def _end_elsewhere(
    session: OrmSession, group: DueGroup, found: Seen, reason: str, chosen: Rules, *, now: datetime
) -> int:
    """Tell the fallback that all is over of which it was told instead of the group's receiver."""
    fallback = chosen.policies.base.fallback
    if fallback in {"", group.receiver} or not hears_instead(session, group, fallback):
        return 0
    mine = _telling(session, group, found, reason)
    telling = replace(
        mine,
        key=f"fallback:{group.receiver}:{group.id}:{_number(group, reason)}",
        receiver=fallback,
        payload={**mine.payload, "instead_of": group.receiver},
    )
    return tell_operators(session, telling, addresses_of(chosen.receivers.get(fallback)), now=now)


def _telling(session: OrmSession, group: DueGroup, found: Seen, reason: str) -> Telling:
    return Telling(
        key=f"ops:{group.id}:{_number(group, reason)}",
        receiver=group.receiver,
        reason=reason,
        said=_text(session, group, found, reason),
        payload=_payload(group, found.counts, reason),
        group=group,
    )


def _number(group: DueGroup, reason: str) -> str:
    """Which of the group's messages it is; an acknowledgement is none of what it has told."""
    return f"{group.notices}a" if reason == "acknowledged" else str(group.notices + 1)


def _payload(group: DueGroup, count: GroupCounts, reason: str) -> dict[str, object]:
    return {
        "type": f"alerts.{reason}",
        "source": group.source,
        "app": group.app_key,
        "kind": group.kind,
        # What stays the same while the group is told of, for who keeps one incident for all of it.
        "group": f"{group.receiver}:{group.app_key or group.source}:{group.kind}",
        "severity": count.worst,
        "firing": count.firing,
        "quiet": count.quiet,  # that fire as well, and are acknowledged, snoozed or silenced
        "new": count.new_firing,
        "resolved": count.new_resolved,
    }


def _text(session: OrmSession, group: DueGroup, found: Seen, reason: str) -> Parts:
    count = found.counts
    listed = [
        Member(
            tenant=f"{member.tenant_name or member.tenant} ({member.tenant})"
            if member.tenant
            else group.app or group.source,
            environment=member.environment or "",
            severity=member.severity or "",
            since=member.since,
            detail=_detail(group.kind, member),
            is_resolved=member.state != "firing",
        )
        for member in members(session, found, most=NAMED)
    ]
    return digest(
        Digest(
            reason=reason,
            app=group.app,
            source=group.source,
            kind=group.kind,
            firing=count.firing,
            resolved=count.new_resolved,
            quiet=count.quiet,
            members=tuple(listed),
        ),
        rules().templates.texts,
    )


def _detail(kind: str, member: Alerted) -> str:
    if member.state != "firing":
        return (member.resolve_reason or "over").replace("_", " ")
    return about(kind, member.data, member.reason)
