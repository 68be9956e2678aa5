"""What people may write for a label: its name in the farm file, or its text in any language.

Capitals, blanks and full-width letters are forgiven. What a label means is the business of `farm`.
"""

import re
import unicodedata
from collections.abc import Mapping

from mushroom_assets.domain.farm_parts import Label


class LabelNames:
    """The labels of one kind, by all that stands for each."""

    def __init__(self, labels: Mapping[str, Label]) -> None:
        self._labels = labels
        self._meant: dict[str, set[str]] = {}
        for name, label in labels.items():
            for written in (name, *_texts(label)):
                self._meant.setdefault(_plain(written), set()).add(name)

    def meant(self, written: str) -> list[str]:
        """The labels that a text may stand for, in the farm file's order.

        A name as the farm file has it stands for its label, whatever else has it for a text.
        """
        if written in self._labels:
            return [written]
        found = self._meant.get(_plain(written), set())
        return [name for name in self._labels if name in found]

    def writable(self) -> str:
        """What can be written: `blotch (bacterial blotch, 细菌性褐斑), healthy (健康)`."""
        told = []
        for name, label in self._labels.items():
            # By what is compared: no text twice, nor one that differs from the name in blanks alone
            others = {_plain(text): text for text in _texts(label)}
            others.pop(_plain(name), None)
            told.append(f"{name} ({', '.join(others.values())})" if others else name)
        return ", ".join(told)


def _texts(label: Label) -> list[str]:
    if isinstance(label.text, dict):
        return list(label.text.values())
    return [] if label.text is None else [label.text]


def _plain(written: str) -> str:
    """A text without what is forgiven."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", written).casefold())
