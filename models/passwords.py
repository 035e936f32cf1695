"""Passwords: argon2id with a salt; to verify one takes tens of milliseconds and 64 MB, on purpose."""

import secrets
import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 1024
_PATIENCE_SECONDS = 5.0
_hasher = PasswordHasher()
# A crowd at the sign-in takes turns: it must not take all the memory there is.
_turns = threading.BoundedSemaphore(2)
# Verified where there is no password, so that nobody can tell by the time of the answer whether there is one.
_NOBODYS = _hasher.hash(secrets.token_urlsafe(16))


class BusyError(Exception):
    """Too many are signing in at this moment; nothing was verified."""


def hashed(password: str) -> str:
    """What is kept of *password*."""
    return _hasher.hash(password)


def fits(kept: str | None, password: str) -> bool:
    """Whether *password* is the one that *kept* came from; never when it is None, after the same time."""
    if not _turns.acquire(timeout=_PATIENCE_SECONDS):
        raise BusyError
    try:
        _hasher.verify(kept or _NOBODYS, password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    finally:
        _turns.release()
    return kept is not None
