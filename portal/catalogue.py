"""The scopes an app may ask for: groups of API capabilities, each with the levels it has."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

VIEW, MODIFY, BOTH = "r", "w", "rw"


class Scope(NamedTuple):
    """One capability; *levels* holds `r` when it can be viewed and `w` when it can be modified."""

    name: str
    title: str
    levels: str


class Group(NamedTuple):
    """Scopes that an admin reads together."""

    name: str
    title: str
    scopes: tuple[Scope, ...]


def _group(module: str, title: str, *scopes: tuple[str, str, str]) -> Group:
    return Group(module, title, tuple(Scope(f"tn.{module}.{name}", words, levels) for name, words, levels in scopes))


CATALOGUE = (
    _group(
        "acc",
        "Accounting",
        ("invoices", "Invoices", BOTH),
        ("payments", "Payments", BOTH),
        ("paymentterms", "Payment Terms", VIEW),
        ("taxzones", "Tax Zones", VIEW),
        ("inventorybills", "Inventory Bills", VIEW),
        ("journalentries", "Journal Entries", BOTH),
        ("glaccounts", "General Ledger Accounts", BOTH),
        ("apcredits", "Accounts Payable Credits", VIEW),
        ("appayments", "Accounts Payable Payments", VIEW),
    ),
    _group(
        "crm",
        "Customer Relationship Management",
        ("customers", "Customers", BOTH),
        ("locations", "Locations", BOTH),
        ("contacts", "Contacts", BOTH),
        ("leads", "Leads", BOTH),
        ("bookings", "Bookings", BOTH),
        ("bulktags", "Bulk Tags", MODIFY),
        ("bookingprovidertags", "Booking Provider Tags", BOTH),
    ),
    _group(
        "dis",
        "Dispatch",
        ("appointmentassignments", "Appointment Assignments", BOTH),
        ("capacity", "Capacity", VIEW),
        ("nonjobappointments", "Non-Job Appointments", BOTH),
        ("technicianshifts", "Technician Shifts", BOTH),
        ("zones", "Zones", VIEW),
        ("gpspings", "GPS Pings", MODIFY),
        ("arrivalwindows", "Arrival Windows", BOTH),
        ("businesshours", "Business Hours", BOTH),
        ("teams", "Teams", BOTH),
    ),
    _group("eqs", "Equipment Systems", ("installedequipment", "Installed Equipment", BOTH)),
    _group(
        "frm",
        "Forms",
        ("forms", "Forms", VIEW),
        ("submissions", "Form Submissions", VIEW),
        ("jobattachments", "Job Attachments", MODIFY),
    ),
    _group(
        "inv",
        "Inventory",
        ("purchaseorders", "Purchase Orders", BOTH),
        ("receipts", "Receipts", VIEW),
        ("returns", "Returns", VIEW),
        ("transfers", "Transfers", VIEW),
        ("trucks", "Trucks", VIEW),
        ("vendors", "Vendors", BOTH),
        ("warehouses", "Warehouses", VIEW),
        ("adjustments", "Inventory Adjustments", VIEW),
        ("purchaseordertypes", "Purchase Order Types", BOTH),
    ),
    _group(
        "jpm",
        "Job Planning and Management",
        ("jobs", "Jobs", BOTH),
        ("appointments", "Appointments", BOTH),
        ("projects", "Projects", BOTH),
        ("jobtypes", "Job Types", BOTH),
        ("jobcancelreasons", "Job Cancel Reasons", VIEW),
        ("jobholdreasons", "Job Hold Reasons", VIEW),
        ("projectstatuses", "Project Statuses", VIEW),
        ("projecttypes", "Project Types", VIEW),
    ),
    _group(
        "mkt",
        "Marketing",
        ("campaigns", "Campaigns", BOTH),
        ("categories", "Campaign Categories", BOTH),
        ("costs", "Campaign Costs", BOTH),
        ("attributedleads", "Attributed Leads", VIEW),
    ),
    _group(
        "mem",
        "Memberships",
        ("memberships", "Customer Memberships", BOTH),
        ("membershiptypes", "Membership Types", VIEW),
        ("recurringservices", "Recurring Services", BOTH),
        ("invoicetemplates", "Invoice Templates", BOTH),
    ),
    _group(
        "prl",
        "Payroll",
        ("payrolls", "Payrolls", VIEW),
        ("grosspayitems", "Gross Pay Items", BOTH),
        ("timesheets", "Timesheets", VIEW),
        ("payrolladjustments", "Payroll Adjustments", BOTH),
    ),
    _group(
        "prb",
        "Pricebook",
        ("services", "Services", BOTH),
        ("materials", "Materials", BOTH),
        ("equipment", "Equipment", BOTH),
        ("pricebookcategories", "Categories", BOTH),
        ("discounts", "Discounts and Fees", BOTH),
        ("clientspecificpricing", "Client-Specific Pricing", BOTH),
    ),
    _group("rpt", "Reporting", ("reports", "Reports", VIEW), ("dynamicvaluesets", "Dynamic Value Sets", VIEW)),
    _group("sal", "Sales and Estimates", ("estimates", "Estimates", BOTH), ("proposals", "Proposals", VIEW)),
    _group(
        "stt",
        "Settings",
        ("businessunits", "Business Units", VIEW),
        ("employees", "Employees", BOTH),
        ("technicians", "Technicians", BOTH),
        ("tagtypes", "Tag Types", VIEW),
        ("userroles", "User Roles", VIEW),
    ),
    _group("tsm", "Task Management", ("tasks", "Tasks", BOTH), ("subtasks", "Subtasks", MODIFY)),
    _group("tel", "Telecom", ("calls", "Calls", BOTH), ("optouts", "Opt-Outs", BOTH)),
)

SCOPES = {scope.name: scope for group in CATALOGUE for scope in group.scopes}
# Every string that may stand in a version: scope and level, each level on its own.
GRANTS = frozenset(f"{scope.name}:{level}" for scope in SCOPES.values() for level in scope.levels)


@cache
def described_groups() -> list[dict[str, Any]]:
    """The catalogue as the API shows it."""
    return [
        {"name": group.name, "displayName": group.title, "scopes": [_described(scope) for scope in group.scopes]}
        for group in CATALOGUE
    ]


def _described(scope: Scope) -> dict[str, Any]:
    return {
        "name": scope.name,
        "displayName": scope.title,
        "hasRead": "r" in scope.levels,
        "hasWrite": "w" in scope.levels,
    }


def described(grants: Iterable[str]) -> list[dict[str, Any]]:
    """*grants* as scopes with their two levels, in the catalogue's spelling, sorted by name."""
    return list(_levels(frozenset(grants)))


