"""Links between the pages of the UI, in Markdown; they hold behind a proxy's path too.

What a page says lives in `pages` and the nouns' modules.
"""

from mushroom_assets.settings import load_settings


def link(text: str, asset: str, partition: str | None = None) -> str:
    """A link to an asset's page, or to one of its partitions."""
    shown = "" if partition is None else f"?view=partitions&partition={partition}"
    return f"[{text}]({load_settings().path_prefix}/assets/{asset}{shown})"
