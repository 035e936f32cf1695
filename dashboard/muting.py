"""What uptake.toml keeps quiet, as far as this process can use that file."""

from config.settings import SettingsError
from tasks.rules import rules
from uptake.mutes import Mute


def muting() -> tuple[Mute, ...] | None:
    """The mutes of uptake.toml, read once; None: it cannot be used here, and what they are for is not known."""
    try:
        return rules().policies.mutes
    except SettingsError:
        # Whoever mends it restarts the workers; a page is to be seen all the same.
        return None
