"""The farm's own linear probe: labelled vectors, what a fit is and says, how it judges a vector.

Not here: fitting (inference), tables (storage), how right a fit is (`evaluation`) and which labels
it excludes (`label_sets`). A probe, like the zero-shot labels, looks at the image alone.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt

from mushroom_assets.domain.evaluation import ClassResult, Evaluation
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Vision
from mushroom_assets.domain.label_sets import LabelSets, Truths
from mushroom_assets.domain.versions import Parts
from mushroom_assets.domain.vision import PROBABILITY_DECIMALS, UNKNOWN, softmax

VERSION = 3  # of the code: raise it when the rows' meaning changes, see `versions`
KINDS = ("stage", "condition")
# Images a class needs: with fewer, five folds would judge a class by one or two images at a time
MIN_LABELS = 16

Array = npt.NDArray[np.floating]


def class_names(vision: Vision) -> dict[str, list[str]]:
    """The farm file's labels by kind, in its order."""
    return {"stage": list(vision.stages), "condition": list(vision.conditions)}


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
    means: list[float] | None
    whitening: bytes | None
    middles: list[float] | None
    spreads: list[float] | None
    limits: list[float] | None
    coverage: float | None
    accuracy_elsewhere: float | None
    run_id: NotRequired[str]
    fitted_at: NotRequired[dt.datetime]


class ProbeColumns(TypedDict):
    """The columns of `daily_clip_inference` that a farm's probes fill; None without a probe.

    `probe_stages` and `probe_conditions` are also None where the probe is not calibrated yet.
    """

    probe_stage: str | None
    probe_stage_probability: float | None
    probe_stages: list[str] | None
    probe_condition: str | None
    probe_condition_probability: float | None
    probe_conditions: list[str] | None
    probe_id: str | None


class Leading(NamedTuple):
    """What a probe says of n vectors.

    The likeliest of `names` by its number, and its probability, rounded; both have shape (n,).
    `names` are the classes and, last, "unknown", which leads where the likeliest is excluded.
    `members`, shape (n, classes), are the labels that cannot be excluded; None where the probe is
    not calibrated yet.
    """

    names: tuple[str, ...]
    number: npt.NDArray[np.intp]
    probability: npt.NDArray[np.float64]
    members: Truths | None

    def sets(self) -> list[list[str]] | list[None]:
        """The labels of each vector that cannot be excluded, in the order of the classes."""
        if self.members is None:
            return [None] * len(self.number)
        return [list(compress(self.names, row)) for row in self.members.tolist()]


@dataclass(frozen=True, eq=False)
class Probe:
    """A fitted linear probe of one kind.

    Attributes:
        kind: "stage" or "condition".
        probe_id: names the fit.
        classes: labels, in the order of the rows below.
        coefficients: shape (classes, d).
        intercepts: shape (classes,).
        label_sets: what excludes a label; None where there are too few room-days.
    """

    kind: str
    probe_id: str
    classes: tuple[str, ...]
    coefficients: Array
    intercepts: Array
    label_sets: LabelSets | None = None

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
        """What n unit vectors, shape (n, d), are likeliest to show, and what they may show.

        Raises:
            ValueError: as `probabilities`.
        """
        found = self.probabilities(embeddings)
        number = found.argmax(axis=1)
        probability = found.max(axis=1).round(PROBABILITY_DECIMALS)
        members = None
        if self.label_sets is not None:
            members = np.empty(found.shape, dtype=np.bool_)
            if len(found):
                members = self.label_sets.members(embeddings, found)
            is_held = members[np.arange(len(number)), number]
            number = np.where(is_held, number, len(self.classes))
        return Leading((*self.classes, UNKNOWN), number, probability, members)

    def predict(self, embeddings: npt.ArrayLike) -> list[tuple[str, float]]:
        """The label of each of n unit vectors, shape (n, d), and the likeliest one's probability.

        Probabilities are rounded to 6 decimals.

        Raises:
            ValueError: as `probabilities`.
        """
        found = self.judge(embeddings)
        named = [found.names[number] for number in found.number.tolist()]
        return list(zip(named, found.probability.tolist(), strict=True))


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
    stages = _judged(probes.get("stage"), embeddings)
    conditions = _judged(probes.get("condition"), embeddings)
    probe_id = probes_id(probes)
    return [
        {
            "probe_stage": stage.label,
            "probe_stage_probability": stage.probability,
            "probe_stages": stage.labels,
            "probe_condition": condition.label,
            "probe_condition_probability": condition.probability,
            "probe_conditions": condition.labels,
            "probe_id": probe_id,
        }
        for stage, condition in zip(stages, conditions, strict=True)
    ]


class _Judged(NamedTuple):
    """What a probe says of one vector."""

    label: str | None = None
    probability: float | None = None
    labels: list[str] | None = None


def _judged(probe: Probe | None, embeddings: npt.ArrayLike) -> list[_Judged]:
    if probe is None:
        return [_Judged()] * len(np.asarray(embeddings))
    found = probe.judge(embeddings)
    named = [found.names[number] for number in found.number.tolist()]
    columns = zip(named, found.probability.tolist(), found.sets(), strict=True)
    return [_Judged(*column) for column in columns]


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

    @property
    def room(self) -> str:
        """The room's folder."""
        return room_of(self.room_day)


def room_of(room_day: str) -> str:
    """The room's folder in that of a room and a day."""
    return room_day.rpartition("/")[0]


class Contradiction(NamedTuple):
    """Two labels of the same bytes, at two paths: the later one counts."""

    kind: str
    image_path: str
    label: str
    other_path: str
    other_label: str


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
