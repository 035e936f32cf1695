"""What people read: the reminder to a tenant's admin, the notice to operators, the sentence that explains."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from uptake.letter import Block, Bullets, Parts, clean, letter, links

SUBJECT_NAME_LIMIT = 60
WHY_LIMIT = 2000
MEMBERS_SHOWN = 20
ITEMS_SHOWN = 50
CLICK_PATH = "Settings > Integrations > API Application Access > Upgrade to New Version > Allow"
PERMISSION = "Manage API Application Access"

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
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
    "mute_ended": "It was acknowledged, snoozed or silenced for a while, and goes on.",
    "new_resolved": "Some of it is over since the last notice.",
    "repeat": "Nothing has changed since the last notice; this is a repeat.",
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
class Ask:
    """What one app asks of one tenant; *step* counts from 1, grants are in words, times in the tenant's zone."""

    app: str
    organization: str
    tenant: str
    environment: str
    from_version: int | None
    to_version: int
    missing: tuple[str, ...]
    blocked_since: datetime
    days: int
    superfluous: tuple[str, ...] = ()
    step: int = 1
    features: tuple[str, ...] = ()  # that do not work without what is missing
    why: str = ""
    deadline: datetime | None = None  # when older versions stop to be served
    accept_url: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reminder:
    """What one person has to know, about one ask or several."""

    asks: tuple[Ask, ...]
    language: str | None = None  # a locale such as de-AT
    is_escalated: bool = False  # somebody else there was asked before
    click_path: str = CLICK_PATH
    permission: str = PERMISSION
    opt_out_url: str | None = None


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


def reminder(facts: Reminder) -> Parts:
    """Ask a tenant's admin to accept the latest version: what is blocked, since when, how, and who may do it."""
    first, others = facts.asks[0], len({ask.app for ask in facts.asks}) - 1
    app, step = clean(first.app, SUBJECT_NAME_LIMIT), min(ask.step for ask in facts.asks)
    opening = "" if step <= 1 else f"Reminder {step}: "
    whom = _series({clean(ask.tenant, SUBJECT_NAME_LIMIT) for ask in facts.asks})
    if others:
        wish = "still need" if step > 1 else "need"
        return letter(f"{opening}{app} and {_count(others, 'more app')} {wish} your approval for {whom}", _plea(facts))
    wish = "still needs" if step > 1 else "needs"
    return letter(f"{opening}{app} {wish} your approval for {whom}", _plea(facts))


def digest(facts: Digest) -> Parts:
    """Tell operators about a group of alerts: why now, how many, the first of them, and where to look."""
    if facts.app is None and facts.kind == "poll_failing":
        title = SOURCE_FAILING
    else:
        title = KINDS.get(facts.kind, clean(facts.kind))
    app = facts.app or f"source {facts.source}"
    over = f"RESOLVED {facts.resolved}" if facts.quiet else "RESOLVED"
    state = f"FIRING {facts.firing}" if facts.firing else over
    reason = NOTICES.get(facts.reason, clean(facts.reason))
    shown = facts.members[:MEMBERS_SHOWN]
    hidden = facts.firing + facts.resolved - len(shown)
    blocks: list[Block] = [
        f"{clean(app)}: {title}.",
        reason,
        f"Open: {facts.firing}. Over: {facts.resolved}."
        + (f" Not told of, as they are acknowledged, snoozed or silenced: {facts.quiet}." if facts.quiet else ""),
        Bullets(tuple(_line(member) for member in shown)),
    ]
    blocks += [f"And {hidden} more."] if hidden > 0 else []
    blocks += links("See all of them", facts.link)
    return letter(f"[{state}] {clean(app, SUBJECT_NAME_LIMIT)}: {title}", blocks)


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
    return f"{at.day} {MONTHS[at.month - 1]} {at.year}"


def moment(at: datetime | None) -> str:
    """A date and a time in UTC; an unknown one is said to be unknown."""
    if at is None:
        return "an unknown date"
    utc = at.astimezone(UTC)
    return f"{day(utc)}, {utc:%H:%M} UTC"


def _plea(facts: Reminder) -> list[Block]:
    organizations = _series({clean(ask.organization) for ask in facts.asks})
    tenants = _series({clean(ask.tenant) for ask in facts.asks})
    one = len(facts.asks) == 1
    what = "the new version" if one else "the new versions"
    blocks: list[Block] = ["Hello,"]
    blocks += ["Others there were asked before, without an answer; so we turn to you."] if facts.is_escalated else []
    for ask in facts.asks:
        blocks += _asked(ask)
    blocks += [
        f"To accept {what}, sign in and go to: {clean(facts.click_path)}.",
        *(block for url in dict.fromkeys(ask.accept_url for ask in facts.asks) for block in links("Go there now", url)),
        "It takes about a minute. Nothing has to be installed, and the keys in use stay as they are.",
        (
            f"It can be done by anybody who has the permission “{clean(facts.permission)}”."
            " If that is not you, please pass this message on to somebody who has it."
        ),
        (
            f"You receive this message because {organizations} has you as a contact for {tenants}."
            f" The reminders stop by themselves as soon as {what} {'is' if one else 'are'} accepted."
        ),
        *links("No more reminders, please", facts.opt_out_url),
    ]
    return blocks


def _asked(ask: Ask) -> list[Block]:
    """Who released what, and what it means for the tenant that it has not accepted yet."""
    app, tenant = clean(ask.app), clean(ask.tenant)
    now_at = "has not accepted it yet" if ask.from_version is None else f"still runs version {ask.from_version}"
    where = "" if ask.environment == "production" else f" (in the {clean(ask.environment)} environment)"
    blocks: list[Block] = [
        f"{clean(ask.organization)} has released version {ask.to_version} of {app}. {tenant} {now_at}{where}."
    ]
    if ask.features:
        blocks += ["Until it is accepted, these do not work:", _bullets(ask.features)]
    if ask.missing:
        span = "today" if ask.days < 1 else f"{day(ask.blocked_since)} ({_count(ask.days, 'day')})"
        blocks += [f"Since {span}, {app} lacks these permissions and cannot do what needs them:"]
        blocks += [_bullets(ask.missing)]
    else:
        blocks += [f"{app} works as before: the new version asks for no new permissions."]
    if ask.why.strip():
        blocks += [f"Why it asks for them: {clean(ask.why, WHY_LIMIT)}"]
    if ask.superfluous:
        blocks += ["The new version gives up these permissions, which it no longer needs:"]
        blocks += [_bullets(ask.superfluous)]
    if ask.deadline is not None:
        blocks += [f"Versions before {ask.to_version} are served until {day(ask.deadline)}."]
    return blocks


def _series(names: Iterable[str]) -> str:
    """One, two and three."""
    *others, last = sorted(names)
    return f"{', '.join(others)} and {last}" if others else last


def _line(member: Member) -> str:
    state = "over" if member.is_resolved else clean(member.severity)
    detail = f": {clean(member.detail)}" if member.detail else ""
    return f"{clean(member.tenant)} ({clean(member.environment)}), {state}, since {moment(member.since)}{detail}"


def _bullets(items: Iterable[str]) -> Bullets:
    names = [clean(item) for item in items]
    hidden = len(names) - ITEMS_SHOWN
    return Bullets((*names[:ITEMS_SHOWN], *([f"and {hidden} more"] if hidden > 0 else [])))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
