"""The pages: server-rendered, complete without a script, and looked at again by themselves with one."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from dashboard.pages import alert, alerts, app, holding, overview, rollout, silences, tenant, tenants

router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)
for _part in (overview, app, rollout, tenants, tenant, alerts, holding, silences, alert):
    router.include_router(_part.router)
