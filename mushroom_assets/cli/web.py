"""`mushroom web`: the farm's own server, for growers and for who watches it.

What it answers lives in `web`, what it counts and judges in `service`.
"""

import click

from mushroom_assets.cli import options
from mushroom_assets.cli.ground import addressed
from mushroom_assets.service.home import prepare_dagster_home
from mushroom_assets.web.server import serve


@click.command()
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 for other machines.",
)
@click.option("--port", default=3001, show_default=True, type=options.PORT, help="Its port.")
@options.READ_ONLY
def web(*, host: str, port: int, read_only: bool) -> None:
    """Serve the farm's page, its health and metrics for Prometheus.

    Everybody may read. To change something takes MUSHROOM_PAGE_PASSWORD, or a browser on this
    machine while no other can reach the page. Starts with the database away, and tells the truth
    of a farm of which nothing else lives.
    """
    settings = addressed()
    prepare_dagster_home(settings)
    serve(settings, host, port, is_read_only=read_only)
