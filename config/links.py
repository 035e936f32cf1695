"""Links that nobody else can make: to the page where somebody says that they want no more reminders."""

from collections.abc import Sequence

from itsdangerous import BadData, URLSafeSerializer

from config.settings import settings

_SALT = "opt out of reminders"


def opt_out_url(tenants: Sequence[int], email: str) -> str | None:
    """The page of this contact of these *tenants*; None while UPTAKE_PUBLIC_URL says nowhere that there is one.

    It holds for ever, also for who was taken out of the contact book and put in again.
    """
    chosen = settings()
    if chosen.public_url is None:
        return None
    return f"{chosen.public_url}/opt-out/{_signer().dumps([*tenants, email])}"


def contact_of(token: str) -> tuple[tuple[int, ...], str] | None:
    """The tenants and the address whose link ended in *token*; None when it is not one of ours."""
    if settings().secret_key is None:
        return None
    try:
        *tenants, email = _signer().loads(token)
    except (BadData, TypeError, ValueError):
        return None
    return tuple(tenants), email


def _signer() -> URLSafeSerializer:
    key = settings().secret_key
    # Settings refuse a public URL without a key.
    return URLSafeSerializer(key.get_secret_value() if key else "", salt=_SALT)
