"""Who may scrape, and what they see."""

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from config.settings import settings
from dashboard.access import METRICS, Caller
from dashboard.metrics.answer import Figures

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
def metrics(request: Request, caller: Annotated[Caller | None, METRICS]) -> Response:
    """Figures for Prometheus; apps by name only for who shows that they may see all of them."""
    figures: Figures = request.app.state.figures
    apps = settings().metrics_apps if caller is not None and caller.sources is None else 0
    return Response(figures.text(apps=apps), media_type=CONTENT_TYPE_PLAIN_0_0_4)
