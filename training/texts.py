"""Words for what a picture shows: the farm's own prompts, others for its labels, and captions.

Here lives language alone. The farm's prompts are read from its file; the paraphrases keep edited
prompts working.
"""

import itertools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mushroom_assets.domain.farm_parts import Label, Vision

TEMPLATES = (
    "{}",
    "{}.",
    "an image of {}",
    "a picture of {}",
    "a blurry photo of {}",
    "a photo of {} under blue light",
    "a photo of {} in a climate room",
    "a frame of a camera that shows {}",
    "there are {}",
    "a bad photo of {}",
)
STAGES = {
    "substrate": (
        "substrate bags",
        "fresh bags full of white mycelium",
        "closed bags on shelves, no mushrooms yet",
        "sawdust bags without any mushrooms",
        "colonised bags before budding",
        "white bags with a bare surface",
    ),
    "primordia": (
        "primordia",
        "pinheads on bags",
        "budding mushrooms",
        "very small mushroom buds on the surface of bags",
        "the first tiny pins of mushrooms",
        "brown buds on white bags",
    ),
    "fruiting": (
        "fruiting bodies",
        "young mushrooms in clusters",
        "growing mushrooms on bags",
        "small dark brown caps on stems",
        "mushrooms that are still growing",
        "fruiting bodies in development",
    ),
    "harvest": (
        "mushrooms ready for harvest",
        "ripe mushrooms with open caps",
        "fully grown mushrooms",
        "wide pale brown caps, ready to pick",
        "large mature mushrooms that hide their bags",
        "mushrooms in the harvest stage",
    ),
    "harvested": (
        "a room after the harvest",
        "cut mushrooms",
        "stubs on bags after picking",
        "harvested bags",
        "shelves that are being cleared",
        "mushroom bags that were picked",
    ),
}
CONDITIONS = {
    "healthy": (
        "healthy bags",
        "healthy clean mushrooms",
        "a normal crop",
        "clean bags without any disease",
        "mushrooms in good condition",
        "a healthy crop in a growing room",
    ),
    "green_mould": (
        "green mould",
        "green mold on bags",
        "trichoderma",
        "bags with green patches",
        "bags that are contaminated with mould",
        "a crop with green mould disease",
    ),
    "blotch": (
        "bacterial blotch",
        "brown blotch on caps",
        "caps with dark wet spots",
        "spotted slimy mushroom caps",
        "mushrooms with bacterial spots",
        "yellow caps with brown spots",
    ),
    "dry_caps": (
        "dry caps",
        "cracked caps",
        "mushrooms that dried out",
        "pale mushrooms with cracks in their caps",
        "caps that cracked in dry air",
        "dry shrivelled caps",
    ),
    "long_stems": (
        "long stems",
        "mushrooms with long stems and small caps",
        "leggy mushrooms from too much carbon dioxide",
        "stretched thin mushrooms",
        "small caps on long thin stems",
        "mushrooms with stems that are too long",
    ),
    "empty_room": (
        "an empty room",
        "bare shelves",
        "empty racks without bags",
        "a cleaned growing room",
        "shelves with nothing on them",
        "a room without a crop",
    ),
    "dark_frame": (
        "a dark frame",
        "darkness",
        "a picture that is too dark",
        "a room with all lights off",
        "a black frame of a camera",
        "an image in which nothing can be seen",
    ),
}
LIGHT = {"white": "under white light", "blue": "under blue light", "dim": "in dim light"}


class Words:
    """Texts of a farm's labels to draw from.

    Attributes:
        labels: by kind, "stage" and "condition".
        templates: the farm's.
        meanings: all that a text can mean: (kind, name) of labels and of lights.
    """

    def __init__(self, vision: Vision) -> None:
        self.labels: dict[str, Mapping[str, Label]] = {
            "stage": vision.stages,
            "condition": vision.conditions,
        }
        self.templates = vision.templates
        self._own: dict[tuple[str, str], list[str]] = {}
        for kind, labels in self.labels.items():
            self._own |= {(kind, name): label.prompts for name, label in labels.items()}
        self._more = {"stage": STAGES, "condition": CONDITIONS}
        self.meanings = [*self._own, *(("light", name) for name in LIGHT)]

    def texts(self, kind: str, name: str, count: int, random: np.random.Generator) -> list[str]:
        """Texts for a label.

        Half of them are the farm's prompts in its templates, half other words in other templates.
        """
        own = self._own[kind, name]
        found = []
        for _ in range(count):
            as_the_farm = random.random() < 0.5
            template = str(random.choice(self.templates if as_the_farm else TEMPLATES))
            words = own if as_the_farm else [*own, *self._more[kind][name]]
            found.append(template.replace("{}", str(random.choice(words))))
        return found

    def captions(self) -> list[tuple[str, str, str]]:
        """Every stage, condition and light that a caption can tell of."""
        return list(itertools.product(self.labels["stage"], self.labels["condition"], LIGHT))

    def caption(self, stage: str, condition: str, light: str, random: np.random.Generator) -> str:
        """A sentence on stage, condition and light.

        A dark frame or an empty room has only one thing to tell.
        """
        of_condition = str(random.choice(CONDITIONS[condition]))
        if condition in ("dark_frame", "empty_room"):
            return of_condition
        of_stage = str(random.choice(STAGES[stage]))
        return f"{of_stage}, {of_condition}, {LIGHT[light]}"

    def draw(
        self, count: int, random: np.random.Generator
    ) -> tuple[list[str], NDArray[np.float64]]:
        """Texts of labels, a caption to every three of them, and their shares of `meanings`."""
        labels = list(self._own)
        captions = self.captions()
        texts: list[str] = []
        shares = np.zeros((count, len(self.meanings)))
        for i in range(count):
            if i % 4:
                kind, name = labels[int(random.integers(len(labels)))]
                texts += self.texts(kind, name, 1, random)
                shares[i, self.meanings.index((kind, name))] = 1
                continue
            stage, condition, light = captions[int(random.integers(len(captions)))]
            texts.append(self.caption(stage, condition, light, random))
            shares[i, self.meanings.index(("condition", condition))] = 1
            if condition not in ("dark_frame", "empty_room"):
                shares[i, self.meanings.index(("stage", stage))] = 1
                shares[i, self.meanings.index(("light", light))] = 0.5
        return texts, shares
