"""What uptake.toml says, for who answers requests: read once, and its mistakes told to whoever has to mend them."""

from collections.abc import Sequence

from config.settings import SettingsError
from dashboard.access import RefusedError
from tasks.rules import Rules, rules
from uptake.features import Feature
from uptake.mutes import Mute


def chosen() -> Rules:
    """The rules, for what cannot be done without them; raises RefusedError."""
    try:
        return rules()
    except SettingsError as error:
        raise RefusedError(
            503, "uptake.toml cannot be used here, and this takes it: `uptake check` says why."
        ) from error


def mutes() -> Sequence[Mute]:
    """The mutes of uptake.toml; none where it cannot be used."""
    return muting() or ()


def muting() -> Sequence[Mute] | None:
    """The mutes of uptake.toml; None: it cannot be used here, and what they are for is not known."""
    try:
        return rules().policies.mutes
    except SettingsError:
        # Whoever mends it restarts the workers; a page is to be seen all the same.
        return None


def features() -> Sequence[Feature]:
    """What uptake.toml calls features; none where it cannot be used."""
    try:
        return rules().features
    except SettingsError:
        return ()


def alert_receivers() -> Sequence[str]:
    """The names of the receivers that may be told of alerts; none where uptake.toml cannot be used."""
    try:
        return rules().policies.receivers
    except SettingsError:
        return ()


def receivers() -> Sequence[str]:
    """The names of the receivers of uptake.toml; none where it cannot be used."""
    try:
        return sorted(rules().receivers)
    except SettingsError:
        return ()
