"""Where a request comes from, and what may be left in a browser because of it."""

from ipaddress import IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from fastapi import Request, Response

from config.settings import settings

COOKIE = "uptake"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def origin(request: Request) -> str:
    """The dashboard as the browser sees it; behind a proxy that ends TLS, by UPTAKE_PUBLIC_URL or X-Forwarded-Proto."""
    host = request.headers.get("host", request.url.netloc)
    public = urlsplit(settings().public_url or "")
    scheme = public.scheme if public.netloc == host else request.url.scheme
    return f"{scheme}://{host}"


def is_https(request: Request) -> bool:
    """Whether nobody reads along between the browser and the first server."""
    return origin(request).startswith("https:")


def cookie_name(request: Request, name: str) -> str:
    """A name by which browsers keep a cookie from every other host and from plain HTTP, where that can be."""
    return f"__Host-{name}" if is_https(request) else name


def leave(request: Request, response: Response, name: str, value: str) -> None:
    """Have the browser keep a cookie until it is closed, for us alone; scripts cannot read it."""
    response.set_cookie(
        cookie_name(request, name), value, path="/", secure=is_https(request), httponly=True, samesite="lax"
    )


def take_away(request: Request, response: Response, name: str) -> None:
    """Have the browser forget a cookie."""
    response.delete_cookie(
        cookie_name(request, name), path="/", secure=is_https(request), httponly=True, samesite="lax"
    )


def is_foreign(request: Request) -> bool:
    """Whether a request that changes something may be another site's doing, with the cookie of who looks at it.

    No other site can have a browser send an Authorization header, and where there is one, no cookie counts.
    """
    if request.method in _SAFE or request.headers.get("authorization", "").lower().startswith("bearer "):
        return False
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site != "same-origin"
    # Browsers say the one above only to whom they trust to be who they are, and not on plain HTTP.
    return request.headers.get("origin") != origin(request)


def local(path: str) -> str:
    """The *path* to go on to, if it is one of ours; else the beginning."""
    is_ours = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_ours else "/"


def neighbourhood(request: Request) -> str:
    """By what strangers are counted: their address, or their network where one host has as many as it likes (IPv6)."""
    try:
        address = ip_address(peer(request))
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Network((address, 64), strict=False))
    return peer(request)


def peer(request: Request) -> str:
    """The address that asks: of the connection, or as a trusted proxy tells it (uvicorn's FORWARDED_ALLOW_IPS)."""
    return request.client.host if request.client else "unknown"
