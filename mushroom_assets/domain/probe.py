"""The farm's own linear probe: labelled vectors, what a fit is and says, how it judges a vector.

Not here: fitting (inference) and tables (storage). A probe, like the zero-shot labels, looks at the
image alone.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from mushroom_assets.domain.farm import Farm, Vision
from mushroom_assets.domain.versions import Parts
from mushroom_assets.domain.vision import PROBABILITY_DECIMALS, softmax

VERSION = 1  # of the code: raise it when the rows' meaning changes, see `versions`
KINDS = ("stage", "condition")
# Images a class needs: with fewer, five folds would judge a class by one or two images at a time
MIN_LABELS = 16

Array = npt.NDArray[np.floating]


def class_names(vision: Vision) -> dict[str, list[str]]:
    """The farm file's labels by kind, in its order."""
    return {"stage": list(vision.stages), "condition": list(vision.conditions)}


class ClassResult(TypedDict):
    """What cross-validation says of one class; a class that the probe never names has no precision.

    Recall and precision are shares from 0 to 1.
    """

    images: int
    recall: float
    precision: float | None


class ClipProbe(TypedDict):
    """A row of `clip_probe`; what writes it adds `run_id` and `fitted_at`."""

    encoder: str
    kind: str
    probe_id: str
    classes: list[str]
    coefficients: list[float]
    intercepts: list[float]
    label_count: int
    accuracy: float
    by_class: dict[str, ClassResult]
    run_id: NotRequired[str]
    fitted_at: NotRequired[dt.datetime]


class ProbeColumns(TypedDict):
    """The columns of `daily_clip_inference` that a farm's probes fill; None without a probe."""

    probe_stage: str | None
    probe_stage_probability: float | None
    probe_condition: str | None
    probe_condition_probability: float | None
    probe_id: str | None


class Leading(NamedTuple):
    """The likeliest of `names` for n vectors, by its number, and its probability, rounded.

    Both arrays have shape (n,).
    """

    names: tuple[str, ...]
    number: npt.NDArray[np.intp]
    probability: npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Probe:
    """A fitted linear probe of one kind.

    Attributes:
        kind: "stage" or "condition".
        probe_id: names the fit.
        classes: labels, in the order of the rows below.
        coefficients: shape (classes, d).
        intercepts: shape (classes,).
    """

    kind: str
    probe_id: str
    classes: tuple[str, ...]
    coefficients: Array
    intercepts: Array

    def probabilities(self, embeddings: npt.ArrayLike) -> Array:
        """Softmax of the linear scores of n unit vectors, in float64.

        Args:
            embeddings: shape (n, d).

        Returns:
            Shape (n, classes).

        Raises:
            ValueError: vectors whose length differs from that of the fit, or vectors with a NaN or
                an infinity.
        """
        vectors = np.asarray(embeddings, dtype=np.float64)
        if not vectors.size:
            return np.empty((0, len(self.classes)))
        fitted = self.coefficients.shape[1]
        if vectors.shape[1] != fitted:
            raise ValueError(
                f"the probe {self.probe_id} was fitted on vectors of length {fitted}, "
                f"these have length {vectors.shape[1]}: another model's. "
                "Remedy: materialize clip_probe, which fits on each model's own"
            )
        if not np.isfinite(vectors).all():
            raise ValueError(f"the probe {self.probe_id} was given vectors with NaN or infinity")
        coefficients = np.asarray(self.coefficients, dtype=np.float64)
        return softmax(vectors @ coefficients.T + self.intercepts)

    def judge(self, embeddings: npt.ArrayLike) -> Leading:
        """As `predict`, but whole columns.

        Raises:
            ValueError: as `probabilities`.
        """
        found = self.probabilities(embeddings)
        return Leading(
            self.classes, found.argmax(axis=1), found.max(axis=1).round(PROBABILITY_DECIMALS)
        )

    def predict(self, embeddings: npt.ArrayLike) -> list[tuple[str, float]]:
        """The likeliest label of each of n unit vectors, shape (n, d), and its probability.

        Probabilities are rounded to 6 decimals.

        Raises:
            ValueError: as `probabilities`.
        """
        _, numbers, probabilities = self.judge(embeddings)
        named = [self.classes[number] for number in numbers]
        return list(zip(named, probabilities.tolist(), strict=True))


def probes_id(probes: Mapping[str, Probe]) -> str | None:
    """The `probe_id` of labels by these probes, which are given by kind.

    It is None without probes.
    """
    ids = [probes[kind].probe_id for kind in KINDS if kind in probes]
    return " ".join(ids) or None


