"""The message that a tenant's next reminder would be; nothing is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from config.links import opt_out_url
from models.queries.asked import Asked, asked
from tasks.ask import ask_of
from tasks.rules import Rules
from uptake.letter import Parts
from uptake.reminding import addressee
from uptake.wording import Reminder, reminder


@dataclass(frozen=True, slots=True)
class Preview:
    """Whom the next reminder would be for, and what it would say."""

    to: str | None  # None: no contact can be written to
    said: Parts


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a tenant lacks of an app, where lag is told of and elsewhere."""

    watched: Sequence[Asked]
    elsewhere: Sequence[str]  # environments that are not watched


def lacking(session: Session, app: str, tenant: str, rules: Rules, *, now: datetime) -> Lacking:
    """What the *tenant* is to be asked for by *app* (source:id), whether or not its turn has come."""
    rows = asked(session, app, tenant, now=now)
    watched = [row for row in rows if row.environment in rules.policies.of(row.who).environments]
    return Lacking(watched, [row.environment for row in rows if row not in watched])


def preview(
    watched: Sequence[Asked], rules: Rules, *, now: datetime, step: int | None = None, language: str | None = None
) -> Preview:
    """The next reminder about these, as if it were turn *step* and in *language*, if said; there is one at least."""
    first = watched[0]
    turn = addressee(first.contacts, first.sent, rules.policies.of(first.who)) if first.contacts else None
    email = turn.contact.email if turn else None
    facts = Reminder(
        asks=tuple(ask_of(row, rules, step=step or row.sent + 1, now=now) for row in watched),
        language=language or first.locale,
        is_escalated=turn is not None and turn.is_escalated,
        written_at=now,
        opt_out_url=opt_out_url([first.tenant_id], email, source_id=first.source_id) if email else None,
    )
    return Preview(email, reminder(facts, rules.templates.texts))
