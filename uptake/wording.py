"""What people read: the reminder to a tenant's admin, the notice to operators, the sentence that explains."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import floor

from uptake.letter import Block, Bullets, Parts, Value, clean, letter, links
from uptake.placeholders import KINDS as TEMPLATES_OF
from uptake.plea import CLICK_PATH, ITEMS_SHOWN, PERMISSION, SUBJECT_NAME_LIMIT, Ask, Reminder, reminder
from uptake.templates import NO_TEMPLATES, Templates
from uptake.words import ENGLISH

__all__ = [
    "CLICK_PATH",
    "PERMISSION",
    "Ask",
    "Digest",
    "Member",
    "Reminder",
    "Standing",
    "broken_template",
    "day",
    "digest",
    "explanation",
    "moment",
    "percent",
    "reminder",
    "roughly",
]

MEMBERS_SHOWN = 20
_MISTAKE_LIMIT = 1000

KINDS = {
    "tenant_lagging": "tenants have not accepted the permissions the app needs",
    "tenant_overgranted": "tenants still give permissions the app no longer needs",
    "rollout_behind_target": "the rollout is behind its target",
    "rollout_stalled": "the rollout has stalled",
    "version_regressed": "tenants went back to an older version",
    "tenant_disconnected_after_release": "tenants disconnected after a release",
    "approval_overdue": "the app's approval is overdue",
    "poll_failing": "the app cannot be polled",
    "data_stale": "what we know of the app is old",
}
SOURCE_FAILING = "its list of apps cannot be read"
NOTICES = {
    "first": "This is the first notice about it.",
    "new_alerts": "There are new alerts since the last notice.",
    "all_resolved": "All of it is over.",
    "escalated": "It has become more severe since the last notice.",
    "mute_ended": "It was acknowledged, snoozed, silenced or muted for a while, and goes on.",
    "new_resolved": "Some of it is over since the last notice.",
    "repeat": "Nothing has changed since the last notice; this is a repeat.",
    "acknowledged": "Somebody looks after all of it.",
}
EXPLANATIONS = {
    "app_deleted": "No alert: {app} was deleted.",
    "awaiting_approval": "No alert: {app} still waits for the portal's approval, so {tenant} can do nothing yet.",
    "not_connected": "No alert: {tenant} may use {app}, but has never connected it.",
    "disabled": "No alert: {tenant} has paused {app}; the clock runs on and counts when it is enabled again.",
    "disconnected": "No alert: {tenant} no longer has {app} connected.",
    "status_unknown": "No alert: the portal does not say whether {tenant} has {app} connected.",
    "not_judged": "No alert: what the portal says of {tenant} does not match the versions of {app} that we know.",
    "current": "No alert: {tenant} runs the latest version of {app}.",
    "equivalent": "No alert: {tenant} runs an older version of {app} that has the very same permissions.",
    "environment_not_watched": "No alert: the policy does not watch the {environment} environment.",
    "exempt": "No alert: {tenant} is exempt for a while.",
    "settling": "No alert yet: {app} has a brand-new version, and another may follow; it alerts {fires}.",
    "in_grace": "No alert yet: {tenant} has lagged {began} and has time; it alerts {fires}.",
    "firing": "Alert ({severity}): {tenant} has lagged {began}; open {fires}.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One alert of a digest."""

    tenant: str
    environment: str
    severity: str
    since: datetime
    detail: str = ""
    is_resolved: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Digest:
    """A group of alerts; *firing* and *resolved* count all of them, *members* may hold the first only."""

    reason: str
    app: str | None  # None: all of it is about the source
    source: str
    kind: str
    firing: int
    resolved: int
    members: tuple[Member, ...]
    quiet: int = 0  # open ones that are not told of, as somebody asked for
    link: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What a decision about one connection rests on, by the values of its enums."""

    reason: str
    app: str
    tenant: str
    environment: str
    since: datetime | None = None
    fires_at: datetime | None = None
    severity: str | None = None
    missing: tuple[str, ...] = ()


def digest(facts: Digest, templates: Templates = NO_TEMPLATES) -> Parts:
    """Tell operators about a group of alerts: why now, how many, the first of them, and where to look."""
    if facts.app is None and facts.kind == "poll_failing":
        title = SOURCE_FAILING
    else:
        title = KINDS.get(facts.kind, clean(facts.kind))
    app = facts.app or f"source {facts.source}"
    over = f"RESOLVED {facts.resolved}" if facts.quiet else "RESOLVED"
    state = f"FIRING {facts.firing}" if facts.firing else over
    shown = facts.members[:MEMBERS_SHOWN]
    hidden = max(0, facts.firing + facts.resolved - len(shown))
    quiet = f" Not told of, as they are acknowledged, snoozed, silenced or muted: {facts.quiet}." if facts.quiet else ""
    lines = {
        "subject": f"[{state}] {clean(app, SUBJECT_NAME_LIMIT)}: {title}",
        "language": ENGLISH.tag,
        "state": state,
        "app": clean(app),
        "source": clean(facts.source),
        "title": title,
        "open": str(facts.firing),
        "over": str(facts.resolved),
        "quiet": str(facts.quiet),
        "hidden": str(hidden),
        "link_url": (facts.link or "") if links("", facts.link) else "",
    }
    blocks: dict[str, Value] = {
        "headline": [f"{clean(app)}: {title}."],
        "reason": [NOTICES.get(facts.reason, clean(facts.reason))],
        "counts": [f"Open: {facts.firing}. Over: {facts.resolved}.{quiet}"],
        "members": [Bullets(tuple(_line(member) for member in shown))] if shown else [],
        "more": [f"And {hidden} more."] if hidden else [],
        "link": links("See all of them", facts.link),
    }
    return letter("digest", {**lines, **blocks}, templates)


def broken_template(name: str, mistakes: Sequence[str]) -> Parts:
    """Tell operators that a template cannot be used, why, and what is said instead; never by a template itself."""
    blocks: list[Block] = [
        f"The template {clean(name)} cannot be used: until it is mended, messages have the built-in words instead.",
        Bullets(tuple(clean(one, _MISTAKE_LIMIT) for one in mistakes)),
        "`uptake check` says what is still wrong; what is mended holds from the worker's next start on.",
    ]
    return note(f"[BROKEN] {clean(name, SUBJECT_NAME_LIMIT)}: messages have the built-in words", blocks)


def note(subject: str, blocks: Sequence[Block]) -> Parts:
    """A message to operators about Uptake itself, in the built-in words whatever templates there are."""
    empty: dict[str, Value] = dict.fromkeys(TEMPLATES_OF["digest"].of("html"), "")
    lines = {**empty, "subject": subject, "language": ENGLISH.tag, "headline": list(blocks)}
    return letter("digest", lines, NO_TEMPLATES)


def explanation(facts: Standing) -> str:
    """One sentence that says why there is an alert or none, and one more for what is missing."""
    template = EXPLANATIONS.get(facts.reason)
    if template is None:
        return f"{clean(facts.reason)}."
    sentence = template.format(
        app=clean(facts.app),
        tenant=clean(facts.tenant),
        environment=clean(facts.environment),
        severity=clean(facts.severity or "unknown"),
        began=f"since {moment(facts.since)}",
        fires=("since " if facts.reason == "firing" else "on ") + moment(facts.fires_at),
    )
    missing = ", ".join(clean(name) for name in facts.missing[:ITEMS_SHOWN])
    return f"{sentence} Missing: {missing}." if missing else sentence


def day(at: datetime) -> str:
    """A date without a riddle: 2 March 2026, in the zone it comes with."""
    return ENGLISH.day(at)


def moment(at: datetime | None) -> str:
    """A date and a time in UTC; an unknown one is said to be unknown."""
    if at is None:
        return "an unknown date"
    utc = at.astimezone(UTC)
    return f"{day(utc)}, {utc:%H:%M} UTC"


def _line(member: Member) -> str:
    state = "over" if member.is_resolved else clean(member.severity)
    detail = f": {clean(member.detail)}" if member.detail else ""
    return f"{clean(member.tenant)} ({clean(member.environment)}), {state}, since {moment(member.since)}{detail}"


def roughly(span: timedelta) -> str:
    """How long, in the largest unit that it fills once at least and rounded down: 3 d, 5 h, 40 min, 0 s."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def percent(share: float, *, digits: int = 0) -> str:
    """A share in words with so many *digits* behind the point, rounded down: 100 % means everybody."""
    size = 10**digits
    # 0.29 * 100 is a little less than 29.
    return f"{floor(share * 100 * size + 1e-9) / size:.{digits}f} %"
