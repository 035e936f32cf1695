"""The demo goes on: five times a minute a tenant upgrades, now and then one comes or goes, or a version is released."""

import time
from random import Random
from typing import Any

import structlog

from worker.demo.hands import RefusedError
from worker.demo.people import People
from worker.demo.story import PLOTS

log = structlog.get_logger()

PAUSE_SECONDS = (8.0, 16.0)
# One tenant in so many never upgrades: there is always somebody to remind.
STUBBORN = 4
RELEASE_EVERY, COME_OR_GO_EVERY = 40, 15
EXTRA = ("tn.rpt.reports:r", "tn.tsm.tasks:r", "tn.tel.optouts:r", "tn.sal.proposals:r", "tn.stt.businessunits:r")


class Life:
    """What everybody does from now on."""

    def __init__(self, people: People, random: Random) -> None:
        self.people = people
        self.random = random
        self.acted = 0
        self.comes = True

    def go_on(self) -> None:
        """Act until this process is ended; a portal that does not answer is asked again later."""
        while True:
            time.sleep(self.random.uniform(*PAUSE_SECONDS))
            try:
                self.act()
            except RefusedError as refused:
                log.warning("demo.refused", error=str(refused))

    def act(self) -> None:
        """Let one thing happen: mostly an upgrade; a release when it is time for one, or when nobody lags."""
        self.acted += 1
        apps = [app for app in self._listed("/apps") if app["approvalStatus"] == "approved" and app["active"]]
        self.random.shuffle(apps)
        if self.acted % COME_OR_GO_EVERY == 0 and self._come_or_go(apps):
            return
        if self.acted % RELEASE_EVERY == 0 or not any(self._upgrade(app) for app in apps):
            self._release(apps)

    def _upgrade(self, app: dict[str, Any]) -> bool:
        """Let one tenant of the app accept its latest version; False when nobody is left who would."""
        latest = app["latestVersion"]
        behind = self._listed(f"/apps/{app['id']}/connections", status="connected", versionLessThan=latest)
        willing = [one for one in behind if int(one["resourceOwner"]["id"]) % STUBBORN]
        if not willing:
            return False
        tenant = self.random.choice(willing)["resourceOwner"]["id"]
        self.people.access(tenant, app["id"], "upgrade", {"version": latest})
        log.info("demo.acted", what="upgraded", tenant=tenant, app=app["name"], version=latest)
        return True

    def _come_or_go(self, apps: list[dict[str, Any]]) -> bool:
        """One comes, the next time one goes; False when there is nobody to."""
        self.comes = not self.comes
        status, verb = ("notConnected,disconnected", "allow") if self.comes else ("connected", "revoke")
        for app in apps:
            found = self._listed(f"/apps/{app['id']}/connections", status=status)
            if found:
                tenant = self.random.choice(found)["resourceOwner"]["id"]
                self.people.access(tenant, app["id"], verb)
                what = "connected" if self.comes else "revoked"
                log.info("demo.acted", what=what, tenant=tenant, app=app["name"])
                return True
        return False

    def _release(self, apps: list[dict[str, Any]]) -> None:
        names = {plot.name for plot in PLOTS}
        for app in apps:
            scopes = self._scopes(app["id"])
            extra = [scope for scope in EXTRA if scope not in scopes]
            # Scopes never pile up: when all are there, they go at once, which nobody has to accept.
            wanted = {*scopes, self.random.choice(extra)} if extra else scopes - {*EXTRA}
            if app["name"] in names:
                version = self.people.release(app["id"], tuple(sorted(wanted)))
                log.info("demo.acted", what="released", app=app["name"], version=version)
                return

    def _scopes(self, app: int) -> set[str]:
        (latest, *_) = self._listed(f"/apps/{app}/versions", pageSize=1)
        return {
            f"{scope['name']}:{level}"
            for scope in latest["scopes"]
            for level, asked in (("r", scope["view"]), ("w", scope["modify"]))
            if asked
        }

    def _listed(self, path: str, **query: Any) -> list[dict[str, Any]]:
        asked = "&".join(f"{name}={value}" for name, value in ({"pageSize": 500} | query).items())
        found: list[dict[str, Any]] = self.people.develop("GET", f"{path}?{asked}")["data"]
        return found
