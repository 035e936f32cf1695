"""The JSON API: what the pages show, and more of it, for programs; the same words, and nobody sees more by it."""

from fastapi import APIRouter

from dashboard.api.accounts import router as accounts
from dashboard.api.apps import router as apps
from dashboard.api.tenants import router as tenants

router = APIRouter(prefix="/api/v1")
for part in (apps, tenants, accounts):
    router.include_router(part)
