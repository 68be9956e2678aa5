"""Notes and pickings in the picture of a room's day: numbered lines, and words in the legend.

Only the numbers are drawn: what a note says stands in the list beside the picture.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.written_down import weight_text
from mushroom_assets.metadata.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SAME_LABEL = 45 * 60_000_000  # microseconds between notes: a number is so wide
LINE: dict[str, Any] = {"color": canvas.NOTE, "linewidth": 0.9, "linestyle": ":"}
NUMBER: dict[str, Any] = {
    "ha": "center",
    "va": "top",
    "fontsize": 8,
    "color": canvas.GROUND,
    "bbox": {"facecolor": canvas.NOTE, "edgecolor": "none", "pad": 1.5},
}


def mark(axes: "Axes", noted: Sequence[int]) -> None:
    """A line at each note's instant, with its number at the top; near ones share a label."""
    for at in noted:
        axes.axvline(at, **LINE)
    across = axes.get_xaxis_transform()
    for at, numbers in numbered(noted):
        axes.text(at, 0.98, numbers, transform=across, **NUMBER)


def numbered(noted: Sequence[int]) -> list[tuple[int, str]]:
    """Where a label stands, and the numbers in it: `2`, or `2–4` of notes within `SAME_LABEL`."""
    groups: list[list[int]] = []
    for number, at in enumerate(noted):
        if not groups or at - noted[groups[-1][0]] > SAME_LABEL:
            groups.append([])
        groups[-1].append(number)
    return [(noted[group[0]], _numbers(group[0] + 1, group[-1] + 1)) for group in groups]


def _numbers(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}–{last}"


def handles(farm: Farm, noted: Sequence[int], picked_kg: float | None) -> list[Any]:
    """What the legend says of notes and of what was picked."""
    from matplotlib.lines import Line2D

    found = []
    if noted:
        found.append(Line2D([], [], label=say("noted", farm), **LINE))
    if picked_kg is not None:
        told = say("picked", farm, weight=weight_text(picked_kg))
        found.append(Line2D([], [], linestyle="none", marker="*", color=canvas.NOTE, label=told))
    return found
