"""The JSON API: what the pages show, and more of it, for programs; the same words, and nobody sees more by it."""

from fastapi import APIRouter

from dashboard.api.accounts import router as accounts
from dashboard.api.alerts import router as alerts
from dashboard.api.apps import by_key
from dashboard.api.apps import router as apps
from dashboard.api.events import router as events
from dashboard.api.messages import router as messages
from dashboard.api.operations import router as operations
from dashboard.api.rollouts import router as rollouts
from dashboard.api.silences import router as silences
from dashboard.api.tenants import router as tenants

router = APIRouter(prefix="/api/v1")
for part in (apps, rollouts, tenants, alerts, silences, events, messages, operations, accounts, by_key):
    router.include_router(part)
