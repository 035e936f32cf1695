"""What happens in the demo's 90 days: which app releases what and when, and what each tenant does about it. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from operator import attrgetter
from random import Random
from typing import Literal, NamedTuple

from worker.demo.names import Business, businesses

DAYS = 90
SEED = 20_140_611
# How finely things happen: the portal's clock is set once for all that happens together.
GRAIN = 8

Verb = Literal["create", "release", "allow", "upgrade", "revoke", "disable"]


class Plot(NamedTuple):
    """One app: how many of 300 tenants run it, its releases by day, how fast and how surely they are taken up."""

    name: str
    tenants: int
    releases: tuple[tuple[float, str], ...]
    pace: float  # days until half of those who upgrade at all have done so
    never: float  # the share that does not
    approved: bool = True


# Scopes of a release are written as changes: +name:level adds, -name:level takes away.
PLOTS = (
    Plot(
        "Dispatch Helper",
        210,
        (
            (0, "+crm.customers:r +jpm.jobs:r +dis.appointmentassignments:r"),
            (24, "+dis.capacity:r"),
            (61, "+dis.technicianshifts:r +dis.technicianshifts:w"),
        ),
        pace=8,
        never=0.07,
    ),
    Plot("Review Collector", 180, ((0, "+crm.customers:r +jpm.jobs:r"), (40, "+mkt.campaigns:r")), pace=4, never=0.02),
    Plot(
        "Booking Bridge",
        160,
        (
            (0, "+crm.bookings:r +crm.bookings:w"),
            (15, "+crm.leads:w"),
            (45, "+dis.capacity:r"),
            (78, "+tel.calls:r"),
        ),
        pace=6,
        never=0.05,
    ),
    Plot(
        "Pricebook Studio",
        140,
        (
            (0, "+prb.services:r +prb.materials:r"),
            (20, "+prb.services:w"),
            (20.125, "+prb.materials:w"),
        ),
        pace=5,
        never=0.04,
    ),
    Plot("Fleet Pulse", 120, ((0, "+dis.zones:r +stt.technicians:r"), (68, "+dis.gpspings:w")), pace=10, never=0.12),
    Plot(
        "Membership Keeper",
        110,
        ((0, "+mem.memberships:r +crm.customers:r"), (83, "+mem.recurringservices:w")),
        pace=7,
        never=0.05,
    ),
    Plot(
        "Campaign Lens",
        90,
        ((0, "+mkt.campaigns:r +mkt.costs:r +crm.leads:r"), (32, "-crm.leads:r")),
        pace=14,
        never=0.25,
    ),
    Plot(
        "Payroll Sync", 70, ((0, "+prl.payrolls:r +prl.timesheets:r"), (30, "+prl.grosspayitems:w")), pace=20, never=0.3
    ),
    Plot("Inventory Scout", 60, ((0, "+inv.purchaseorders:r +inv.vendors:r +inv.trucks:r"),), pace=5, never=0),
    Plot(
        "Form Filer",
        50,
        ((0, "+frm.forms:r +frm.submissions:r"), (35, "+frm.jobattachments:w"), (52, "-frm.jobattachments:w")),
        pace=9,
        never=0.1,
    ),
    Plot(
        "Estimate Writer",
        45,
        ((58, "+sal.estimates:r +crm.customers:r"), (80, "+sal.estimates:w")),
        pace=6,
        never=0.05,
    ),
    Plot("Call Notes", 30, ((84, "+tel.calls:r +crm.customers:r"),), pace=5, never=0, approved=False),
)


@dataclass(frozen=True, slots=True)
class Act:
    """Somebody does something at the portal, so long after the beginning."""

    after: timedelta
    app: int  # of PLOTS
    verb: Verb
    tenant: int | None = None  # None: the developer
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """Everybody, who of them may run each app, and all that happens, in order."""

    tenants: tuple[Business, ...]
    audience: tuple[tuple[int, ...], ...]
    acts: tuple[Act, ...]


def story(*, tenants: int = 300) -> Story:
    """The demo's story; the same each time. With fewer *tenants* each app has proportionally fewer."""
    random = Random(SEED)  # noqa: S311 - a story, not a secret
    everybody = businesses(tenants, random)
    # Who is slow with one app is slow with all of them.
    slowness = [random.lognormvariate(0, 0.4) for _ in everybody]
    audience: list[tuple[int, ...]] = []
    acts: list[Act] = []
    for number, plot in enumerate(PLOTS):
        runs = sorted(random.sample(range(tenants), k=max(round(plot.tenants * tenants / 300), 2)))
        audience.append(tuple(runs))
        acts += _developer(number, plot)
        if plot.approved:
            for tenant in runs:
                acts += _tenant(number, plot, tenant, slowness[tenant], random)
    return Story(everybody, tuple(audience), tuple(sorted(acts, key=attrgetter("after"))))


def _developer(number: int, plot: Plot) -> Iterator[Act]:
    for index, (day, scopes) in enumerate(grown(plot)):
        yield Act(_after(day), number, "release" if index else "create", scopes=scopes)


def grown(plot: Plot) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Each release's day and the whole of its scopes."""
    scopes: set[str] = set()
    for day, changes in plot.releases:
        for change in changes.split():
            name = f"tn.{change[1:]}"
            scopes = scopes | {name} if change[0] == "+" else scopes - {name}
        yield day, tuple(sorted(scopes))


def _tenant(number: int, plot: Plot, tenant: int, slowness: float, random: Random) -> Iterator[Act]:
    first, *later = (day for day, _ in plot.releases)
    # Most were there from the beginning; the others come one by one.
    begun = first + (random.random() if random.random() < 0.8 else random.uniform(1, DAYS - first - 1))
    yield Act(_after(begun), number, "allow", tenant)
    ends = random.uniform(begun + 10, 4 * DAYS) if random.random() < 0.1 else 4.0 * DAYS
    upgraded = begun
    if random.random() >= plot.never:
        for released in later:
            day = released + plot.pace * slowness * random.lognormvariate(0, 0.6)
            if day > upgraded and released > begun and day < ends:
                upgraded = day
                yield Act(_after(day), number, "upgrade", tenant)
    if ends < DAYS:
        yield Act(_after(ends), number, random.choice(("revoke", "revoke", "disable")), tenant)


def _after(day: float) -> timedelta:
    return timedelta(hours=24 / GRAIN * -(-day * GRAIN // 1))


def acts_until(acts: tuple[Act, ...], after: timedelta, limit: timedelta) -> Iterator[tuple[timedelta, list[Act]]]:
    """What happens later than *after* and not later than *limit*, all that happens together at a time."""
    together: dict[timedelta, list[Act]] = {}
    for act in acts:
        if after < act.after <= limit:
            together.setdefault(act.after, []).append(act)
    yield from together.items()