def spelled(scopes: Iterable[Mapping[str, Any]]) -> list[str]:
    """The grants that *scopes*, as `described` shows them, stand for: each level on its own."""
    return [
        f"{scope['name']}:{level}"
        for scope in scopes
        for level, word in (("r", "view"), ("w", "modify"))
        if scope[word]
    ]


def grouped(marks: Mapping[str, str]) -> list[dict[str, Any]]:
    """The grants of *marks* as people read them: groups by title, in each its scopes, of those View and Modify.

    Every level comes with its grant's mark. What has left the catalogue stands last, by its own name.
    """
    left = tuple(Scope(name, name, BOTH) for name in sorted({grant.rpartition(":")[0] for grant in marks} - {*SCOPES}))
    shown = []
    for group in (*CATALOGUE, Group("", "No longer in the catalogue", left)):
        scopes = [
            {"title": scope.title, "name": scope.name, "levels": levels}
            for scope in group.scopes
            if (levels := _marked(scope.name, marks))
        ]
        if scopes:
            shown.append({"title": group.title, "scopes": scopes})
    return shown


def _marked(name: str, marks: Mapping[str, str]) -> list[tuple[str, str]]:
    words = ((VIEW, "View"), (MODIFY, "Modify"))
    return [(word, marks[f"{name}:{level}"]) for level, word in words if f"{name}:{level}" in marks]


def _levels(grants: frozenset[str]) -> Iterator[dict[str, Any]]:
    for name in sorted({grant.rpartition(":")[0] for grant in grants}):
        # A scope that left the catalogue stays in the versions that asked for it.
        title = SCOPES[name].title if name in SCOPES else name
        yield {"name": name, "displayName": title, "view": f"{name}:r" in grants, "modify": f"{name}:w" in grants}
