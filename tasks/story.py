"""`uptake explain` and the page of a tenant: the whole story of one tenant and one app, in words."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from models.queries.tenant_apps import TimelineRow
from models.queries.tenants import SentNotice, Story, TimelineEntry
from tasks.hearing import Hearing, in_the_way
from uptake.cadence import next_open
from uptake.facts import Status
from uptake.features import Blocked, Feature, blocked
from uptake.lag import LagClass, bounded, judge
from uptake.letter import clean
from uptake.policies import Exemption, Policies
from uptake.policy import KIND_OF, AlertKind, Explanation, Policy, Reason, explain
from uptake.reminding import addressee
from uptake.versions import History
from uptake.wording import Standing, explanation, moment


def told(  # noqa: PLR0913 - all that it is told of
    story: Story,
    notices: Sequence[SentNotice],
    history: History,
    policies: Policies,
    features: Sequence[Feature] = (),
    heard: Hearing | None = None,
    *,
    now: datetime,
    names_people: bool = True,
) -> Iterator[str]:
    """Versions, what is missing, since when, by which rule, what was sent, and what comes next and when."""
    who = f"{story.tenant_name or story.tenant} ({story.tenant})"
    yield f"{who} and {story.app_name} ({story.app}), {story.environment}:"
    policy = policies.of(story.who)
    yield from _versions(story)
    yield from _lag(story, now=now)
    yield from _blocked(story, features)
    yield from _alert(story, history, policy, policies.exemption(story.who, now), now=now)
    if heard and heard.is_watched and not heard.exemption:
        yield from in_the_way(heard)
    yield from _reminders(story, notices, policy, names_people=names_people)
    yield f"All this as of {_at(story.last_complete_poll_at)}, the last complete poll."


def _versions(story: Story) -> Iterator[str]:
    if story.app_deleted_at:
        yield f"The app was deleted on {_at(story.app_deleted_at)}."
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
        # What came with a later version has not been missing for as long.
        first = ", the first of them" if len(story.missing) > 1 else ""
        missing = ", ".join(story.missing)
        yield f"It lacks {missing}{first} since {_at(story.since)} ({age} days): calls that need them fail."
    else:
        yield f"It lacks nothing, and still grants {', '.join(story.superfluous)}, which the app gave up."


def blocked_by(story: Story, features: Sequence[Feature]) -> Blocked:
    """What the tenant cannot do, in the words of uptake.toml."""
    missing = story.missing if story.lag == LagClass.BLOCKING else ()
    return blocked(features, source=story.who.source, app=story.who.app, missing=missing)


def _blocked(story: Story, features: Sequence[Feature]) -> Iterator[str]:
    if names := blocked_by(story, features).names:
        yield f"Blocked until then: {', '.join(map(clean, names))}."


def _alert(
    story: Story, history: History, policy: Policy, exemption: Exemption | None, *, now: datetime
) -> Iterator[str]:
    """Why there is an alert or none, decided anew by the rule that raises them."""
    grants = None if story.grants is None else frozenset(story.grants)
    verdict = judge(history, version=story.version, grants=grants)
    decided = explain(
        policy,
        history,
        bounded(verdict, story.epoch_started_at) if verdict else None,
        status=Status(story.status),
        environment=story.environment,
        now=now,
        app_deleted=story.app_deleted_at is not None,
        exempt=exemption is not None,
        has_fired=story.alert_state == "firing",
    )
    yield explanation(
        Standing(
            reason=decided.reason,
            app=story.app_name,
            tenant=story.tenant_name or story.tenant,
            environment=story.environment,
            since=decided.since,
            fires_at=story.fired_at if story.alert_state == "firing" else decided.fires_at,
            severity=story.severity if story.alert_state == "firing" else decided.severity,
        )
    )
    if exemption and decided.reason is Reason.EXEMPT:
        yield f"The rule: {exemption.place}, until {_at(exemption.until)}: {exemption.reason}"
    else:
        yield from _rule(policy, decided)
    if story.alert_state == "firing":
        return
    if story.alert_state == "resolved":
        yield f"The last alert ended because: {(story.alert_reason or '').replace('_', ' ')}."


def _rule(policy: Policy, decided: Explanation) -> Iterator[str]:
    """The rule by which, in the words of uptake.toml."""
    lag = next((lag for lag, kind in KIND_OF.items() if kind and kind is decided.kind), None)
    grace = policy.grace(lag) if lag else None
    if lag is None or grace is None:
        return
    if decided.reason is Reason.ENVIRONMENT_NOT_WATCHED:
        yield f"The rule: [policy] environments = {', '.join(policy.environments)}."
        return
    # Nobody is woken for a tenant that grants too much.
    rungs = policy.severity[:1] if lag is LagClass.TRIMMING else policy.severity
    ladder = ", ".join(f"{name} after {_days(grace + past)}" for name, past in rungs)
    yield f"The rule: {policy.place} grace.{lag} = {_days(grace)}, so {ladder} of lag; settle = {_days(policy.settle)}."


def rule_of(kind: AlertKind, policy: Policy) -> str | None:
    """By which rule an app has alerts of a *kind* that is about no tenant, in the words of uptake.toml; None: none."""
    if kind is AlertKind.ROLLOUT_BEHIND_TARGET:
        aims = ", ".join(f"{100 * one.share:g} % within {_days(one.by)}" for one in policy.targets)
        return f"The rule: {policy.place} targets = {aims} of a release; min_audience = {policy.min_audience}."
    if kind is AlertKind.ROLLOUT_STALLED:
        return f"The rule: {policy.place} stalled_after = {_days(policy.stalled_after)} without anybody accepting."
    return None


def _days(span: timedelta) -> str:
    if span >= timedelta(days=2):
        return f"{span.days} days"
    hours = span.total_seconds() / 3600
    return f"{hours:g} hours" if hours >= 2 else f"{hours * 60:g} minute{'' if hours * 60 == 1 else 's'}"


def _reminders(story: Story, notices: Sequence[SentNotice], policy: Policy, *, names_people: bool) -> Iterator[str]:
    for notice in notices:
        yield _reminded(notice)
    if story.stop_reason:
        yield f"Reminders have stopped: {story.stop_reason.replace('_', ' ')}."
    elif story.next_reminder_at:
        held = f" Held back: {story.held_reason.replace('_', ' ')}." if story.held_reason else ""
        to = "nobody: no contact can be written to, `uptake contacts import FILE` tells them"
        if story.contacts and not names_people:
            to = "one of its contacts"
        elif story.contacts:
            to = addressee(story.contacts, story.reminders_sent, policy).contact.email
        # When it is due; it goes out when the tenant's people are at work.
        goes_out = next_open(story.next_reminder_at, story.time_zone, policy.working_hours)
        yield f"Next reminder: {_at(goes_out)}, to {to}.{held}"
    elif not notices and not story.reminders_sent:
        yield "No reminder was sent, and none is planned."


def _reminded(notice: SentNotice) -> str:
    """One message and what became of it, as of when that was; a queued one as of when it was written."""
    state = notice.state + (f": {_plain(notice.settle_reason)}" if notice.settle_reason else "")
    which = f"reminder {notice.number}" if notice.number > 0 else "a reminder once more"
    # One that was cancelled as the tenant upgraded may have been so for the sake of another app.
    about = f", about {notice.apps} apps" if notice.apps > 1 else ""
    return f"{_at(notice.settled_at or notice.created_at)}: {which} to {notice.to}{about} ({state})."


def _at(instant: datetime | None) -> str:
    return moment(instant) if instant else "never"


def happened(entry: TimelineEntry | TimelineRow, *, kind: Callable[[str], str] | None = None) -> str:
    """One event of a tenant's history in words, without what its type says already; *kind* names alerts."""
    data = entry.data
    said = {
        "tenant.upgraded": f"version {data.get('from_version')} to {data.get('to_version')}, {_bounds(data)}",
        "tenant.connected": f"at version {data.get('to_version')}, {_bounds(data)}",
        "version.regressed": f"version {data.get('from_version')} to {data.get('to_version')}, {_bounds(data)}",
        "reminder.opened": f"for version {data.get('target_version')}",
        "reminder.stopped": _plain(data.get("reason")),
    }
    if entry.type in said:
        return said[entry.type]
    if entry.type.startswith("alert."):
        severity = f"{data['severity']}: " if data.get("severity") else ""
        return f"{severity}{(kind or _plain)(data.get('kind', ''))}{_why(data)}"
    return _bounds(data) if entry.type.startswith("tenant.") else ""


def _why(data: dict[str, Any]) -> str:
    """By what rule, or by whom, until when and why."""
    if not data.get("by"):
        return f", {_plain(data['reason'])}" if data.get("reason") else ""
    until = f" until {_at(datetime.fromisoformat(data['until']))}" if data.get("until") else ""
    return f", by {clean(data['by'])}{until}" + (f": {clean(data['comment'])}" if data.get("comment") else "")


def _bounds(data: dict[str, Any]) -> str:
    """When it happened, as exactly as is known, and who did it."""
    if data.get("first_observation"):
        return "as first seen"
    if data.get("accepted_at"):
        by = f" by {data['accepted_by']}" if data.get("accepted_by") else ""
        return f"accepted {_at(datetime.fromisoformat(data['accepted_at']))}{by}"
    return f"after {_at(datetime.fromisoformat(data['not_before']))}" if data.get("not_before") else ""


def _plain(word: object) -> str:
    return str(word or "").replace("_", " ")
