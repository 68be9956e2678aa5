"""Pictures and tables inside Markdown: Dagster's UI shows no pictures elsewhere.

Drawing them is the business of `plots` and of the callers. The UI's renderer knows GitHub's tables
and no HTML. Its window is 80 % of the browser's width: 980 px of a screen of 1280.
"""

import base64
from collections.abc import Iterable, Sequence


def inline(picture: bytes, alt: str) -> str:
    """A PNG or JPEG as a Markdown image that carries its own bytes."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"![{alt}](data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')})"


def markdown_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are Markdown: pictures, links, `plain` text.

    None may hold a line break or a bare `|`.
    """
    return "\n".join([_line(heading), "|" + "---|" * len(heading), *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
