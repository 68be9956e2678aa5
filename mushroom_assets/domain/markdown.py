"""Texts within Markdown: names as they are, and what people typed, made harmless.

The UI reads GitHub's dialect: it makes links of bare addresses too, after it has taken the
backslashes away.
"""

import re
import unicodedata

MARKUP = re.compile(r"([\\`*_\[\]<>|~#])")
# A word joiner has no width. Where it stands, no address is recognised.
JOINER = "\u2060"
ADDRESS = re.compile(r"(?=://|@)|(?<=www)(?=\.)", re.IGNORECASE)
# Classes of marks that turn the direction of what follows
TURNING = {"RLE", "LRE", "RLO", "LRO", "PDF", "RLI", "LRI", "FSI", "PDI"}


def plain(text: str) -> str:
    """A text that Markdown shows as it is, `<room>_<camera>` too."""
    return MARKUP.sub(r"\\\1", " ".join(text.split()))


def harmless(text: str, longest: int) -> str:
    """What people typed, in one line: no markup, no link, nothing that turns the line around.

    Args:
        text: whatever a table holds.
        longest: characters that are shown of it.
    """
    seen = "".join(sign for sign in text[: longest + 1] if sign.isspace() or not steers(sign))
    cut = seen if len(text) <= longest else f"{seen[:longest]}…"
    return ADDRESS.sub(JOINER, plain(cut).replace("&", "\\&"))


def steers(sign: str) -> bool:
    """Whether a character is none to be seen: of control, half a one, or a mark of direction.

    Not the joiners in emoji.
    """
    turns = unicodedata.bidirectional(sign) in TURNING
    return turns or unicodedata.category(sign) in ("Cc", "Cs")
