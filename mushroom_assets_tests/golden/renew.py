"""Make the golden files anew, and print what is another: `python -m ...golden.renew`."""

import tempfile
from pathlib import Path

import click

from mushroom_assets.service.postgres import embedded_postgres
from mushroom_assets.storage import migrations
from mushroom_assets.storage.connection import Database
from mushroom_assets_tests.golden import kept
from mushroom_assets_tests.golden.figures import compute


def main() -> None:
    """Write them."""
    with (
        tempfile.TemporaryDirectory(prefix="golden-") as folder,
        embedded_postgres(Path(folder) / "pg") as uri,
    ):
        database = Database(uri)
        with database.transaction() as connection:
            migrations.upgrade(connection)
        figures = compute(database)
        database.dispose()
    if kept.SUMMARY.exists():
        lines = kept.differences(kept.read(), figures)
        click.echo("\n".join(lines) or "nothing is another")
    kept.write(figures)


if __name__ == "__main__":
    main()
