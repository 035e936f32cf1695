"""Signing in through an identity provider: there, and back with a proof that only this browser can use, once."""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from config.settings import settings
from dashboard.access import OPEN, RefusedError
from dashboard.oidc import Provider, ProviderError
from dashboard.origins import cookie_name, leave, local, neighbourhood, origin, take_away
from dashboard.reading import Reading
from dashboard.sign_in import begun, form
from models import Role, Session, db_now
from models.accounts import LONGEST_NAME, Provided, Unprovided, provide, spelled
from models.keys import Prefix
from models.sessions import ticket, use_way

log = structlog.get_logger()
router = APIRouter(
    prefix="/sign-in/oidc", dependencies=[OPEN], default_response_class=HTMLResponse, include_in_schema=False
)
_COOKIE = "uptake-way"
_HOLDS = timedelta(minutes=10)
_BACK = "/sign-in/oidc/back"
_STALE = "This sign-in was begun too long ago, in another browser, or is over already. Begin it anew."
_WHY = {
    Unprovided.DISABLED: "Your account is disabled. Whoever runs Uptake can enable it.",
    Unprovided.NO_ROLE: "Your identity provider gives you no role here. Whoever runs it or Uptake can change that.",
    Unprovided.NOT_INVITED: "No account waits for you. Whoever runs Uptake adds one by `uptake user add ADDRESS"
    " --role ROLE --no-password`, with the address that your identity provider has verified.",
    Unprovided.NAME_TAKEN: "Another account has your name. Whoever runs Uptake can tell which: `uptake user list`.",
}


def provider() -> Provider | None:
    """The identity provider that the settings name, if any."""
    chosen = settings()
    if chosen.oidc_issuer is None or chosen.oidc_client_id is None:
        return None
    secret = chosen.oidc_client_secret.get_secret_value() if chosen.oidc_client_secret else None
    scope = chosen.oidc_roles.claim if chosen.oidc_roles else None
    return Provider(chosen.oidc_issuer, chosen.oidc_client_id, secret, scope=scope)


@router.get("")
def there(request: Request, session: Reading, next: str = "/") -> Response:  # noqa: A002 - as the address says
    """Send the browser to the provider, and leave in it what alone makes use of the answer."""
    known = _provider(request)
    # Each leaves something to be kept, and may have the provider asked.
    request.app.state.sign_in_addresses.admit(neighbourhood(request))
    kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
    try:
        url = known.way(back=f"{origin(request)}{_BACK}", **kept)
    except ProviderError as error:
        return _failed(session, error)
    key = ticket(session, Prefix.WAY, holds=_HOLDS, now=db_now(session), data={**kept, "next": local(next)})
    session.commit()
    response = RedirectResponse(url, 303)
    leave(request, response, _COOKIE, key)
    return response


@router.get("/back")
def back(request: Request, state: str = "", code: str = "", error: str = "") -> Response:
    """Begin the session of whom the provider proves; what came from elsewhere, or comes twice, begins none."""
    known = _provider(request)
    with Session() as session:
        way = use_way(session, request.cookies.get(cookie_name(request, _COOKIE), ""), now=db_now(session))
        now = db_now(session)
        session.commit()
        if way is None or not secrets.compare_digest(way["state"].encode(), state.encode()):
            log.warning("way.refused")
            return _over(request, form(session, said=_STALE, status=403))
        if error or not code:
            log.warning("provider.refused", error=error[:100])
            said = "Your identity provider did not sign you in."
            return _over(request, form(session, said=said, next=way["next"], status=403))
        try:
            # No transaction is open meanwhile.
            claims = known.claims(
                code, back=f"{origin(request)}{_BACK}", verifier=way["verifier"], nonce=way["nonce"], now=now
            )
        except ProviderError as raised:
            return _over(request, _failed(session, raised))
        roles = settings().oidc_roles
        found = provide(session, _whom(claims), is_mapped=roles is not None, now=db_now(session))
        if isinstance(found, Unprovided):
            session.rollback()
            log.warning("signin.refused", reason=found)
            return _over(request, form(session, said=_WHY[found], status=403))
        return _over(request, begun(request, session, found, by="identity provider", to=way["next"]))


def _provider(request: Request) -> Provider:
    known: Provider | None = request.app.state.provider
    if known is None:
        raise RefusedError(404, "No identity provider is set up here.")
    return known


def _whom(claims: Mapping[str, Any]) -> Provided:
    roles = settings().oidc_roles
    given = roles.role(claims) if roles else None
    is_verified = claims.get("email_verified") is True
    names = (claims.get("email") if is_verified else None, claims.get("preferred_username"), claims["sub"])
    name = next(filter(None, (spelled(name) for name in names if isinstance(name, str))), "")
    return Provided(
        subject=f"{claims['iss']} {claims['sub']}",
        name=name or f"subject-{secrets.token_hex(8)}"[:LONGEST_NAME],
        is_verified=is_verified and name == spelled(str(claims.get("email"))),
        role=Role(given) if given else None,
    )


def _failed(session: Any, error: ProviderError) -> Response:
    log.error("provider.failed", error=str(error))
    said = "Your identity provider could not be asked, or did not prove who you are. The dashboard's log says why."
    return form(session, said=said, status=502)


def _over(request: Request, response: Response) -> Response:
    take_away(request, response, _COOKIE)
    return response
