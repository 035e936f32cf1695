"""What one alert is about, in a few words for a line of a message."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from uptake.letter import Parts, clean
from uptake.policy import AlertKind
from uptake.wording import day, moment, note

_NAMED = 5  # scopes


def about(kind: str, data: Mapping[str, Any], reason: str) -> str:
    """What the numbers and names kept with an open alert say; its *reason* where there are none."""
    said = {
        AlertKind.ROLLOUT_BEHIND_TARGET: _behind,
        AlertKind.ROLLOUT_STALLED: _stalled,
        AlertKind.VERSION_REGRESSED: _went_back,
        AlertKind.TENANT_DISCONNECTED_AFTER_RELEASE: _left,
    }.get(AlertKind(kind))
    if said is not None and data:
        return said(data)
    if missing := data.get("missing"):
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        return f"lacks {', '.join(missing[:_NAMED])}{more}"
    return str(data.get("error") or reason.replace("_", " "))


def capped(receiver: str, most: int, waiting: int, until: datetime) -> Parts:
    """Tell operators that there is more to tell than they want to hear in an hour, and where to see it."""
    groups = "1 group of alerts waits" if waiting == 1 else f"{waiting} groups of alerts wait"
    enough = f"{clean(receiver)} has had the {most} messages about alerts that it may get in an hour."
    later = f"{groups}; they are told one by one from {moment(until)} on. Nothing is lost."
    where = "All that fires is shown by `uptake alerts` and on the dashboard."
    choice = "How many messages an hour it may be is said by `cap` of the receiver in uptake.toml."
    return note(f"[CAPPED] {clean(receiver)} has heard enough for an hour", [f"{enough} {later}", f"{where} {choice}"])


def stopped(receiver: str, reason: str) -> Parts:
    """Tell operators that nothing can be sent by a receiver any more, why, and what to do."""
    return note(
        f"[STOPPED] nothing can be sent by {clean(receiver)}",
        [
            f"{clean(receiver)} refused us for good: {clean(reason)}.",
            "What operators should hear goes to the fallback of [policy]; reminders wait. It is tried every hour.",
            "Mend it, then `uptake check --test NAME`, or restart the worker. `uptake doctor` says how much waits.",
        ],
    )


def _behind(data: Mapping[str, Any]) -> str:
    connected, late = data["connected"], data["late"]
    reached = 100 * (connected - late) // connected
    by = timedelta(seconds=data["by_seconds"]).days
    return (
        f"{reached} % of {connected} tenants accepted in time, {100 * data['share']:g} % were to within {by} days;"
        f" {late} {'is' if late == 1 else 'are'} late"
    )


def _stalled(data: Mapping[str, Any]) -> str:
    return f"{data['blocking']} of {data['connected']} tenants have not accepted, and nobody has of late"


def _went_back(data: Mapping[str, Any]) -> str:
    return f"went back from version {data['from_version']} to {data['version']}"


def _left(data: Mapping[str, Any]) -> str:
    return f"disconnected soon after the release of {day(datetime.fromisoformat(data['released_at']))}"
