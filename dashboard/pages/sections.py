"""The parts of the settings: what each is called, and who may open it."""

from dashboard.frame import Frame
from models import Role

PLACE = "/settings"


def sections(frame: Frame) -> list[tuple[str, str]]:
    """Where each part is that whoever looks may open, and what it is called."""
    found = [(PLACE, "Rules"), (f"{PLACE}/receivers", "Receivers and sources")]
    if frame.caller.role.includes(Role.ADMIN) and frame.caller.sees_all:
        found += [(f"{PLACE}/people", "People"), (f"{PLACE}/tokens", "Tokens"), (f"{PLACE}/audit", "Audit trail")]
    return [*found, (f"{PLACE}/account", "Your account")]
