"""What the stored file can do: accuracy, confusion, calibration, by the pipeline's own path.

Here lives measuring alone: a file's bytes go through `read_photo`, `ClipEncoder` and `Labeller` as
in production.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mushroom_assets.domain.familiarity import Known
from mushroom_assets.domain.farm_parts import Vision
from mushroom_assets.domain.vision import UNKNOWN, ImageScores, Labeller
from mushroom_assets.inference.encoder import ClipEncoder
from mushroom_assets.inference.images import read_photo

BINS = 15  # of confidence, all equally wide
BATCH = 64
# What is shown, the labels' probabilities, and what the pipeline says
Answer = tuple[str, dict[str, float], str]


class Seen(NamedTuple):
    """A file and the labels of what it shows."""

    data: bytes
    stage: str
    condition: str


@dataclass(frozen=True)
class Outcome:
    """How the labels of one kind came out over n pictures.

    Attributes:
        labels: names, in the farm's order.
        confusion: (labels, labels) pictures by what they show and by the label with the largest
            probability.
        error: expected calibration error of that probability.
        confidence: mean of that probability.
        unknown: share of pictures that the pipeline calls "unknown": the second label is too near,
            or the picture is unlike all that was learned.
    """

    labels: list[str]
    confusion: NDArray[np.int64]
    error: float
    confidence: float
    unknown: float

    @property
    def count(self) -> int:
        """Pictures."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of pictures whose most probable label is right."""
        return float(self.confusion.trace() / self.confusion.sum())

    @property
    def recalls(self) -> dict[str, float]:
        """The share of pictures showing a label that get this label; only labels that are shown."""
        shown = self.confusion.sum(1)
        return {
            name: float(self.confusion[i, i] / shown[i])
            for i, name in enumerate(self.labels)
            if shown[i]
        }


def measure(
    seen: Sequence[Seen], encoder: ClipEncoder, vision: Vision, known: Known | None = None
) -> dict[str, Outcome]:
    """Outcomes of "stage" and "condition".

    A dark frame does not show its stage: it is left out of the stages.

    Args:
        seen: files and what they show.
        encoder: the model.
        vision: the labels.
        known: what the model learned, if that is not in a file beside its weights yet.
    """
    of = known or encoder.known
    labeller = Labeller(vision, encoder.encode_texts, encoder.logit_scale, of)
    batches = [seen[first : first + BATCH] for first in range(0, len(seen), BATCH)]
    stages: list[Answer] = []
    conditions: list[Answer] = []
    for batch in batches:
        for shown, told in _judged(batch, encoder, labeller):
            conditions.append((shown.condition, told.scores["condition"], told.condition))
            if shown.condition != "dark_frame":
                stages.append((shown.stage, told.scores["stage"], told.stage))
    return {
        "stage": _outcome(list(vision.stages), stages),
        "condition": _outcome(list(vision.conditions), conditions),
    }


def _judged(
    some: Sequence[Seen], encoder: ClipEncoder, labeller: Labeller
) -> Iterator[tuple[Seen, ImageScores]]:
    photos = [read_photo(one.data, min_side=encoder.min_side).image for one in some]
    vectors = encoder.encode_images(np.stack([encoder.preprocess(photo) for photo in photos]))
    return zip(some, labeller.score(vectors), strict=True)


def _outcome(labels: list[str], answers: list[Answer]) -> Outcome:
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    best = np.empty(len(answers))
    right = np.empty(len(answers), dtype=bool)
    for i, (shown, probabilities, _) in enumerate(answers):
        told = max(probabilities, key=lambda name: probabilities[name])
        confusion[labels.index(shown), labels.index(told)] += 1
        best[i] = probabilities[told]
        right[i] = told == shown
    unknown = float(np.mean([said == UNKNOWN for _, _, said in answers]))
    return Outcome(labels, confusion, calibration_error(best, right), float(best.mean()), unknown)


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error: the mean gap between confidence and accuracy over the bins.

    Args:
        confidence: (n,) probability of the label chosen.
        right: (n,) whether it was.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(float((confidence - right)[bins == b].sum())) for b in range(BINS)]
    return sum(gaps) / len(confidence)
