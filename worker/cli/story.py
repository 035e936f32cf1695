"""`uptake explain`: the whole story of one tenant and one app, in words."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from models.queries.tenants import SentNotice, Story
from uptake.lag import LagClass
from uptake.policy import KIND_OF, Policy, fires_at


def told(story: Story, notices: list[SentNotice], policy: Policy, *, now: datetime) -> Iterator[str]:
    """Versions, what is missing, since when, by which rule, what was sent, and what comes next and when."""
    who = f"{story.tenant_name or story.tenant} ({story.tenant})"
    yield f"{who} and {story.app_name} ({story.app}), {story.environment}:"
    yield from _versions(story)
    yield from _lag(story, now=now)
    yield from _alert(story, policy)
    yield from _reminders(story, notices)
    yield f"All this as of {_at(story.last_complete_poll_at)}, the last complete poll."


def _versions(story: Story) -> Iterator[str]:
    if story.app_deleted_at:
        yield f"The app was deleted on {_at(story.app_deleted_at)}: nothing is watched or sent any more."
    if story.status not in {"connected", "disabled"}:
        yield f"Status: {story.status.replace('_', ' ')}. It runs no version, so it cannot lag."
        return
    yield f"It runs version {story.version}; the latest is version {story.latest_version}. Status: {story.status}."
    if story.accepted_at:
        yield f"Version {story.version} was accepted on {_at(story.accepted_at)}, as the portal says."
    elif story.version_not_after:
        since = f"after {_at(story.version_not_before)} and " if story.version_not_before else ""
        yield f"Version {story.version} was accepted {since}not later than {_at(story.version_not_after)}."


def _lag(story: Story, *, now: datetime) -> Iterator[str]:
    if story.lag is None or story.lag == "unknown":
        if story.status in {"connected", "disabled"}:
            yield "It cannot be judged yet: its version or scopes are not known. The next poll will tell."
        return
    if story.lag == LagClass.CURRENT:
        yield "It has every scope of the latest version: nothing is missing."
    elif story.lag == LagClass.EQUIVALENT:
        yield "Its version is older but has the same scopes as the latest: there is nothing to accept."
    elif story.lag == LagClass.BLOCKING:
        age = (now - story.since).days if story.since else 0
        yield f"It lacks {', '.join(story.missing)} since {_at(story.since)} ({age} days): calls that need them fail."
    else:
        yield f"It lacks nothing, and still grants {', '.join(story.superfluous)}, which the app gave up."


def _alert(story: Story, policy: Policy) -> Iterator[str]:
    lag = LagClass(story.lag) if story.lag in set(LagClass) else None
    kind = KIND_OF.get(lag) if lag else None
    if story.alert_state == "firing":
        yield f"An alert ({kind}) is open since {_at(story.fired_at)}, severity {story.severity}: the grace is over."
        yield from _rule(policy, lag)
    elif story.alert_state == "pending" and lag and story.since:
        grace = policy.grace(lag)
        opens = _at(fires_at(policy, lag, story.since))
        yield f"No alert yet: the policy gives {grace.days if grace else 0} days of grace; it fires on {opens}."
        yield from _rule(policy, lag)
    elif story.alert_state == "resolved":
        yield f"No alert is open; the last one ended because: {(story.alert_reason or '').replace('_', ' ')}."
    elif kind and story.environment not in policy.environments:
        yield f"No alert: the policy watches {', '.join(policy.environments)} only."
    elif kind and story.approval == "pending":
        yield "No alert: the app awaits the platform's approval, so no tenant can act."
    elif kind:
        yield "No alert yet: the newest version is still in its settle window."
    else:
        yield "No alert: there is nothing to alert about."


def _rule(policy: Policy, lag: LagClass | None) -> Iterator[str]:
    """The rule by which, in the words of uptake.toml."""
    grace = policy.grace(lag) if lag else None
    if lag is None or grace is None:
        return
    rungs = ", ".join(f"{name} after {_days(grace + past)}" for name, past in policy.severity)
    # Nobody is woken for a tenant that grants too much.
    ladder = f"info after {_days(grace)}" if lag is LagClass.TRIMMING else rungs
    yield f"The rule: [policy] grace.{lag} = {_days(grace)}, so {ladder} of lag."


def _days(span: timedelta) -> str:
    return f"{span.days} days" if span >= timedelta(days=2) else f"{span.total_seconds() / 3600:g} hours"


def _reminders(story: Story, notices: list[SentNotice]) -> Iterator[str]:
    for notice in notices:
        state = notice.state if not notice.settle_reason else f"{notice.state}: {notice.settle_reason}"
        yield f"{_at(notice.created_at)}: {notice.reason} reminder to {notice.to} ({state})."
    if story.stop_reason:
        yield f"Reminders have stopped: {story.stop_reason.replace('_', ' ')}."
    elif story.next_reminder_at:
        held = f" Held back: {story.held_reason.replace('_', ' ')}." if story.held_reason else ""
        to = story.contact or "nobody: no contact is known, import one"
        yield f"Next reminder: {_at(story.next_reminder_at)}, to {to}.{held}"
    elif not notices:
        yield "No reminder was sent, and none is planned."


def _at(instant: datetime | None) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if instant else "never"
