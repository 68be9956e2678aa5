"""The words beside a camera's picture: place and time, and what the models say of it.

Rows are those of `daily_clip_inference` that have a vector: labels, scores, camera and capture are
never None in them. All is in the farm's language; captions are Markdown, words are not.
`contact_sheet` and `alike` decide which pictures are shown.
"""

import datetime as dt
from typing import Literal, cast

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_row import DailyClipInference
from mushroom_assets.domain.markdown import plain
from mushroom_assets.domain.origin import is_known
from mushroom_assets.domain.texts import say, share_text
from mushroom_assets.domain.vision import UNKNOWN, Kind, label_text, leading_two

Row = DailyClipInference
PROBABILITY: dict[Kind, Literal["stage_probability", "condition_probability"]] = {
    "stage": "stage_probability",
    "condition": "condition_probability",
}


def label_caption(kind: Kind, row: Row, farm: Farm) -> str:
    """`label_words` as Markdown."""
    return plain(label_words(kind, row, farm))


def label_words(kind: Kind, row: Row, farm: Farm) -> str:
    """`fruiting 97%`; for an image without a clear lead `unknown (fruiting 41%)`.

    Of a picture that is unlike all that the model learned, a guess would say nothing.
    """
    name = cast(str, row[kind])
    told = label_text(kind, name, farm)
    share = share_text(row[PROBABILITY[kind]])
    if name != UNKNOWN:
        return f"{told} {share}"
    if row["familiarity"] is not None and not is_known(row, farm):
        return say("foreign_label", farm, unknown=told)
    leading = leading_two(scores_of(kind, row))[0][0]
    likeliest = f"{label_text(kind, leading, farm)} {share}"
    return say("unsure_label", farm, unknown=told, likeliest=likeliest)


def probe_caption(row: Row, farm: Farm) -> str:
    """The stage by the farm's own probe: `harvest 80%`; nothing where there is no probe.

    Where it is unknown, the stages that are left, if any are: `unknown (fruiting, harvest)`.
    """
    name = row["probe_stage"]
    if not name:
        return ""
    if name == UNKNOWN:
        unknown = label_name("stage", name, farm)
        left = [label_name("stage", one, farm) for one in row["probe_stages"] or ()]
        listed = say("comma", farm).join(left)
        return say("unsure_label", farm, unknown=unknown, likeliest=listed) if left else unknown
    return f"{label_name('stage', name, farm)} {share_text(row['probe_stage_probability'])}"


def label_name(kind: Kind, name: str, farm: Farm) -> str:
    """What people call a label."""
    return plain(label_text(kind, name, farm))


def scores_of(kind: Kind, row: Row) -> dict[str, float]:
    """The probability of every label of a kind."""
    return cast(dict[str, dict[str, float]], row["scores"])[kind]


def camera_of(row: Row) -> str:
    """The camera, as in the file's name."""
    return cast(str, row["camera"])


def local_time(row: Row, farm: Farm) -> dt.datetime:
    """The time of capture by the farm's clock."""
    return cast(dt.datetime, row["captured_at"]).astimezone(farm.zone)


def camera_caption(row: Row, farm: Farm) -> str:
    """`camera_words` as Markdown."""
    return plain(camera_words(row, farm))


def camera_words(row: Row, farm: Farm) -> str:
    """`Room 611, camera cam1, growth day 6`; without a batch there is no growth day."""
    told = say("camera", farm, room=row["room_id"], camera=camera_of(row))
    if row["growth_day"] is not None:
        told += say("camera_growth", farm, day=row["growth_day"])
    return told


def place_caption(row: Row, farm: Farm) -> str:
    """`Room 611, camera cam1, growth day 6, 09:42`."""
    return camera_caption(row, farm) + say("comma", farm) + time_caption(row, farm)


def time_caption(row: Row, farm: Farm) -> str:
    """`09:42`, by the farm's clock."""
    return f"{local_time(row, farm):%H:%M}"
