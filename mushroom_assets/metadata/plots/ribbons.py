"""A room's day as ribbons: median, quartiles and extremes by quarter of an hour.

They are drawn against band, setpoints and gaps. Their numbers are computed in `domain.ribbon`.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from itertools import chain, cycle, groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.held import Beside
from mushroom_assets.domain.ribbon import BIN, Ribbon
from mushroom_assets.domain.series import Values
from mushroom_assets.domain.texts import at_most, known_text, quantity_name, say, share_text
from mushroom_assets.domain.windows import to_instant
from mushroom_assets.metadata.plots import canvas, written_down

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Pixels of height
PANEL = 142
CARD_PANEL = 190
HEAD = 6
FOOT = 54
# Pixels around a panel, inside its cell
LEFT = 46
RIGHT = 84
RIGHT_OF_MANY = 14  # where there are more than two columns
BOTTOM = 24
TOP = 22
HOUR = 3_600_000_000  # microseconds
LABELLED_GAP = HOUR  # a shorter one has no room for words
HATCHED: dict[str, Any] = {
    "facecolor": canvas.GROUND_OF_GAP,
    "edgecolor": canvas.GAP,
    "hatch": "////",
}
SPIKES: dict[str, Any] = {
    "linestyle": "none",
    "marker": "x",
    "markersize": 4,
    "color": canvas.SPIKE,
}
SETPOINT_LINE: dict[str, Any] = {"linestyle": (0, (4, 2)), "linewidth": 1.1}


def overview(ribbons: Sequence[Ribbon], farm: Farm) -> bytes:
    """All rooms of a day below one another, a quantity a column; PNG."""
    rooms = [list(group) for _, group in groupby(ribbons, key=lambda ribbon: ribbon.room_id)]
    columns = max(map(len, rooms))
    colours = _colours(ribbons)
    with canvas.style():
        figure = canvas.sheet(HEAD + PANEL * len(rooms) + FOOT)
        for row, room in enumerate(rooms):
            for column, ribbon in enumerate(room):
                axes = _axes(figure, row, column, len(rooms), columns)
                name = f"{ribbon.room_id} · " if column == 0 else ""
                axes.set_title(f"{name}{_title(ribbon, farm)}", fontsize=9, pad=3)
                _draw(axes, ribbon, farm, colours, every=6)
        _legend(figure, farm, colours)
        return canvas.png(figure)


def card(
    ribbons: Sequence[Ribbon],
    farm: Farm,
    noted: Sequence[int] = (),
    picked_kg: float | None = None,
) -> bytes:
    """One room's day, two panels a row, each with the share of time below, in and above its band.

    Args:
        ribbons: of the room.
        farm: its language.
        noted: instants of the day's notes, in time: each is marked with its number.
        picked_kg: what was picked on the day; it has no hour, and stands in the legend.

    Returns:
        a PNG.
    """
    rows = -(-len(ribbons) // 2)
    colours = _colours(ribbons)
    with canvas.style():
        figure = canvas.sheet(HEAD + CARD_PANEL * rows + FOOT)
        for place, ribbon in enumerate(ribbons):
            axes = _axes(figure, place // 2, place % 2, rows, 2)
            axes.set_title(_title(ribbon, farm), pad=4)
            _draw(axes, ribbon, farm, colours, every=3)
            if ribbon.shares:
                _shares(axes, ribbon.shares)
            written_down.mark(axes, noted)
        _legend(figure, farm, colours, written_down.handles(farm, noted, picked_kg))
        return canvas.png(figure)


def _axes(figure: "Figure", row: int, column: int, rows: int, columns: int) -> "Axes":
    """The place of a panel: same margins in pixels whatever the size of the sheet."""
    width, height = (float(side) * canvas.DPI for side in figure.get_size_inches())
    cell = width / columns
    line = (height - HEAD - FOOT) / rows
    right = RIGHT_OF_MANY if columns > 2 else RIGHT
    box = (
        (column * cell + LEFT) / width,
        (height - HEAD - (row + 1) * line + BOTTOM) / height,
        (cell - LEFT - right) / width,
        (line - BOTTOM - TOP) / height,
    )
    return figure.add_axes(box)


def _title(ribbon: Ribbon, farm: Farm) -> str:
    """Quantity, unit and the share in band, or without a band how much is known.

    There is room for one of them.
    """
    name = f"{quantity_name(ribbon.quantity, farm)} {ribbon.unit}"
    if ribbon.shares:
        return f"{name}   {say('in_band', farm, share=at_most(ribbon.shares.inside))}"
    return f"{name}   {known_text(ribbon.coverage, farm)}".rstrip()


def _draw(axes: "Axes", ribbon: Ribbon, farm: Farm, colours: Mapping[str, str], every: int) -> None:
    low, q25, median, q75, high = ribbon.quantiles
    if ribbon.band:
        axes.axhspan(*ribbon.band, color=canvas.BAND, alpha=0.13, linewidth=0)
        for edge in ribbon.band:
            axes.axhline(edge, color=canvas.BAND, linewidth=0.7)
    edges = np.append(ribbon.bins, ribbon.bins[-1] + BIN)
    for bottom, top, colour in ((low, high, canvas.EXTREMES), (q25, q75, canvas.QUARTILES)):
        axes.fill_between(edges, _held(bottom), _held(top), step="post", color=colour, linewidth=0)
    axes.plot(ribbon.bins + BIN / 2, median, color=canvas.MEDIAN, linewidth=1.3)
    for steps in ribbon.setpoints:
        at = np.append(np.clip(steps.at, ribbon.start, ribbon.end), ribbon.end)
        colour = colours[steps.name]
        axes.step(at, _held(steps.value), where="post", color=colour, **SETPOINT_LINE)
    _gaps(axes, ribbon, farm)
    axes.set_xlim(ribbon.start, ribbon.end)
    axes.set_ylim(*_limits(ribbon))
    _marks(axes, ribbon)
    _hours(axes, ribbon, farm, every)
    axes.locator_params(axis="y", nbins=4)


def _held(values: Any) -> Any:
    return np.append(values, values[-1])


def _limits(ribbon: Ribbon) -> tuple[float, float]:
    """Band, setpoints, quartiles and extremes, with a little air.

    A lone spike does not press the rest flat.
    """
    low, q25, _, q75, high = ribbon.quantiles
    band = np.array(ribbon.band or ())
    setpoints = [steps.value for steps in ribbon.setpoints]
    everything = np.concatenate([q25, q75, _ends(low), _ends(high), band, *setpoints])
    everything = everything[~np.isnan(everything)]
    if not everything.size:
        return 0, 1
    bottom = float(everything.min())
    top = float(everything.max())
    air = 0.06 * (top - bottom) or 0.5
    return bottom - air, top + air


def _ends(values: Values) -> Values:
    """All but the two farthest at either end: half an hour of spikes."""
    return np.sort(values[~np.isnan(values)])[2:-2]


def _marks(axes: "Axes", ribbon: Ribbon) -> None:
    """A cross at each spike, and a tip at the edge where the picture cuts spike or extreme."""
    bottom, top = axes.get_ylim()
    low, _, _, _, high = ribbon.quantiles
    middles = ribbon.bins + BIN / 2
    at = np.concatenate([ribbon.spikes[0], middles, middles])
    value = np.concatenate([ribbon.spikes[1], low, high])
    is_spike = np.arange(at.size) < ribbon.spikes[0].size
    with np.errstate(invalid="ignore"):
        above = value > top
        below = value < bottom
    inside = is_spike & ~above & ~below
    for shape, edge, chosen in (("x", None, inside), ("^", top, above), ("v", bottom, below)):
        height = value[chosen] if edge is None else np.full(int(chosen.sum()), edge)
        axes.plot(at[chosen], height, clip_on=False, **(SPIKES | {"marker": shape}))


def _gaps(axes: "Axes", ribbon: Ribbon, farm: Farm) -> None:
    paper = {"facecolor": canvas.GROUND, "edgecolor": "none", "pad": 1.5}
    words: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 8, "bbox": paper}
    long = LABELLED_GAP * (4 if axes.get_position().width < 0.3 else 2)
    for start, end in ribbon.gaps:
        axes.axvspan(start, end, linewidth=0, **HATCHED)
        if end - start >= long:
            across = axes.get_xaxis_transform()
            axes.text((start + end) / 2, 0.5, say("no_data", farm), transform=across, **words)


def _hours(axes: "Axes", ribbon: Ribbon, farm: Farm, every: int) -> None:
    """Ticks at the farm's full hours, which on a day of 23 or 25 hours are not evenly spaced."""
    instants = range(ribbon.start, ribbon.end + 1, HOUR)
    local = [(at, to_instant(at).astimezone(farm.zone)) for at in instants]
    shown = [(at, when) for at, when in local if when.hour % every == 0 and when.minute == 0]
    axes.set_xticks([at for at, _ in shown], [_clock(at, when, ribbon) for at, when in shown])


