"""Keys, client ids and secrets: random, told apart by their prefix, and stored hashed where they are secret."""

import base64
import hashlib
import secrets


def new_app_key() -> str:
    """A fresh application key; the same for every environment and version of its app."""
    return f"ak1.{secrets.token_hex(16)}"


def new_client_id() -> str:
    """A fresh client id."""
    return f"cid.{secrets.token_hex(12)}"


def new_secret() -> str:
    """A fresh client secret of 256 random bits; shown once."""
    return f"cs1.{secrets.token_urlsafe(32)}"


def new_signing_secret() -> str:
    """A fresh secret to sign events with, as the Standard Webhooks specification writes them."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def hashed(secret: str) -> bytes:
    """What is stored in place of *secret*; without salt, for it cannot be guessed and must be found again."""
    return hashlib.sha256(secret.encode()).digest()


def matches(secret: str, stored: bytes) -> bool:
    """Whether *secret* is the one that was stored, in constant time."""
    return secrets.compare_digest(hashed(secret), stored)
