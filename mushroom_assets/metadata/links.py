"""Links between the pages of the UI, and to the farm's page, in Markdown.

Those of the UI hold behind a proxy's path too.

What a page says lives in `pages` and the nouns' modules.
"""

import datetime as dt

from mushroom_assets.domain.message import Links
from mushroom_assets.domain.names import REPORT
from mushroom_assets.settings import load_settings


def link(text: str, asset: str, partition: str | None = None) -> str:
    """A link to an asset's page, or to one of its partitions."""
    shown = "" if partition is None else f"?view=partitions&partition={partition}"
    return f"[{text}]({load_settings().path_prefix}/assets/{asset}{shown})"


def room_link(text: str, room: str, day: dt.date) -> str:
    """A link to a room's day on the farm's page; the text alone where the page has no address."""
    settings = load_settings()
    if not settings.page_url:
        return text
    address = Links(settings.page_url, "").room(room, day, REPORT)
    return f"[{text}]({address})"
