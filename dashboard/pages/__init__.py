"""The pages: server-rendered, complete without a script, and looked at again by themselves with one."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from dashboard.pages import (
    account,
    alert,
    alerts,
    app,
    health,
    holding,
    message,
    messages,
    overview,
    people,
    receivers,
    rollout,
    settings,
    silences,
    tenant,
    tenants,
    tokens,
    trail,
    views,
)

router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)
for _part in (
    overview,
    rollout,
    # After what is asked of one, for its id may have slashes in it.
    app,
    tenants,
    tenant,
    alerts,
    holding,
    silences,
    alert,
    messages,
    message,
    health,
    settings,
    receivers,
    people,
    tokens,
    trail,
    account,
    views,
):
    router.include_router(_part.router)
