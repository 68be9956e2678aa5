"""What the labels of camera images come from, and whether they may speak of a room.

Here lives what people are told of a model, and when it is believed. What a label means is the
business of `vision`; how like what it learned a picture is, that of `familiarity`.
"""

from collections.abc import Sequence
from typing import Literal

from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_row import DailyClipInference
from mushroom_assets.domain.texts import say

Origin = Literal["random", "renders", "weights"]
# Of a room's pictures of a day, at least. By its card the packaged model knows one of 21
# photographs and 4 % of their parts, of the simulated plant's shots 99 %.
KNOWN_SHARE = 0.5


def origin(model_id: str) -> Origin:
    """Where a model's labels come from, by its `model_id` or its encoder's name.

    `random`: nothing was learned; `renders`: drawings, by the packaged model; `weights`: whatever
    published weights, or weights of the farm's own, have learned from.
    """
    if "/random-" in model_id:
        return "random"
    return "renders" if "/renders-" in model_id else "weights"


def is_known(image: DailyClipInference, farm: Farm) -> bool:
    """Whether a picture is like what the model learned; no, where the weights do not say."""
    familiarity = image["familiarity"]
    return familiarity is not None and familiarity >= farm.vision.unfamiliar_below


def may_judge(model_id: str, images: Sequence[DailyClipInference], farm: Farm) -> bool:
    """Whether a model's labels of a room's day count in the verdict.

    Those of the packaged model do where it knows `KNOWN_SHARE` of the pictures at least: it has
    never seen a photograph.

    Args:
        model_id: that of the images.
        images: those that have a vector.
        farm: from which familiarity on a picture is known.
    """
    of = origin(model_id)
    if of == "renders":
        known = sum(is_known(image, farm) for image in images)
        return bool(images) and known >= KNOWN_SHARE * len(images)
    return of != "random"


def origin_text(model_id: str, images: Sequence[DailyClipInference], farm: Farm) -> str:
    """What labels come from, in a line, and how many of the pictures the model knows.

    Args:
        model_id: that of the images; not one of random weights, which have no labels to speak of.
        images: those that have a vector; at least one.
        farm: its language.
    """
    encoder = model_id.rsplit("/prompts-", 1)[0]
    parts = [say(f"origin_{origin(model_id)}", farm, encoder=encoder)]
    if any(image["familiarity"] is not None for image in images):
        known = sum(is_known(image, farm) for image in images)
        parts.append(say("origin_known", farm, known=known, count=len(images)))
    probes = next((image["probe_id"] for image in images if image["probe_id"]), None)
    if probes is not None:
        parts.append(say("origin_probe", farm, probes=probes))
    return say("sentence_gap", farm).join(parts)
