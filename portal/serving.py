"""How the portal's server is set up: what it may sign with, and whose word it takes on where a call comes from."""

from ipaddress import ip_network

import uvicorn
from fastapi import FastAPI

from portal.database import SetupError

# Sessions are signed with HMAC: 32 characters of hexadecimal digits are its 128 bits.
MIN_SECRET = 32


def session_key(secret: str | None) -> str | None:
    """The *secret*, if it is one; SetupError says how to make it."""
    if secret is not None and len(secret) < MIN_SECRET:
        how = 'python -c "import secrets; print(secrets.token_urlsafe(32))"'
        raise SetupError(f"UPTAKE_SECRET_KEY or --secret: at least {MIN_SECRET} characters, such as those of: {how}")
    return secret


def proxies(text: str) -> list[str]:
    """The addresses and networks in *text*, by commas; SetupError for what is neither, "*" above all."""
    named = [part.strip() for part in text.split(",") if part.strip()]
    for one in named:
        try:
            ip_network(one)
        except ValueError as wrong:
            raise SetupError(f"--trusted-proxies: {wrong}: name addresses or networks, such as 10.0.0.0/8") from wrong
    return named


def configured(app: FastAPI, level: int, trusted: list[str]) -> uvicorn.Config:
    """A server of *app* that believes X-Forwarded-For of the proxies that are *trusted*, and of nobody else.

    The limits go by address: whoever could make one up would get round them.
    """
    return uvicorn.Config(
        app,
        log_level=level,
        access_log=False,
        timeout_graceful_shutdown=10,
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted,
    )
