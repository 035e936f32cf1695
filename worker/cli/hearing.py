"""`uptake check --routes APP TENANT`: who would hear of a tenant's lag, and by which rule."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from models.queries.tenants import Story
from uptake.policies import Policies, Who
from uptake.policy import Policy, severities
from uptake.reminding import addressee


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


def hearing(story: Story, policies: Policies, *, now: datetime) -> Hearing:
    """What *policies* come to for the tenant of *story*."""
    policy, exemption = policies.of(story.who), policies.exemption(story.who, now)
    return Hearing(
        environment=story.environment,
        is_watched=story.environment in policy.environments,
        policy=policy.place,
        exemption=f"{exemption.place}: {exemption.reason}" if exemption else None,
        exempt_until=exemption.until if exemption else None,
        alerts=dict(_alerts(story.who, policy, policies)),
        reminders=policy.reminders if policy.reminders and policy.remind_cap else None,
        contact=addressee(story.contacts, story.reminders_sent, policy).contact.email if story.contacts else None,
    )


def _alerts(who: Who, policy: Policy, policies: Policies) -> Iterator[tuple[str, dict[str, tuple[str, ...]]]]:
    """The receivers of each kind that is about tenants, at each severity that it reaches."""
    for kind, reached in severities(policy).items():
        yield kind.value, {one.value: policies.heard_by(who, kind, one) for one in reached}


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
    if found.reminders is None:
        yield "  It is not reminded."
    else:
        whom = found.contact or "nobody: no contact can be written to, `uptake contacts import FILE` tells them"
        yield f"  Reminders: by {found.reminders} to {whom}."
