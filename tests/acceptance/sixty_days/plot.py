"""What happens at the portal, as a function of the time: asked twice, it is the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from models.contacts import Person
from uptake.facts import SeenApp, SeenConnection, SeenVersion, Status

START = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
STEP, DAYS = timedelta(hours=3), 60
A, B, C = "tn.crm.customers:r", "tn.jpm.jobs:r", "tn.jpm.jobs:w"
P, Q = "tn.acc.invoices:r", "tn.acc.invoices:w"
DISPATCH, PAY = "4711", "4712"
ZONES = (None, "America/Chicago", "Europe/Berlin", "Asia/Tokyo")
AGENCY = range(10, 13)  # three tenants whose contact is one consultant
GOLD = range(19, 23)
TENANTS = range(1, 41)
STRANGE = "=cmd|' /C calc'!A0<script>alert(1)</script>"  # what tenant 9 calls itself

RULES = """
[policy]
settle = "60m"
grace = {{ blocking = "7d", trimming = "30d" }}
severity = {{ info = "0d", warning = "7d", critical = "14d" }}
targets = [{{ share = 0.9, by = "21d" }}]
receivers = ["ops", "hook"]
reminders = "tenants"
group_interval = "3h"
repeat_interval = "14d"
remind_pace = 0

[[policy.override]]
labels = {{ tier = "gold" }}
grace = {{ blocking = "3d" }}
remind_days = [0, 1, 3]

[[exemption]]
tenant = "38"
until = 2026-02-10
reason = "migrates to the new plan in February"

[[route]]
labels = {{ tier = "gold" }}
kinds = ["tenant_lagging"]
receivers = ["hook"]

[[receiver]]
name = "ops"
kind = "email"
url = "{smtp}"
from = "Uptake <uptake@acme.example>"
to = ["ops@acme.example"]

[[receiver]]
name = "tenants"
kind = "email"
url = "{smtp}"
from = "Acme Apps <apps@acme.example>"

[[receiver]]
name = "hook"
kind = "webhook"
url = "{http}/hook"
secret = "file:hook_secret"
"""


def day(number: float, hour: float = 0) -> datetime:
    """The moment so many days after the start."""
    return START + timedelta(days=number, hours=hour)


# When each version of each app was released.
RELEASES = {
    DISPATCH: ((day(-30), (A,)), (day(1, 10), (A, B)), (day(28, 10), (A, B, C))),
    PAY: ((day(-30), (P,)), (day(7, 10), (P, Q))),
}
# While it is down, the portal says nothing.
DOWN = (day(16), day(17, 18))


def accepts(tenant: int) -> tuple[datetime | None, datetime | None]:
    """When a tenant accepts version 2 and version 3 of Dispatch; None: never."""
    if tenant in range(1, 21):
        return day(2 + tenant / 2), day(29 + tenant / 2)
    if tenant in range(21, 31):
        return day(14 + (tenant - 20) * 1.2), day(40 + tenant - 20)
    if tenant in range(31, 37):
        # Straight to what is newest by then.
        return day(30 + (tenant - 30) * 3), day(30 + (tenant - 30) * 3)
    return None, None


def versions(app: str, now: datetime) -> list[SeenVersion]:
    """The versions of the app that have been released by *now*."""
    return [
        SeenVersion(number, frozenset(grants), at, "j.doe")
        for number, (at, grants) in enumerate(RELEASES[app], 1)
        if at <= now
    ]


def listed(app: str, now: datetime) -> dict[tuple[str, str], SeenConnection]:
    """The connections that the portal lists *now*."""
    whose = TENANTS if app == DISPATCH else range(10, 14)
    stands = {tenant: (_dispatch if app == DISPATCH else _pay)(tenant, now) for tenant in whose}
    return {
        (f"{tenant:02}", "production"): _connection(app, tenant, *stand)
        for tenant, stand in stands.items()
        if stand is not None
    }


def _dispatch(tenant: int, now: datetime) -> tuple[int, Status] | None:
    """The version and status of a tenant of Dispatch; None: it is not listed."""
    if tenant == 37 and now >= day(20):
        # Left, and came back four days later: with what is newest then.
        return None if now < day(24) else (2, Status.CONNECTED)
    if tenant == 33 and day(50) <= now < day(52):
        return 2, Status.CONNECTED
    second, third = accepts(tenant)
    version = 3 if third and third <= now else 2 if second and second <= now else 1
    if tenant == 39 and day(10) <= now < day(14):
        return version, Status.DISABLED
    return version, Status.CONNECTED


def _pay(tenant: int, now: datetime) -> tuple[int, Status]:
    """Tenants 11 and 13 accept, 10 and 12 never do."""
    at = {11: day(20), 13: day(9)}.get(tenant)
    return (2 if at and at <= now else 1), Status.CONNECTED


def _connection(app: str, tenant: int, version: int, status: Status) -> SeenConnection:
    return SeenConnection(
        external_id=f"{app}-{tenant}",
        tenant=f"{tenant:02}",
        tenant_name=STRANGE if tenant == 9 else f"Tenant {tenant:02} Ltd",
        environment="production",
        status=status,
        version=version,
        grants=frozenset(RELEASES[app][version - 1][1]),
        client_id=f"cid.{tenant}",
        allowed_at=None,
        accepted_at=None,
        accepted_by=None,
    )


def apps(now: datetime) -> list[SeenApp]:
    """Both apps."""
    return [
        SeenApp(number, name, None, "public", "approved", START, False, ("production",))
        for number, name in ((DISPATCH, "Dispatch Helper"), (PAY, "Pay Helper"))
    ]


def people() -> list[Person]:
    """The contact book: nobody at tenant 14, two at 36, a dead address first at 15, one consultant for three."""
    found = []
    for tenant in TENANTS:
        zone = None if tenant in AGENCY else ZONES[tenant % len(ZONES)]
        labels = {"tier": "gold"} if tenant in GOLD else None
        addresses = {
            36: ["first@t36.example", "second@t36.example"],
            14: [],
            15: ["gone@t15.example", "admin@t15.example"],
        }.get(tenant, ["consultant@agency.example" if tenant in AGENCY else f"admin@t{tenant:02}.example"])
        found += [
            Person("acme", f"{tenant:02}", address, rank=rank, time_zone=zone, labels=labels)
            for rank, address in enumerate(addresses, 1)
        ]
    return found


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody does with Uptake itself, once."""

    name: str
    at: datetime


DEEDS = (
    Deed("acknowledge", day(18, 9)),  # all that fires about tenants that lag, for three days
    Deed("opt_out", day(20, 9)),  # tenant 34's admin
    Deed("silence", day(36)),  # tenant 40, for six days
)
