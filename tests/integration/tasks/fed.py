"""A source whose feed of changes is followed, and how a test lets it tell something."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from models.record import Recorded
from tasks.poll import list_apps, poll
from tests.integration.tasks.recorded import Ours

FEED = "/export/connections"
VERSIONS = """
SELECT t.external_id, c.version FROM connection c JOIN tenant t ON t.id = c.tenant_id
WHERE c.app_id = 1 AND c.status = 'connected'
"""


@dataclass
class Fed:
    """A source whose feed is followed, its clock, and an app that was walked since."""

    ours: Ours
    now: datetime

    def read(self, *, after: timedelta = timedelta(minutes=5)) -> int | None:
        """Read the list of apps and the feed."""
        self.now += after
        return list_apps(self.ours.source, now=self.now, forced=True)

    def poll(self, *, after: timedelta = timedelta(minutes=5)) -> Recorded | None:
        """Walk the app."""
        self.now += after
        return poll(self.ours.app, now=self.now, forced=True)

    def tell(self, tenant: int, version: int = 1, **said_of: Any) -> None:
        """The app's tenant is so now, and the feed tells it."""
        if said_of.get("deleted"):
            self.ours.portal.tenants.pop(tenant, None)
        else:
            self.ours.portal.tenants[tenant] = version
        self.ours.portal.tell(4711, tenant, version, **said_of)

    def versions(self) -> dict[str, int]:
        """Who runs what, of those who are connected."""
        return dict(self.ours.rows(VERSIONS))

    def due(self) -> timedelta:
        """How long until the app's next walk."""
        due: datetime = self.ours.rows("SELECT next_poll_at FROM app WHERE id = 1")[0][0]
        return due - self.now
