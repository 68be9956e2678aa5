"""The server's process: it listens, and waits for nobody."""

import logging

import uvicorn

from mushroom_assets.service.home import require_free_port
from mushroom_assets.service.watching import Watching
from mushroom_assets.settings import Settings
from mushroom_assets.web.access import Access
from mushroom_assets.web.app import build_app
from mushroom_assets.web.place import Place

log = logging.getLogger(__name__)
ENDS_WITHIN_S = 5  # whoever is being answered when it is stopped


def serve(settings: Settings, host: str, port: int, *, is_read_only: bool = False) -> None:
    """Serve until the process is asked to end; read-only, nobody changes anything by it.

    Raises:
        ServerError: nothing can listen on the port.
    """
    require_free_port(host, port)
    access = Access.of(settings, host, is_read_only=is_read_only)
    config = uvicorn.Config(
        build_app(Place(settings), Watching(settings), access),
        host=host,
        port=port,
        log_config=None,  # the command has set up logging
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=ENDS_WITHIN_S,
    )
    log.info("the farm's page listens on http://%s:%d", host, port)
    uvicorn.Server(config).run()