def _clock(at: int, when: dt.datetime, ribbon: Ribbon) -> str:
    return "24" if at == ribbon.end else f"{when.hour}"


def _shares(axes: "Axes", shares: Beside) -> None:
    """A bar beside the panel: below at the bottom, above at the top, as the band lies."""
    bar = axes.inset_axes((1.02, 0.0, 0.035, 1.0))
    bottom = 0.0
    parts = (shares.below, shares.inside, shares.above)
    for share, colour in zip(parts, (canvas.BELOW, canvas.BAND, canvas.ABOVE), strict=True):
        bar.bar(0, share, bottom=bottom, width=1, color=colour, alpha=0.75)
        if share >= 0.005:
            middle = bottom + share / 2
            bar.text(0.75, middle, share_text(share), fontsize=8, va="center", color=canvas.INK)
        bottom += share
    bar.set_xlim(-0.5, 0.5)
    bar.set_ylim(0, 1)
    bar.axis("off")


def _colours(ribbons: Sequence[Ribbon]) -> dict[str, str]:
    """A colour for each setpoint of the sheet, by its name."""
    setpoints = chain.from_iterable(ribbon.setpoints for ribbon in ribbons)
    names = dict.fromkeys(steps.name for steps in setpoints)
    return dict(zip(names, cycle(canvas.SETPOINTS), strict=False))


def _legend(
    figure: "Figure", farm: Farm, colours: Mapping[str, str], more: Sequence[Any] = ()
) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    marks: list[Any] = [
        Line2D([], [], color=canvas.MEDIAN, label=say("median", farm)),
        Patch(color=canvas.QUARTILES, label=say("quartiles", farm)),
        Patch(color=canvas.EXTREMES, label=say("extremes", farm)),
        Patch(facecolor=canvas.BAND, alpha=0.25, label=say("band", farm)),
        Patch(label=say("no_data", farm), **HATCHED),
        Line2D([], [], label=say("spikes", farm), **SPIKES),
    ]
    for name, colour in colours.items():
        marks.append(Line2D([], [], color=colour, label=name, **SETPOINT_LINE))
    marks += more
    figure.legend(
        handles=marks,
        loc="lower center",
        ncols=-(-len(marks) // 2),
        frameon=False,
        fontsize=9,
        columnspacing=1.4,
    )
