"""Who can be told, with a message to try it, and where connections are read; no secret is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Form
from fastapi.responses import Response

from config.receivers import AppriseReceiver, EmailReceiver, FileReceiver, LogReceiver, Receiver
from config.settings import SettingsError
from dashboard.access import Operator, RefusedError, require_all
from dashboard.chosen import chosen
from dashboard.discreet import discreet_stop
from dashboard.frame import Frame, Looking
from dashboard.pages.sections import PLACE, sections
from models.audit import Actor, audited
from models.queries.sources import sources
from models.stopped import resume, stopped
from tasks.edges import addresses_of
from tasks.rules import Rules, rules
from tasks.trying import Tried, try_out

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Way:
    """One receiver, without anything secret."""

    name: str
    kind: str
    where: str  # the host or folder; empty: the log
    to: Sequence[str]  # addresses of its own
    hears: Sequence[str]  # what of the file names it
    rate: str
    cap: int
    can_be_tried: bool


@router.get("/settings/receivers")
def receivers(frame: Looking) -> Response:
    """Every receiver and source of uptake.toml."""
    return _shown(frame, ())


@router.post("/settings/receivers")
def try_receiver(caller: Operator, frame: Looking, receiver: Annotated[str, Form(max_length=100)]) -> Response:
    """Send the receiver a test message; what waits for it goes out when it took it."""
    require_all(caller)
    found = chosen().receivers.get(receiver)
    if found is None:
        raise RefusedError(404, "There is no such receiver in uptake.toml.")
    # No transaction is open while the network waits.
    frame.let_go()
    answers = try_out(found)
    if answers and all(one.sent for one in answers):
        resume(frame.session, receiver)
    outcome = "sent" if answers and all(one.sent for one in answers) else "refused"
    actor = Actor(caller.name, caller.by_way_of)
    audited(frame.session, actor, "receiver.tested", f"receiver {receiver}", now=frame.now, outcome=outcome)
    frame.session.commit()
    return _shown(frame, answers, tried=receiver)


def _shown(frame: Frame, answers: Sequence[Tried], *, tried: str = "") -> Response:
    try:
        found: Rules | None = rules()
    except SettingsError:
        found = None
    caller = frame.caller
    tables = found.sources.values() if found else ()
    return frame.page(
        "receivers.html",
        title="Receivers and sources",
        place=PLACE,
        sections=sections(frame),
        ways=[_way(one, found) for one in found.receivers.values()] if found else None,
        stopped={one.name: discreet_stop(caller, one) for one in stopped(frame.session)},
        sources=[one for one in tables if caller.sees(one.name)],
        health={one.source: one for one in sources(frame.session)},
        every={one.name: found.poll_every(one.name) for one in tables} if found else {},
        host=_host,
        answers=answers,
        tried=tried,
        may_try=frame.may_act and caller.sees_all,
    )


def _way(table: Receiver, found: Rules) -> Way:
    to = [one for one in addresses_of(table) if one]
    return Way(
        table.name,
        table.kind,
        _where(table),
        to,
        _hears(table.name, found),
        f"{table.rate.most} in {table.rate.span.total_seconds():.0f} s" if table.rate else "",
        table.cap,
        bool(addresses_of(table)),
    )


def _where(table: Receiver) -> str:
    match table:
        case LogReceiver():
            return ""
        case FileReceiver():
            return str(table.folder)
        case EmailReceiver():
            return _host(table.url)
        case AppriseReceiver():
            # Of these even the place may be a secret.
            return table.url.get_secret_value().partition(":")[0]
    return _host(table.url if isinstance(table.url, str) else table.url.get_secret_value())


def _host(url: str) -> str:
    """The host of an address: what follows it may be a secret."""
    return urlsplit(url).hostname or ""


def _hears(name: str, found: Rules) -> list[str]:
    policy = found.file.policy
    reminds = [policy.reminders, *(one.reminders for one in policy.overrides)]
    told = {
        "alerts": name in found.policies.receivers,
        "reminders to tenants": name in reminds,
        "what others refuse": name == policy.fallback,
    }
    return [what for what, is_so in told.items() if is_so]
