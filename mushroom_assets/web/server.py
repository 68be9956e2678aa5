"""The server's process: it listens, and waits for nobody."""

import asyncio
import contextlib
import logging
import threading

import uvicorn

from mushroom_assets.domain.farm_file import FarmFileError
from mushroom_assets.service.home import require_free_port
from mushroom_assets.service.watching import Watching
from mushroom_assets.settings import Settings
from mushroom_assets.web.access import Access
from mushroom_assets.web.app import build_app
from mushroom_assets.web.morning import read_rooms
from mushroom_assets.web.place import Place
from mushroom_assets.web.reading import NotThere
from mushroom_assets.web.rendering import environment

log = logging.getLogger(__name__)
KEPT_S = 75  # a phone asks again in 20 s: it need not connect again
ENDS_WITHIN_S = 5  # whoever is being answered when it is stopped


def serve(settings: Settings, host: str, port: int, *, is_read_only: bool = False) -> None:
    """Serve until the process is asked to end; read-only, nobody changes anything by it.

    Raises:
        ServerError: nothing can listen on the port.
    """
    require_free_port(host, port)
    place = Place(settings)
    threading.Thread(target=_warm, args=(place,), daemon=True).start()
    access = Access.of(settings, host, is_read_only=is_read_only)
    config = uvicorn.Config(
        build_app(place, Watching(settings), access),
        host=host,
        port=port,
        log_config=None,  # the command has set up logging
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=ENDS_WITHIN_S,
        timeout_keep_alive=KEPT_S,
    )
    log.info("the farm's page listens on http://%s:%d", host, port)
    uvicorn.Server(config).run()


def _warm(place: Place) -> None:
    """Do once what makes a first page slow: 0.7 s of templates, texts and connecting."""
    templates = environment()
    for name in templates.list_templates():
        templates.get_template(name)
    with contextlib.suppress(NotThere, FarmFileError):  # whoever asks is told
        asyncio.run(place.reader.shared("rooms", lambda connection: read_rooms(connection, place)))
