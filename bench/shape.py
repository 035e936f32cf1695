"""What the measured portal holds: so many apps and tenants, at which versions, on pages of which size."""

from collections.abc import Iterator
from dataclasses import dataclass

FIRST_APP = 10_000
FIRST_CONNECTION = 10_000_000


@dataclass(frozen=True, slots=True)
class Shape:
    """Every tenant is connected to every app; connection *n* begins at version `starts[n % len(starts)]`."""

    apps: int
    tenants: int
    page: int = 500
    latest: int = 9
    starts: tuple[int, ...] = (1, 2)

    @property
    def rows(self) -> int:
        """How many connections there are in all."""
        return self.apps * self.tenants

    @property
    def pages(self) -> int:
        """How many pages the connections of one app fill."""
        return -(-self.tenants // self.page)

    def numbers(self, app: int, page: int) -> range:
        """The connections on *page* (from 1) of the app with this index."""
        first = app * self.tenants
        return range(first + (page - 1) * self.page, first + min(page * self.page, self.tenants))

    def externals(self) -> Iterator[str]:
        """The portal's ids of the apps."""
        return (str(FIRST_APP + app) for app in range(self.apps))

    def __str__(self) -> str:
        apps = "1 app with" if self.apps == 1 else f"{self.apps:,} apps, each with"
        return f"{apps} {self.tenants:,} tenants, pages of {self.page:,}"
