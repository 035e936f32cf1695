"""What the pages call by words of their own: kinds of alerts, how a tenant stands with an app, and shares."""

from uptake import wording

# Of one tenant or app, or of many; the API and uptake.toml have the names.
ALERTS = {
    "tenant_lagging": "missing scopes",
    "tenant_overgranted": "needless scopes",
    "rollout_behind_target": "rollout behind target",
    "rollout_stalled": "rollout stalled",
    "version_regressed": "back on an older version",
    "tenant_disconnected_after_release": "left after a release",
    "approval_overdue": "approval overdue",
    "poll_failing": "cannot be read",
    "data_stale": "data out of date",
}
CLASSES = {
    "current": "up to date",
    "equivalent": "same scopes",
    "blocking": "blocked",
    "trimming": "holds too much",
    "unknown": "not judged yet",
}


def kind(name: str) -> str:
    """A kind of alerts in words."""
    return ALERTS.get(name, name.replace("_", " "))


def standing(name: str) -> str:
    """A class of tenants, or the status of a connection that has none, in words."""
    return CLASSES.get(name, name.replace("_", " "))


def percent(share: float | None, *, digits: int = 0) -> str:
    """Rounded down: 100 % means everybody. A dash where there is nobody to be counted."""
    return "\N{EN DASH}" if share is None else wording.percent(share, digits=digits)
