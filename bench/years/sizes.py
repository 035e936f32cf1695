"""How much there is, and how it is spread over the apps."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Years:
    """So many *connections* of *apps*, about five stretches of history each, in the last *days*."""

    connections: int = 1_000_000
    apps: int = 100
    days: int = 730
    polls_days: int = 90  # as long as polls are kept
    apart: int = 5  # one of so many apps belongs to a second source

    @property
    def sizes(self) -> list[int]:
        """The connections of each app, the largest first: a few have very many, most have few."""
        weights = [1 / (place + 2) for place in range(self.apps)]
        found = [max(1, int(self.connections * weight / sum(weights))) for weight in weights]
        found[0] += self.connections - sum(found)
        return found

    @property
    def tenants(self) -> int:
        """The tenants of each source: more than any app has, and no multiple of the step between an app's."""
        return self.sizes[0] * 5 // 4 + 7

    def versions(self, app: int) -> int:
        """How many versions the app at this place has."""
        return 5 + app * 5 % 7
