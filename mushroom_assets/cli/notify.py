"""`mushroom notify`: whom the farm tells, and a test message to each.

What is told lives in `domain.message`, how it is sent in `automation.targets`.
"""

import sys

import click

from mushroom_assets.automation.targets import NotDelivered, Target
from mushroom_assets.cli.command import fail
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.settings import load_settings


@click.command(short_help="List whom the farm tells; send them a test message.")
@click.option("--test", is_flag=True, help="Send each a message, and say whether it was taken.")
def notify(*, test: bool) -> None:
    """List who is told of rooms and failed runs, without the secrets of MUSHROOM_NOTIFY.

    Exit code 1 where there is nobody, or one did not take the test message.
    """
    settings = load_settings()
    if not settings.notify:
        fail(
            "nobody is told of anything. Remedy: set MUSHROOM_NOTIFY to one or more URLs as "
            "https://github.com/caronc/apprise/wiki shows them"
        )
    farm = settings.read_farm()
    told = [_tell(Target(url), farm, test=test) for url in settings.notify]
    sys.exit(0 if all(told) else 1)


def _tell(target: Target, farm: Farm, *, test: bool) -> bool:
    """Print a line about a target; whether it is of use."""
    try:
        name = target.name
        if test:
            title = say("notify_test.title", farm)
            target.deliver(title, say("notify_test.body", farm), good=True)
    except NotDelivered as fault:
        click.echo(f"failed  {fault}")
        return False
    click.echo(f"{'taken ' if test else 'told  '}  {name}")
    return True
