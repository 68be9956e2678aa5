"""Bounds of the numbers that subcommands take: a value outside them is refused before any work.

What an option means and what it is when unset stands at its subcommand.
"""

import click

MOST_DAYS = 3660  # ten years

PORT = click.IntRange(1, 65535)
SEED = click.IntRange(min=0)
ATTEMPTS = click.IntRange(min=1)
WAIT_S = click.FloatRange(0, 3600)
ROOMS = click.IntRange(min=1)
DAYS = click.IntRange(0, MOST_DAYS)  # 0: today alone
FULL_DAYS = click.IntRange(1, MOST_DAYS)  # results are of full days
