"""Ribbons on paper: the size the UI shows, few bytes, every glyph of both languages.

Marks stand where they belong.
"""

import io
import itertools
import re
import warnings
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_file import parse_farm
from mushroom_assets.domain.points import Point
from mushroom_assets.domain.ribbon import Ribbon, day_ribbons
from mushroom_assets.domain.sensors import RoomQuantity
from mushroom_assets.metadata.plots import canvas
from mushroom_assets.metadata.plots import ribbons as plots
from mushroom_assets.metadata.plots.written_down import numbered
from mushroom_assets_tests.kit.ribbons import day, ribbons

Pixels = npt.NDArray[np.int_]


def farm(language: str = "en", rooms: int = 4) -> Farm:
    names = ", ".join(f"'{600 + number}': {{}}" for number in range(rooms))
    return parse_farm(
        f"timezone: Asia/Shanghai\nfirst_day: 2026-01-01\nlanguage: {language}\nrooms: {{{names}}}"
    )


def temperatures(of: list[Ribbon]) -> list[Ribbon]:
    return [ribbon for ribbon in of if ribbon.quantity == "temperature"]


def pixels(png: bytes) -> Pixels:
    """Shape (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def share(picture: Pixels, colour: tuple[int, ...]) -> float:
    """How much of a picture has a colour."""
    return float((np.abs(picture - np.array(colour)).max(axis=2) <= 4).mean())


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_glyph_is_in_the_font(language: str) -> None:
    of = farm(language)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a glyph that no font has
        assert plots.overview(ribbons(of), of)
        assert plots.card([part for part in ribbons(of, gap_hours=5) if part.room_id == "600"], of)


@pytest.mark.parametrize(
    ("rooms", "limit"), [(4, 80_000), pytest.param(40, 600_000, marks=pytest.mark.long)]
)
def test_a_day_is_a_small_picture_as_wide_as_the_dialog_of_the_ui(rooms: int, limit: int) -> None:
    of = farm(rooms=rooms)
    png = plots.overview(ribbons(of), of)
    picture = Image.open(io.BytesIO(png))
    assert (picture.format, picture.width) == ("PNG", 980)
    assert picture.height > rooms * 100
    assert len(png) < limit


def test_hours_without_data_are_hatched() -> None:
    of = farm(rooms=1)
    own = temperatures(ribbons(of, value=18.0))
    gone = temperatures(ribbons(of, value=18.0, gap_hours=12))
    band = (228, 240, 233)  # 13 % of #2e8b57 on white; the hatching hides it
    whole = share(pixels(plots.card(own, of)), band)
    half = share(pixels(plots.card(gone, of)), band)
    assert half / whole == pytest.approx(0.5, abs=0.05)


def title_of(axes: Axes) -> Text:
    """The title as it stands on the sheet."""
    name = axes.get_title(loc="left")
    found = [text for text in axes.findobj(Text) if isinstance(text, Text)]
    return next(text for text in found if text.get_text() == name)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(
    ("gap_hours", "said"), [(0, ["100%"] * 3), (1, ["100%"] * 3 + ["96%"]), (12, ["50%"] * 4)]
)
def test_titles_say_the_share_in_band_or_how_little_is_known_and_keep_clear_of_each_other(
    language: str, gap_hours: int, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    of = farm(language)
    figures: list[Figure] = []

    def keep(figure: Figure) -> bytes:
        figures.append(figure)
        return b""

    monkeypatch.setattr(canvas, "png", keep)
    plots.overview(ribbons(of, gap_hours=gap_hours), of)
    titles = [title_of(axes) for axes in figures[0].axes]
    shares = [re.findall(r"\d+%", title.get_text()) for title in titles]
    assert list(itertools.chain.from_iterable(shares)) == said * 4
    boxes = [title.get_window_extent() for title in titles]
    for number, box in enumerate(boxes):
        assert box.x1 < 980
        assert number % 4 == 3 or box.x1 + 5 < boxes[number + 1].x0


def test_the_share_of_time_in_the_band_is_drawn_beside_it() -> None:
    of = farm(rooms=1)
    inside = temperatures(ribbons(of, value=18.0))
    above = temperatures(ribbons(of, value=25.0))
    orange = tuple(round(255 + 0.75 * (colour - 255)) for colour in (0xD9, 0x72, 0x2E))
    assert share(pixels(plots.card(inside, of)), orange) < 0.0005
    assert share(pixels(plots.card(above, of)), orange) > 0.005


def test_spikes_are_marked_also_where_the_picture_cuts_them() -> None:
    of = farm(rooms=1)
    plain = ribbons(of)
    at = np.array([plain[0].start + 5 * 3_600_000_000])
    purple = (0x8A, 0x2B, 0xE2)
    shares = []
    for value in ([], [18.5], [40.0]):
        spikes = (at[: len(value)], np.array(value))
        marked = [replace(plain[0], spikes=spikes), *plain[1:]]
        shares.append(share(pixels(plots.card(marked, of)), purple))
    assert 0 < shares[0] < shares[1]  # the legend has one
    assert shares[0] < shares[2]


def test_a_room_without_any_sample_is_a_panel_without_data() -> None:
    of = farm(rooms=2)
    none = {"point_id": np.empty(0, np.int32), "at": np.empty(0, np.int64), "value": np.empty(0)}
    sources: dict[RoomQuantity, list[Point]] = {
        place: [] for place in itertools.product(of.rooms, of.quantities)
    }
    nothing = day_ribbons(pd.DataFrame(none), day(of), sources, {}, of, {})
    assert pixels(plots.overview(nothing, of)).shape[1] == 980


def test_drawing_leaves_matplotlibs_settings_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.card(ribbons(farm(rooms=1)), farm(rooms=1))
    assert dict(matplotlib.rcParams) == before


def test_near_notes_share_a_label() -> None:
    minute = 60_000_000
    assert numbered([]) == []
    assert numbered([0, 46 * minute]) == [(0, "1"), (46 * minute, "2")]
    at = [0, 100 * minute, 120 * minute, 145 * minute, 146 * minute]
    assert numbered(at) == [(0, "1"), (100 * minute, "2–4"), (146 * minute, "5")]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_notes_are_marked_at_their_hour_and_the_picking_is_in_the_legend(
    language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = farm(language, rooms=1)
    own = ribbons(of)
    figures: list[Figure] = []

    def keep(figure: Figure) -> bytes:
        figures.append(figure)
        return b""

    monkeypatch.setattr(canvas, "png", keep)
    noted = [own[0].start + hours * 3_600_000_000 for hours in (9, 15)]
    plots.card(own, of, noted, 1812.54)
    plots.card(own, of)
    marked, plain = figures
    for axes, bare in zip(marked.axes, plain.axes, strict=True):
        found = [text for text in axes.texts if text.get_text() in ("1", "2")]
        assert bool(found) == bool(axes.get_title(loc="left"))  # the bars beside have none
        assert [text.get_position()[0] for text in found] == noted[: len(found)]
        lines = {line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1}  # type: ignore[arg-type,index]
        assert not found or lines >= set(noted)
        assert axes.get_ylim() == bare.get_ylim()
    said = [text.get_text() for text in marked.legends[0].get_texts()]
    more = said[len(plain.legends[0].get_texts()) :]
    assert (
        more
        == {
            "en": ["note (number in the list)", "picked: 1,812.5 kg"],
            "zh": ["记事（编号见列表）", "采收：1,812.5 公斤"],
        }[language]
    )
