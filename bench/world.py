"""One small world per section: a portal, a cluster, and Uptake's two files that lead to it."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.cluster import Cluster, cluster
from bench.fixture import Fixture
from bench.measure import Measured, child, measure
from bench.nginx import Portal, portal
from bench.shape import Shape

_DEFAULT_PAGE = 500
_RULES = """
[[source]]
name = "acme"
kind = "portal"
url = "{url}/portal/v2"
token_url = "{url}/connect/token"
organization = "1001"
client_id = "cid.bench"
client_secret = "file:secret"
app_key = "file:secret"
rate = 0
{page_size}
"""
# Databases: with the apps listed and nothing polled, and with everything polled once.
LISTED, LOADED = "listed", "loaded"


@dataclass(frozen=True, slots=True)
class World:
    """What a section measures in."""

    place: Path
    fixture: Fixture
    portal: Portal
    cluster: Cluster

    @property
    def shape(self) -> Shape:
        """What the portal holds."""
        return self.fixture.shape

    def environment(self, database: str, *, conditional: bool = False) -> Mapping[str, str]:
        """What leads Uptake to *database* and to the portal; *conditional*: the address that knows ETags."""
        return {
            "DATABASE_URL": self.cluster.dsn(database),
            "UPTAKE_CONFIG": str(self.place / ("conditional.toml" if conditional else "plain.toml")),
            "UPTAKE_LOG_LEVEL": "warning",
        }

    def poll(
        self,
        database: str,
        *,
        expected: int,
        conditional: bool = False,
        warm: bool = False,
        first: int | None = None,
    ) -> Measured:
        """Uptake polls all apps, or the *first* ones, in a new process; raises unless *expected* changes are found.

        *conditional*: of the address that knows ETags; *warm*: it has polled them once before that.
        """
        environment = self.environment(database, conditional=conditional)
        with child("bench.subjects.uptake:polling", {"warm": warm, "first": first}, environment) as poller:
            found = measure(self.cluster, [poller])
        if found.value != expected:
            raise RuntimeError(f"Uptake recorded {found.value} changes, and there were {expected}")
        return found

    def share(self, database: str, workers: int, *, most: int) -> Measured:
        """So many workers poll every app, each when they find it due; raises unless each app is polled once."""
        with self.cluster.session(database) as session:
            session.execute("UPDATE app SET next_poll_at = now(), rung_until = NULL")
        with ExitStack() as stack:
            environment = self.environment(database)
            children = [
                stack.enter_context(child("bench.subjects.scheduling:working", {"most": most}, environment))
                for _ in range(workers)
            ]
            found = measure(self.cluster, children)
        require_once(found, self.shape.apps)
        return found

    def read(self, how: str) -> Measured:
        """The floor, `fetch` or `decode`, of all apps in a new process."""
        arguments = {"url": self.portal.plain, "apps": list(self.shape.externals()), "page": self.shape.page}
        with child(f"bench.subjects.floor:{how}", arguments) as reader:
            return measure(self.cluster, [reader])

    def list_apps(self) -> Measured:
        """Make the database `listed`."""
        self.cluster.create(LISTED)
        with child("bench.subjects.uptake:listing", {}, self.environment(LISTED)) as lister:
            found = measure(self.cluster, [lister])
        if found.value != self.shape.apps:
            raise RuntimeError(f"Uptake listed {found.value} apps, and there were {self.shape.apps}")
        return found

    def load(self, database: str = LOADED) -> Measured:
        """Make *database* from `listed` by the first poll of everything."""
        self.cluster.create(database, template=LISTED)
        found = self.poll(database, expected=self.shape.rows)
        print(f"  ({self.shape}: {found.seconds:.1f} s for the first poll)", flush=True)
        return found


def require_once(found: Measured, apps: int) -> None:
    """Raise unless the lists of apps that the processes answered hold each app once."""
    lists = found.value if found.value and isinstance(found.value[0], list) else [found.value]
    taken = [app for each in lists for app in each]
    if len(taken) != apps or len(set(taken)) != apps:
        raise RuntimeError(f"{len(taken)} apps were taken, {len(set(taken))} of them different, of {apps}")


@contextmanager
def world(shape: Shape) -> Iterator[World]:
    """A portal of this *shape*, and an empty cluster."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="uptake-bench-")))
        fixture = Fixture(place / "portal", shape)
        fixture.write()
        served = stack.enter_context(portal(fixture.root))
        _write_rules(place, served, shape)
        yield World(place, fixture, served, stack.enter_context(cluster(place / "data")))


def _write_rules(place: Path, served: Portal, shape: Shape) -> None:
    (place / "secret").write_text("secret-of-the-bench")
    page_size = "" if shape.page == _DEFAULT_PAGE else f"page_size = {shape.page}"
    for name, url in (("plain", served.plain), ("conditional", served.conditional)):
        (place / f"{name}.toml").write_text(_RULES.format(url=url, page_size=page_size))
