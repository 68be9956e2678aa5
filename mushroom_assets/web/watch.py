"""For machines: `/healthz`, `/readyz` and `/metrics`."""

from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from mushroom_assets.service.watching import Watching

NOT_READY = 503


class Scrape:
    """The metrics of one scrape, as prometheus_client wants a registry."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        """The metrics."""
        return self._metrics


def watch_router(watching: Watching) -> APIRouter:
    """The routes over a farm's watch."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process lives; nothing else is asked."""
        return {"status": "alive"}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """Whether the farm can do its work, else all reasons with their remedies."""
        found = await watching.readiness()
        body: dict[str, Any] = {
            "ready": not found.reasons,
            "parts": found.parts,
            "reasons": [reason._asdict() for reason in found.reasons],
        }
        return JSONResponse(body, status_code=NOT_READY if found.reasons else 200)

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        """All metrics, in the format that the scraper accepts."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        scrape: Any = Scrape(await watching.metrics())
        return Response(encode(scrape), headers={"Content-Type": content_type})

    return router
