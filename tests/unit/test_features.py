"""Features: what a tenant's people cannot do while its grants lack something."""

import pytest

from uptake.features import Blocked, Feature, blocked
from uptake.policies import Match

CRM, JOBS = "tn.crm.customers:r", "tn.jpm.jobs:w"
FEATURES = (
    Feature(name="Names on invoices", scopes=(CRM,), why="Invoices show names."),
    Feature(name="Calendar", scopes=(CRM, JOBS), match=Match(source="acme", app="4711"), why="It writes jobs."),
    Feature(name="Names on receipts", scopes=(CRM,), why="Invoices show names."),
    Feature(name="Names on invoices", scopes=(JOBS,), match=Match(source="other")),
)


@pytest.mark.parametrize(
    ("source", "app", "missing", "found"),
    [
        pytest.param("acme", "4711", (), Blocked((), ""), id="nothing_is_missing"),
        pytest.param("acme", "4711", ("tn.else:r",), Blocked((), ""), id="nobody_needs_it"),
        pytest.param("acme", "4711", ("tn.crm.customers:w",), Blocked((), ""), id="another_level"),
        pytest.param("acme", "4711", (JOBS,), Blocked(("Calendar",), "It writes jobs."), id="one_scope_of_two"),
        pytest.param(
            "acme",
            "4711",
            (JOBS, CRM),
            Blocked(("Names on invoices", "Calendar", "Names on receipts"), "Invoices show names. It writes jobs."),
            id="in_the_order_of_the_file_each_reason_once",
        ),
        pytest.param("acme", "1", (JOBS,), Blocked((), ""), id="of_another_app"),
        pytest.param("other", "1", (JOBS, CRM), Blocked(("Names on invoices", "Names on receipts"),
                     "Invoices show names."), id="each_name_once"),
    ],
)  # fmt: skip
def test_blocked(source: str, app: str, missing: tuple[str, ...], found: Blocked) -> None:
    """A feature is blocked as soon as one of its grants is missing."""
    assert blocked(FEATURES, source=source, app=app, missing=missing) == found
