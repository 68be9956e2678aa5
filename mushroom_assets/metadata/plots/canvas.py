"""The sheet that plots are drawn on: size, font, colours, and how it becomes a small PNG.

What is drawn is the business of the modules beside it.
"""

import importlib.util
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
WIDTH = 980  # pixels: what the dialog of the UI leaves a picture on a screen of 1280
COLOURS = 128  # of the palette: a third of the bytes of full colour, and no difference to the eye
INK = "#222222"
FAINT = "#8a8a8a"
GROUND = "#ffffff"
MEDIAN = "#1f4e79"
QUARTILES = "#7fb0dc"
EXTREMES = "#d5e6f5"
BAND = "#2e8b57"
BELOW = "#3b6fb6"
ABOVE = "#d9722e"
SPIKE = "#8a2be2"
NOTE = "#b3261e"
SETPOINTS = ("#b5179e", "#7b4a12", "#c08a00", "#5a3e9b")
GAP = "#8f8f8f"
GROUND_OF_GAP = "#d6d6d6"


def _font() -> Path:
    """Noto Sans SC, found without importing its package: that would change matplotlib."""
    spec = importlib.util.find_spec("zhplot")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "zhplot, which carries the font of the plots, is not installed: pip install zhplot"
        )
    return Path(spec.origin).parent / "fonts" / "NotoSansSC-Regular.ttf"


@contextmanager
def style() -> Iterator[None]:
    """Matplotlib's settings while a sheet is drawn."""
    import matplotlib
    from matplotlib import font_manager

    font_manager.fontManager.addfont(_font())
    settings: Any = {
        "font.family": ["Noto Sans SC", "DejaVu Sans"],
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "axes.edgecolor": FAINT,
        "axes.linewidth": 0.6,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": False,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "xtick.major.size": 3,
        "ytick.major.size": 3,
        "hatch.linewidth": 0.5,
        "figure.facecolor": GROUND,
    }
    with matplotlib.rc_context(settings):
        yield


def sheet(height: float) -> "Figure":
    """An empty sheet, `height` in pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def png(figure: "Figure") -> bytes:
    """The sheet as a PNG of few colours."""
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="rgba")
    width, height = (round(float(side) * DPI) for side in figure.get_size_inches())
    picture = Image.frombytes("RGBA", (width, height), drawn.getvalue()).convert("RGB")
    small = io.BytesIO()
    few = picture.quantize(COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(small, "PNG", optimize=True)
    return small.getvalue()
