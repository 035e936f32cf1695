"""The rules: the policy as this process goes by it, what differs for whom, and who is told of what."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter
from fastapi.responses import Response

from config.file_complaints import Place
from config.mutes import DAYS
from config.policy_tables import AppTable, ExemptionTable
from config.settings import SettingsError, settings
from dashboard.access import Caller
from dashboard.frame import Frame, Looking
from dashboard.pages.sections import PLACE, sections
from dashboard.rules_told import Choice, FileNow, choices, file_now, whom
from tasks.rules import Rules, rules
from uptake.mutes import Mute, muted_until
from uptake.wildcards import fits

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Part:
    """One table of several: whom it is for, what it says, and on which line it begins."""

    line: int | None
    whom: str
    says: Sequence[Choice] = ()
    table: object = None
    until: datetime | None = None  # a mute that holds now, until then


@router.get("/settings")
def rules_as_read(frame: Looking) -> Response:
    """Everything that uptake.toml says of lag, alerts and reminders, as it holds."""
    try:
        found = rules()
    except SettingsError as error:
        wrong = str(error) if frame.caller.sees_all else "`uptake check` says why."
        return frame.page(
            "settings.html", title="Settings", place=PLACE, sections=sections(frame), file=None, bad=wrong
        )
    now = file_now(settings().config, found.file)
    return frame.page(
        "settings.html",
        title="Settings",
        place=PLACE,
        sections=sections(frame),
        file=now,
        path=settings().config,
        groups=_groups(found, now),
        overrides=_overrides(frame.caller, found, now),
        routes=_parts(frame.caller, found.file.routes, now, "route"),
        exemptions=_parts(frame.caller, found.file.exemptions, now, "exemption"),
        features=_parts(frame.caller, found.file.features, now, "feature"),
        mutes=_mutes(frame, found, now),
        templates=found.templates,
        folder=found.file.templates.folder if found.file.templates else None,
        days=DAYS,
    )


def _groups(found: Rules, now: FileNow) -> list[tuple[str, str, list[Choice]]]:
    """The tables that are there once, with what belongs together beside each other."""
    policy = choices(found.file.policy, now.lines, ("policy",))
    reminding = [one for one in policy if one.key.startswith(("remind", "deadline", "working"))]
    telling = [one for one in policy if one.key.startswith(("receivers", "fallback", "group", "repeat"))]
    return [
        ("lag", "When a lag is an alert", [one for one in policy if one not in reminding and one not in telling]),
        ("reminding", "How tenants are reminded", reminding),
        ("telling", "Who hears of alerts", telling),
        ("polling", "How often portals are read", choices(found.file.polling, now.lines, ("polling",))),
        ("retention", "How long it is kept", choices(found.file.retention, now.lines, ("retention",))),
    ]


def _overrides(caller: Caller, found: Rules, now: FileNow) -> list[Part]:
    return [
        Part(now.lines.get(here), whom(table), choices(table, now.lines, here, only_written=True))
        for index, table in enumerate(found.file.policy.overrides)
        if _sees(caller, table)
        for here in (_place("policy", "override", index),)
    ]


def _parts(caller: Caller, tables: Sequence[AppTable], now: FileNow, name: str) -> list[Part]:
    return [
        Part(now.lines.get(_place(name, index)), whom(table), table=table)
        for index, table in enumerate(tables)
        if _sees(caller, table)
    ]


def _mutes(frame: Frame, found: Rules, now: FileNow) -> list[Part]:
    return [
        Part(now.lines.get(_place("mute", index)), _matched(mute), table=mute, until=muted_until(mute, frame.now))
        for index, mute in enumerate(found.policies.mutes)
        if _sees_mute(frame.caller, mute)
    ]


def _place(*parts: str | int) -> Place:
    return parts


def _sees(caller: Caller, table: AppTable) -> bool:
    """Whether it may be about what the caller sees; what is for any source is everybody's, but not whom it names."""
    source, _ = table.named_app
    names_tenants = isinstance(table, ExemptionTable) and source is None
    return caller.sees_all or (source is None and not names_tenants) or caller.sees(source)


def _sees_mute(caller: Caller, mute: Mute) -> bool:
    if caller.sources is None:
        return True
    is_about = any(fits(mute.source, one) and fits(mute.app.partition(":")[0], one) for one in sorted(caller.sources))
    return is_about and mute.tenant == "*"


def _matched(mute: Mute) -> str:
    patterns = [(name, getattr(mute, name)) for name in ("source", "app", "tenant", "environment", "kind")]
    named = [f"{name} {pattern}" for name, pattern in patterns if pattern != "*"]
    return ", ".join([*named, *(f"{key}={value}" for key, value in mute.labels)]) or "any"
