"""Events: what happens to an organization's apps, queued for its subscribers in the transaction that does it.

A push is a hint. Each is signed as the Standard Webhooks specification says, sent at least once, in no order, and told
apart by its `eventId`; a receiver that does not accept it hears of it again after 10, 30, 60 and 300 seconds.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

import msgspec
from fastapi import Depends, Query, Request, Response
from pydantic import AfterValidator, Field
from sqlalchemy import ARRAY, LargeBinary, Text, bindparam, delete, func, insert, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from portal import routes, shapes
from portal.answers import secret_answer, stamp
from portal.callers import Call, developer
from portal.credentials import new_signing_secret
from portal.fields import Body, SubscriptionPath, WebAddress
from portal.idempotency import ONCE
from portal.listing import Paging, paged, total, window
from portal.problems import Problem, missing
from portal.tables import Record, delivery, organization, subscription

Type = Literal[
    "app.approved",
    "app.deleted",
    "app.version.created",
    "availability.added",
    "availability.removed",
    "connection.allowed",
    "connection.upgraded",
    "connection.disabled",
    "connection.enabled",
    "connection.revoked",
]
TYPES: tuple[Type, ...] = get_args(Type)
MOST = 20
router = routes.router("events", prefix="/event-subscriptions")
Reader = Annotated[Call, Depends(developer("dp.app.apps:r"))]
Writer = Annotated[Call, Depends(developer("dp.app.apps:w"))]
MINE = subscription.c.organization_id == bindparam("owner")
COUNT = select(func.count()).select_from(subscription).where(MINE)
# Two that subscribe at once count one after the other; whatever else refers to the organization does not wait.
LOCK = select(organization.c.id).where(organization.c.id == bindparam("owner")).with_for_update(key_share=True)


_queued = func.unnest(bindparam("events", type_=ARRAY(Text)), bindparam("bodies", type_=ARRAY(LargeBinary)))
_event = _queued.table_valued("event_id", "body", name="queued").render_derived()
# Queues events for everyone who subscribed to their type; to be executed where they happen. A subscription that is
# just being ended is waited for and then left out: what happens must not fail for want of a listener.
TELL = insert(delivery).from_select(
    ["subscription_id", "event_id", "body", "due_at"],
    select(subscription.c.id, _event.c.event_id, _event.c.body, func.now())
    .select_from(subscription.join(_event, true()))
    .where(MINE, subscription.c.types.any_() == bindparam("type", type_=Text))
    .with_for_update(read=True, key_share=True, of=subscription),
)


def told(type_: Type, organization: int, app: int, now: datetime, *events: Mapping[str, Any]) -> dict[str, Any]:
    """What `TELL` needs for *events* of one type, each with what it is about."""
    named = {"eventType": type_, "occurredOn": stamp(now), "organizationId": organization, "appId": app}
    ids = [str(uuid.uuid4()) for _ in events]
    bodies = [
        msgspec.json.encode({"eventId": event, **named, **about}) for event, about in zip(ids, events, strict=True)
    ]
    return {"owner": organization, "type": type_, "events": ids, "bodies": bodies}


def about_connection(row: Record) -> dict[str, Any]:
    """What every event of a connection is about."""
    return {"connectionId": row.id, "tenantId": row.tenant_id, "environment": row.environment}


async def tell(connection: AsyncConnection, type_: Type, call: Call, app: int, **about: Any) -> None:
    """Queue an event of the caller's organization, in the transaction on *connection*."""
    await connection.execute(TELL, told(type_, call.organization, app, call.now, about))


class NewSubscription(Body):
    """Where to send which events; all of them when no type is named."""

    url: WebAddress
    types: Annotated[list[Type], Field(min_length=1, max_length=len(TYPES)), AfterValidator(sorted)] = Field(
        default=list(TYPES)
    )


def _shown(row: Record) -> dict[str, Any]:
    return {
        "id": row.id,
        "url": row.url,
        "types": row.types,
        "createdOn": stamp(row.created_at),
        "createdBy": row.created_by,
    }


@router.get("", response_model=shapes.Page[shapes.Subscription])
async def listed(call: Reader, asked: Annotated[Paging, Query()]) -> Response:
    """The organization's subscriptions, without their secrets."""
    rows = select(subscription).where(subscription.c.organization_id == call.organization).order_by(subscription.c.id)
    async with call.reading() as connection:
        found = (await connection.execute(window(asked, rows))).all()
        count = await total(connection, asked, rows)
    return paged(asked, [_shown(row) for row in found], count)


@router.post("", status_code=201, dependencies=ONCE, response_model=shapes.NewSubscription)
async def subscribe(call: Writer, body: NewSubscription, request: Request) -> Response:
    """A new subscription; the secret that its events are signed with is shown this once."""
    if not (body.url.startswith("https://") or request.app.state.private_receivers):
        raise Problem(409, "insecure_receiver", "This portal sends events by https only.")
    secret = new_signing_secret()
    values = {"organization_id": call.organization, "url": body.url, "types": sorted(set(body.types))}
    values |= {"secret": secret, "created_at": call.now, "created_by": call.name}
    async with call.writing() as connection:
        await connection.execute(LOCK, {"owner": call.organization})
        if (await connection.execute(COUNT, {"owner": call.organization})).scalar_one() >= MOST:
            raise Problem(409, "limit_exceeded", f"An organization has at most {MOST} subscriptions.", limit=MOST)
        row = (await connection.execute(insert(subscription).values(values).returning(subscription))).one()
    return secret_answer(_shown(row), secret=secret)


@router.delete("/{number}", status_code=204)
async def unsubscribe(call: Writer, number: SubscriptionPath) -> Response:
    """End a subscription; what is still queued for it is dropped."""
    async with call.writing() as connection:
        which = subscription.c.id == number, subscription.c.organization_id == call.organization
        if not (await connection.execute(delete(subscription).where(*which))).rowcount:
            raise missing("subscription")
    return Response(status_code=204)


@router.get("/{number}/deliveries", response_model=shapes.Page[shapes.Delivery])
async def deliveries(call: Reader, number: SubscriptionPath, asked: Annotated[Paging, Query()]) -> Response:
    """What was sent to a subscriber and what it answered, the newest first."""
    rows = select(delivery).where(delivery.c.subscription_id == number).order_by(delivery.c.id.desc())
    mine = select(subscription.c.id).where(
        subscription.c.id == number, subscription.c.organization_id == call.organization
    )
    async with call.reading() as connection:
        if (await connection.execute(mine)).first() is None:
            raise missing("subscription")
        found = (await connection.execute(window(asked, rows))).all()
        count = await total(connection, asked, rows)
    return paged(asked, [_delivery(row) for row in found], count)


def _delivery(row: Record) -> dict[str, Any]:
    state = "accepted" if row.accepted_at else "waiting" if row.due_at else "givenUp"
    event = msgspec.json.decode(row.body)
    return {
        "id": row.id,
        "eventId": row.event_id,
        "eventType": event["eventType"],
        "occurredOn": event["occurredOn"],
        "state": state,
        "attempts": row.attempts,
        "answer": row.answer,
        "acceptedOn": stamp(row.accepted_at),
    }
