"""Camera images: what the model's vectors say about labels.

Here lives the meaning of probabilities and `unknown`. A score depends on the image alone. Not here:
pixels and models (inference), the labels' vectors (`prompts`), what a path says (`image_key`), and
how a row of `daily_clip_inference` is put together (`image_row`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from mushroom_assets.domain.familiarity import Known
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.farm_parts import Vision
from mushroom_assets.domain.prompts import Array, Encode, label_vectors, prompt_set_version
from mushroom_assets.domain.texts import say
from mushroom_assets.domain.versions import Parts

Kind = Literal["stage", "condition"]
VERSION = 2  # of the code: raise it when the rows' meaning changes, see `versions`
# Stored instead of a label that hardly leads the next, and of all labels of a picture that is
# unlike what the model learned
UNKNOWN = "unknown"
# The reason in a row whose file was listed but was gone when it should be read
VANISHED = "the file vanished"
# Decimals kept of a probability: finer than any image's noise, and short in jsonb.
PROBABILITY_DECIMALS = 6
# The climate at the capture: the column of each quantity, and how old a sample may be to count
CLIMATE_COLUMNS: dict[str, Literal["temperature_c", "humidity_pct", "co2_ppm"]] = {
    "temperature": "temperature_c",
    "humidity": "humidity_pct",
    "co2": "co2_ppm",
}
CLIMATE_MAX_AGE_S = 300


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """What a model made of a file's bytes, whatever its name.

    Attributes:
        content_sha256: of the bytes, 64 hex digits.
        embedding: shape (d,), float32, of length 1.
        width: of the file in px, upright.
        height: of the file in px, upright.
        sharpness: variance of the Laplacian of the grey image, grey².
        brightness: mean of the grey image, 0 to 1.
        precision: "fp32" or "bf16", of the products that gave the vector; None where it was kept
            before that was recorded. Vectors of both may be compared.
    """

    content_sha256: str
    embedding: npt.NDArray[np.float32]
    width: int
    height: int
    sharpness: float
    brightness: float
    precision: str | None = None


def zero_shot(embeddings: npt.ArrayLike, vectors: npt.ArrayLike, logit_scale: float) -> Array:
    """Probabilities of labels: softmax of `logit_scale` times the cosines, in float64.

    Args:
        embeddings: shape (n, d), unit vectors of images.
        vectors: shape (labels, d), from `label_vectors`.
        logit_scale: the model's own.

    Returns:
        Shape (n, labels); each row sums to 1.

    Raises:
        ValueError: a vector with a NaN or an infinity.
    """
    images = np.asarray(embeddings, dtype=np.float64)
    labels = np.asarray(vectors, dtype=np.float64)
    logits = logit_scale * images @ labels.T
    if not np.isfinite(logits).all():
        raise ValueError("vectors must be finite; the model gave NaN or infinity")
    return softmax(logits)


def softmax(scores: Array) -> Array:
    """Rows of scores as rows of probabilities, each summing to 1."""
    # The largest exponent is 0: no overflow
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: Array = powers / powers.sum(axis=1, keepdims=True)
    return shares


class Decision(NamedTuple):
    """The leading label or "unknown", its probability, and its lead over the second.

    Both numbers are rounded to 6 decimals.
    """

    label: str
    probability: float
    margin: float


class Judgement(NamedTuple):
    """What zero-shot says of n images about one kind of label: `Decision` in whole columns.

    `number` says which of `names` leads; `names` are the labels and, last, "unknown". `scores` has
    shape (n, labels), without a column for "unknown". Probabilities, margins and scores are rounded
    to 6 decimals.
    """

    names: Sequence[str]
    number: npt.NDArray[np.intp]
    probability: npt.NDArray[np.float64]
    margin: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]


def judge(
    probabilities: npt.ArrayLike,
    names: Sequence[str],
    unknown_margin: float,
    foreign: npt.NDArray[np.bool_] | None = None,
) -> Judgement:
    """Decisions and rounded scores for rows of probabilities.

    A label whose lead is smaller than `unknown_margin`, or that a foreign picture got, becomes
    "unknown" and keeps its probability and margin.

    Args:
        probabilities: shape (n, labels), two labels at least.
        names: of the labels.
        unknown_margin: a difference of probabilities.
        foreign: shape (n,): pictures unlike all that the model learned; None where nobody can tell.
    """
    scores = np.asarray(probabilities, dtype=np.float64)
    second, first = np.argsort(scores, axis=1)[:, -2:].T
    leading = np.take_along_axis(scores, first[:, None], axis=1)[:, 0]
    margin = leading - np.take_along_axis(scores, second[:, None], axis=1)[:, 0]
    is_unknown = margin < unknown_margin
    if foreign is not None:
        is_unknown |= foreign
    return Judgement(
        names=[*names, UNKNOWN],
        number=np.where(is_unknown, len(names), first),
        probability=leading.round(PROBABILITY_DECIMALS),
        margin=margin.round(PROBABILITY_DECIMALS),
        scores=scores.round(PROBABILITY_DECIMALS),
    )


def decide(
    probabilities: npt.ArrayLike, names: Sequence[str], unknown_margin: float
) -> list[Decision]:
    """A decision for each row of probabilities, as `judge`."""
    return _decisions(judge(probabilities, names, unknown_margin))


def _decisions(found: Judgement) -> list[Decision]:
    labels = [found.names[number] for number in found.number.tolist()]
    columns = zip(labels, found.probability.tolist(), found.margin.tolist(), strict=True)
    return [Decision(*column) for column in columns]


@dataclass(frozen=True)
class ImageScores:
    """The label columns of one row of `daily_clip_inference`.

    `scores` holds every label's probability; `familiarity` is None where the weights do not say
    what they learned.
    """

    stage: str
    stage_probability: float
    stage_margin: float
    condition: str
    condition_probability: float
    scores: dict[str, dict[str, float]]
    familiarity: float | None = None


class Judged(NamedTuple):
    """What a model says of n images: by kind, "stage" and "condition", and how like it knows them.

    `familiarity` has shape (n,), see `familiarity.Known`; None where the weights do not say what
    they learned.
    """

    kinds: Mapping[str, Judgement]
    familiarity: npt.NDArray[np.float64] | None


class Labeller:
    """A farm's labels as one model sees them.

    Texts are encoded once; images then cost a matrix product. Without `known` no picture is
    foreign.
    """

    def __init__(
        self, vision: Vision, encode: Encode, logit_scale: float, known: Known | None = None
    ) -> None:
        self._unknown_margin = vision.unknown_margin
        self._unfamiliar_below = vision.unfamiliar_below
        self._known = known
        self._logit_scale = logit_scale
        kinds = {"stage": vision.stages, "condition": vision.conditions}
        self._names = {kind: list(labels) for kind, labels in kinds.items()}
        self._vectors = {
            kind: label_vectors(labels, vision.templates, encode) for kind, labels in kinds.items()
        }

    def judge(self, embeddings: npt.ArrayLike) -> Judged:
        """Judge n unit vectors, shape (n, d)."""
        exact = np.asarray(embeddings, dtype=np.float64)  # once for all
        familiarity = None
        foreign = None
        if self._known is not None:
            familiarity = self._known.familiarity(exact)
            foreign = familiarity < self._unfamiliar_below
        found = {}
        for kind, vectors in self._vectors.items():
            probabilities = zero_shot(exact, vectors, self._logit_scale)
            found[kind] = judge(probabilities, self._names[kind], self._unknown_margin, foreign)
        return Judged(found, familiarity)

    def score(self, embeddings: npt.ArrayLike) -> list[ImageScores]:
        """The scores of n images, in order, from their unit vectors, shape (n, d)."""
        judged = self.judge(embeddings)
        found = judged.kinds
        familiarity: Sequence[float | None] = [None] * len(found["stage"].number)
        if judged.familiarity is not None:
            familiarity = judged.familiarity.tolist()
        stages = _decisions(found["stage"])
        conditions = _decisions(found["condition"])
        stage_scores = _by_name(found["stage"])
        condition_scores = _by_name(found["condition"])
        scores = []
        for number, condition in enumerate(conditions):
            both = {"stage": stage_scores[number], "condition": condition_scores[number]}
            scores.append(
                ImageScores(
                    *stages[number],
                    condition.label,
                    condition.probability,
                    both,
                    familiarity[number],
                )
            )
        return scores


def _by_name(found: Judgement) -> list[dict[str, float]]:
    return [dict(zip(found.names[:-1], row, strict=True)) for row in found.scores.tolist()]


def label_text(kind: Kind, name: str, farm: Farm) -> str:
    """What people call a stored label, in the farm's language.

    It is the label's name if the farm file has no text for it.
    """
    labels = farm.vision.stages if kind == "stage" else farm.vision.conditions
    if name in labels:
        return farm.say(labels[name].text) or name
    if name == UNKNOWN:
        return say("unknown", farm)
    return name


def leading_two(scores: Mapping[str, float]) -> list[tuple[str, float]]:
    """The two likeliest labels with their probabilities, even if the stored label is unknown."""
    return sorted(scores.items(), key=lambda score: -score[1])[:2]


def depends_on(farm: Farm) -> list[Parts]:
    """The parts of the farm file that the rows depend on; labels depend on the last one."""
    read = {"device_type", "point_alias", "plausible"}
    climate = [name for name in farm.quantities if name in CLIMATE_COLUMNS]
    rows = {
        "timezone": farm.timezone,
        "rooms": {room: farm.folder(room) for room in farm.rooms},
        "quantities": {name: farm.quantities[name].model_dump(include=read) for name in climate},
    }
    of = farm.vision
    labels = {"vision": [prompt_set_version(of), of.unknown_margin, of.unfamiliar_below]}
    return [rows, labels]
