"""Secrets that we hand out: random, known by their looks, and kept as a digest only."""

import hashlib
import re
import secrets
import zlib
from enum import StrEnum

_RANDOM_BYTES = 32
_SHAPE = re.compile(r"(up[tslw]_[0-9a-f]{64})([0-9a-f]{8})")


class Prefix(StrEnum):
    """What a secret of ours begins with, by which scanners of repositories and our own logs know it."""

    TOKEN = "upt_"  # noqa: S105 - the beginning that all of them share
    SESSION = "ups_"
    LINK = "upl_"
    WAY = "upw_"  # to the identity provider and back


def new_key(prefix: Prefix) -> str:
    """256 random bits with their checksum; nobody can guess one, and it is told once."""
    body = f"{prefix}{secrets.token_hex(_RANDOM_BYTES)}"
    return body + _checksum(body)


def is_key(text: str, prefix: Prefix) -> bool:
    """Whether *text* can be one of ours: whole, with its checksum; what was cut off is no question to the database."""
    found = _SHAPE.fullmatch(text)
    return found is not None and text.startswith(prefix) and _checksum(found[1]) == found[2]


def digest(key: str) -> bytes:
    """What is kept of *key*. As it has 256 random bits, no salt and no slow hash are needed."""
    return hashlib.sha256(key.encode()).digest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
