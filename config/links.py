"""Links that nobody else can make: to the page where somebody says that they want no more reminders."""

from collections.abc import Sequence
from dataclasses import dataclass

from itsdangerous import BadData, URLSafeSerializer

from config.settings import settings

NAMED = 30  # tenants in a link: a line of a mail's header has 998 octets at most (RFC 5322)
_SALT = "opt out of reminders"


@dataclass(frozen=True, slots=True)
class Linked:
    """Whom a link is about: a contact of these tenants, or of all that the source has."""

    email: str
    tenants: tuple[int, ...] = ()
    source_id: int | None = None


def opt_out_url(tenants: Sequence[int], email: str, *, source_id: int) -> str | None:
    """The page of this contact of these *tenants*; None while UPTAKE_PUBLIC_URL says nowhere that there is one.

    Of more than NAMED it is for all of their source. It holds for ever, also for who was taken out of the contact book
    and put in again.
    """
    chosen = settings()
    if chosen.public_url is None:
        return None
    about = [*tenants, email] if len(tenants) <= NAMED else {"source": source_id, "email": email}
    return f"{chosen.public_url}/opt-out/{_signer().dumps(about)}"


def contact_of(token: str) -> Linked | None:
    """Whose link ended in *token*; None when it is not one of ours."""
    if settings().secret_key is None:
        return None
    try:
        about = _signer().loads(token)
        if isinstance(about, dict):
            return Linked(about["email"], source_id=about["source"])
        *tenants, email = about
    except (BadData, KeyError, TypeError, ValueError):
        return None
    return Linked(email, tuple(tenants))


def _signer() -> URLSafeSerializer:
    key = settings().secret_key
    # Settings refuse a public URL without a key.
    return URLSafeSerializer(key.get_secret_value() if key else "", salt=_SALT)
