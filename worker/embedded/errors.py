"""The one error that setting up embedded servers and processes may raise."""


class SetupError(Exception):
    """Something on this machine is in the way; the message is one sentence that says what to do about it."""