def probe_columns(probes: Mapping[str, Probe], embeddings: npt.ArrayLike) -> list[ProbeColumns]:
    """What a farm's probes say of n unit vectors, shape (n, d), one after the other.

    Args:
        probes: by kind; the columns of a missing one are None.
        embeddings: vectors of the model that the probes were fitted on.

    Raises:
        ValueError: as `Probe.probabilities`.
    """
    stages = _predicted(probes.get("stage"), embeddings)
    conditions = _predicted(probes.get("condition"), embeddings)
    probe_id = probes_id(probes)
    return [
        {
            "probe_stage": stage,
            "probe_stage_probability": stage_probability,
            "probe_condition": condition,
            "probe_condition_probability": condition_probability,
            "probe_id": probe_id,
        }
        for (stage, stage_probability), (condition, condition_probability) in zip(
            stages, conditions, strict=True
        )
    ]


def _predicted(
    probe: Probe | None, embeddings: npt.ArrayLike
) -> Sequence[tuple[str | None, float | None]]:
    if probe is None:
        return [(None, None)] * len(np.asarray(embeddings))
    return probe.predict(embeddings)


class Labelled(NamedTuple):
    """One image's bytes that a grower has labelled.

    `vector` has shape (d,); `room_day` is the image's folder, which is its room and day;
    `zero_shot` is the model's own label (it may be "unknown"), None if `daily_clip_inference` has
    no row of these bytes any more.
    """

    content_sha256: str
    room_day: str
    label: str
    vector: npt.NDArray[np.float32]
    zero_shot: str | None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How right a fit was on images that it had not seen.

    Attributes:
        classes: labels, in the order of rows and columns.
        confusion: shape (classes, classes): images by grower's label (row) and probe's (column).
        zero_shot: shape (classes, 2): how many of the same images have a zero-shot label, and for
            how many it is right.
        folds: parts of the cross-validation.
        by_room_day: no room-day had images on both sides of a fold.
    """

    classes: tuple[str, ...]
    confusion: npt.NDArray[np.int64]
    zero_shot: npt.NDArray[np.int64]
    folds: int
    by_room_day: bool

    @property
    def accuracy(self) -> float:
        """Share of right labels, 0 to 1."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    @property
    def zero_shot_accuracy(self) -> float | None:
        """Share of right zero-shot labels among the same images, None where none has one."""
        judged, right = self.zero_shot.sum(axis=0)
        return float(right / judged) if judged else None

    def by_class(self) -> dict[str, ClassResult]:
        """Images, recall and precision of each class."""
        right = np.diag(self.confusion)
        own = self.confusion.sum(axis=1)
        named = self.confusion.sum(axis=0)
        return {
            name: {
                "images": int(own[row]),
                "recall": float(right[row] / own[row]),
                "precision": float(right[row] / named[row]) if named[row] else None,
            }
            for row, name in enumerate(self.classes)
        }

    def zero_shot_recall(self) -> dict[str, float]:
        """Share of right zero-shot labels by class, without classes whose images have none."""
        counted = zip(self.classes, self.zero_shot.tolist(), strict=True)
        return {name: right / judged for name, (judged, right) in counted if judged}


@dataclass(frozen=True, eq=False)
class ProbeFit:
    """The outcome of fitting a probe of one kind on one model's vectors.

    Attributes:
        encoder: model and weights.
        kind: "stage" or "condition".
        counts: labelled images of every class of the farm file, in its order.
        strangers: labelled images of classes that the farm file does not list; no fit uses them.
        probe: None where fewer than two classes have `MIN_LABELS` images.
        evaluation: that of the probe, None without one.
        strength: the chosen inverse regularisation (C), None without a probe.
    """

    encoder: str
    kind: str
    counts: Mapping[str, int]
    strangers: Mapping[str, int]
    probe: Probe | None = None
    evaluation: Evaluation | None = None
    strength: float | None = None


def missing_labels(counts: Mapping[str, int]) -> dict[str, int]:
    """How many labelled images each class lacks before a probe can know it.

    Classes that lack none are left out.
    """
    return {name: MIN_LABELS - count for name, count in counts.items() if count < MIN_LABELS}


def depends_on(farm: Farm) -> list[Parts]:
    """The parts of the farm file that the rows of `clip_probe` depend on."""
    return [{"vision": [sorted(farm.vision.stages), sorted(farm.vision.conditions)]}]
