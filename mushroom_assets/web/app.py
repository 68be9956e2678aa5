"""The pages of the server: `/healthz`, `/readyz` and `/metrics`.

No request waits for the database in a thread of its own: all share what is asked (`service.looks`).
"""

from typing import Any

from fastapi import FastAPI, Request, Response
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


def build_app(watching: Watching) -> FastAPI:
    """The application over a farm's watch."""
    app = FastAPI(title="mushroom_assets", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        """The process lives; nothing else is asked."""
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        """Whether the farm can do its work, else all reasons with their remedies."""
        found = await watching.readiness()
        body: dict[str, Any] = {
            "ready": not found.reasons,
            "parts": found.parts,
            "reasons": [reason._asdict() for reason in found.reasons],
        }
        return JSONResponse(body, status_code=NOT_READY if found.reasons else 200)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        """All metrics, in the format that the scraper accepts."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        scrape: Any = Scrape(await watching.metrics())
        return Response(encode(scrape), headers={"Content-Type": content_type})

    return app
