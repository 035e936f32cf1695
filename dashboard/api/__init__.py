"""The JSON API: what the pages show, and more of it, for programs; the same words, and nobody sees more by it."""

from fastapi import APIRouter

from dashboard.api.apps import router as apps
from dashboard.api.rollouts import router as rollouts

router = APIRouter(prefix="/api/v1")
router.include_router(apps)
router.include_router(rollouts)
