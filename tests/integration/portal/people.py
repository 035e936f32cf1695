"""People who sign in to the portal's pages, and their browsers as far as forms and cookies go."""

import re
from secrets import randbelow, token_hex
from typing import Any

import httpx

from portal.bootstrap import Bootstrap, NewClient, NewOrganization, NewTenant, install
from portal.clock import Clock
from tests.integration.portal.world import World

ONCE = re.compile(r'name="once" value="([^"]+)"')
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Browser:
    """What a browser does with forms and cookies."""

    def __init__(self, base: str) -> None:
        self.http = httpx.Client(base_url=base, follow_redirects=True)

    def open(self, path: str) -> httpx.Response:
        """Go there, wherever that leads."""
        return self.http.get(path)

    def send(self, path: str, page: str, **fields: Any) -> httpx.Response:
        """Send a form of *page*, as it stands there, with *fields*."""
        shown = self.open(page).text
        (token, *_) = TOKEN.findall(shown)
        once = ONCE.search(shown)
        keys = {"once": once[1]} if once else {}
        return self.http.post(path, data={"csrf_token": token, **keys, **fields})

    def sign_in(self, person: dict[str, Any], to: str = "") -> httpx.Response:
        """Sign in as *person*, a new client with its password."""
        path = "/sign-in" + (f"?to={to}" if to else "")
        return self.send(path, path, username=person["username"], password=person["password"])


def people_of(world: World) -> dict[str, Any]:
    """One person of each kind, new to the world, with their passwords."""
    name, tenant = f"p{token_hex(5)}", f"7{randbelow(10**16):016}"
    developer, admin, operator = (NewClient(name=f"{name}{kind}", username=f"{name}{kind}") for kind in "dao")
    wanted = Bootstrap(
        organizations=(NewOrganization(name=f"Acme {name}", clients=(developer,)),),
        tenants=(NewTenant(id=tenant, name="HVAC", clients=(admin,)),),
        operators=(operator,),
    )
    with world.engine.begin() as connection:
        made = install(connection, wanted, Clock())
    return {
        "developer": made["organizations"][0]["clients"][0],
        "admin": made["tenants"][0]["clients"][0],
        "operator": made["operators"][0],
    }
