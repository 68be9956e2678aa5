"""Can Dagster's run launcher be loaded? Asked before anything is queued that it would burn.

Nothing is launched here.
"""

import dagster as dg

from mushroom_assets.service.home import ServerError
from mushroom_assets.settings import Settings


def load_run_launcher(settings: Settings) -> str:
    """The launcher's name.

    Raises:
        ServerError: its module or class cannot be loaded, or its configuration is refused.
    """
    with dg.DagsterInstance.get() as instance:
        try:
            return type(instance.run_launcher).__name__
        # Whatever a class of someone else's raises: no run could be launched
        except Exception as error:
            told = " ".join(str(error).split())
            file = settings.dagster_home / "dagster.yaml"
            raise ServerError(
                f"the run launcher of {file} cannot be loaded: {type(error).__name__}: {told}. "
                f"Remedy: correct `run_launcher` there, or install what it names; "
                "without it every queued run would fail"
            ) from error
