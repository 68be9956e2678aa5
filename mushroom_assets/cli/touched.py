"""Which partitions an input touches, as lines of text."""

import datetime as dt
from collections.abc import Sequence

import click

from mushroom_assets.domain import reach
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.reach import Touched


def tell_touched(touched: Sequence[Touched], farm: Farm) -> None:
    """Which partitions are made anew by an input, or made of it: a line an asset."""
    for asset, (count, first, last) in reach.summed(touched, dt.datetime.now(dt.UTC), farm).items():
        stretch = first if count == 1 else f"{first} to {last}"
        click.echo(f"touches {count} of {asset}: {stretch}")
