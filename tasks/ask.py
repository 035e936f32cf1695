"""What a tenant is asked for, from what is recorded of it: the same for whoever is reminded and whoever looks at it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tasks.rules import Rules
from uptake.cadence import zone
from uptake.features import blocked
from uptake.policies import Who
from uptake.wording import Ask


class Lagging(Protocol):
    """A connection that lacks something, as it is recorded."""

    @property
    def app(self) -> str:
        """The app's name."""

    @property
    def app_external_id(self) -> str:
        """The app's id at its source."""

    @property
    def source(self) -> str:
        """The name of the source."""

    @property
    def tenant(self) -> str:
        """The tenant's id."""

    @property
    def tenant_name(self) -> str | None:
        """The tenant's name, where it is known."""

    @property
    def environment(self) -> str:
        """Where the connection is."""

    @property
    def version(self) -> int | None:
        """What the tenant has accepted."""

    @property
    def target_version(self) -> int:
        """What it is to accept."""

    @property
    def missing(self) -> Sequence[str]:
        """The grants that it lacks."""

    @property
    def superfluous(self) -> Sequence[str]:
        """The grants that the app gave up."""

    @property
    def since(self) -> datetime:
        """Since when it has lacked something."""

    @property
    def time_zone(self) -> str | None:
        """Where the tenant is."""

    @property
    def who(self) -> Who:
        """What a policy asks of it."""


def ask_of(row: Lagging, rules: Rules, *, step: int, now: datetime) -> Ask:
    """What is asked of the tenant in turn *step*, with what is blocked and why, and dates where the tenant is."""
    found = blocked(rules.features, source=row.source, app=row.app_external_id, missing=row.missing)
    return Ask(
        app=row.app,
        organization=rules.organization(row.source),
        tenant=row.tenant_name or row.tenant,
        environment=row.environment,
        from_version=row.version,
        to_version=row.target_version,
        missing=tuple(row.missing),
        superfluous=tuple(row.superfluous),
        blocked_since=row.since.astimezone(zone(row.time_zone)),
        days=max(0, (now - row.since).days),
        step=step,
        features=found.names,
        why=found.why,
        deadline=rules.policies.of(row.who).deadline,
        accept_url=rules.accept_page(row.who),
    )
