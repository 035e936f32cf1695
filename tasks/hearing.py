"""`uptake check --routes APP TENANT`: who would hear of a tenant's lag, and by which rule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from models.queries.tenants import Story
from models.stopped import Stopped
from uptake.mutes import Muted
from uptake.policies import Policies, Who
from uptake.policy import AlertKind, Policy, severities
from uptake.reminding import addressee


@dataclass(frozen=True, slots=True)
class Unusable:
    """A receiver that refuses us for good, and who hears what it should of alerts; None: it waits."""

    receiver: str
    since: datetime
    reason: str
    instead: str | None


@dataclass(frozen=True, slots=True)
class Hearing:
    """Who would hear of what, of one tenant and app in one environment."""

    environment: str
    is_watched: bool
    policy: str  # which table of uptake.toml holds
    exemption: str | None
    exempt_until: datetime | None
    alerts: dict[str, dict[str, tuple[str, ...]]]  # by kind and severity
    reminders: str | None  # the receiver; None: it is not reminded
    contact: str | None  # whose turn it is
    muted: dict[str, Muted]  # by kind: nobody is told of it now
    unusable: list[Unusable]  # of those that it is for


def hearing(story: Story, policies: Policies, stopped: Sequence[Stopped] = (), *, now: datetime) -> Hearing:
    """What *policies* come to for the tenant of *story*, while the *stopped* receivers cannot be used."""
    policy, exemption = policies.of(story.who), policies.exemption(story.who, now)
    alerts = dict(_alerts(story.who, policy, policies))
    reminders = policy.reminders if policy.reminders and policy.remind_cap else None
    muted = {kind: policies.muted(story.who, AlertKind(kind), now) for kind in alerts}
    return Hearing(
        environment=story.environment,
        is_watched=story.environment in policy.environments,
        policy=policy.place,
        exemption=f"{exemption.place}: {exemption.reason}" if exemption else None,
        exempt_until=exemption.until if exemption else None,
        alerts=alerts,
        reminders=reminders,
        contact=addressee(story.contacts, story.reminders_sent, policy).contact.email if story.contacts else None,
        muted={kind: one for kind, one in muted.items() if one},
        unusable=list(_unusable(alerts, reminders, stopped, policies.base.fallback)),
    )


def _alerts(who: Who, policy: Policy, policies: Policies) -> Iterator[tuple[str, dict[str, tuple[str, ...]]]]:
    """The receivers of each kind that is about tenants, at each severity that it reaches."""
    for kind, reached in severities(policy).items():
        yield kind.value, {one.value: policies.heard_by(who, kind, one) for one in reached}


def _unusable(
    alerts: Mapping[str, Mapping[str, Sequence[str]]], reminders: str | None, stopped: Sequence[Stopped], fallback: str
) -> Iterator[Unusable]:
    told = {name for severities in alerts.values() for names in severities.values() for name in names}
    # Who hears instead matters as soon as somebody cannot.
    instead_of_any = {fallback} if any(one.name in told for one in stopped) else set()
    for one in stopped:
        if one.name in told | instead_of_any | {reminders}:
            instead = fallback if fallback and fallback != one.name and one.name in told else None
            yield Unusable(one.name, one.stopped_at, one.reason, instead)


def said(name: str, found: Hearing) -> Iterator[str]:
    """The same in words."""
    yield f"{name}, {found.environment}: {found.policy}."
    if not found.is_watched:
        yield "  Nobody is told: the environment is not watched."
        return
    if found.exemption:
        yield f"  Nobody is told until {found.exempt_until:%Y-%m-%d %H:%M} UTC: {found.exemption}."
        return
    for kind, receivers in found.alerts.items():
        told = "; ".join(f"{severity}: {', '.join(names) or 'nobody'}" for severity, names in receivers.items())
        yield f"  {kind}: {told}."
    yield from (f"  {line}" for line in in_the_way(found))
    if found.reminders is None:
        yield "  It is not reminded."
    else:
        whom = found.contact or "nobody: no contact can be written to, `uptake contacts import FILE` tells them"
        yield f"  Reminders: by {found.reminders} to {whom}."


def in_the_way(found: Hearing) -> Iterator[str]:
    """Why somebody who should hear of it does not hear now."""
    for by, until in dict.fromkeys((one.by, one.until) for one in found.muted.values()):
        kinds = ", ".join(kind for kind, one in found.muted.items() if one.by == by)
        yield f"Nobody is told of {kinds} before {until:%Y-%m-%d %H:%M} UTC: [[mute]] {by}."
    for one in found.unusable:
        waits = ["reminders wait"] if one.receiver == found.reminders else []
        if one.receiver != found.reminders or any(
            one.receiver in names for told in found.alerts.values() for names in told.values()
        ):
            waits.append(f"{one.instead} hears of alerts instead" if one.instead else "messages about alerts wait")
        yield (
            f"{one.receiver} cannot be used since {one.since:%Y-%m-%d %H:%M} UTC: {one.reason};"
            f" {' and '.join(waits)} until it can."
        )
