"""What the stored file cannot do: altered pictures, pictures from elsewhere, and how sure it is.

Here lives measuring alone, by the pipeline's own path, as in `measure`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from mushroom_assets.domain.familiarity import Known
from mushroom_assets.domain.farm_parts import Vision
from mushroom_assets.domain.vision import Judgement, Labeller
from mushroom_assets.inference.encoder import ClipEncoder
from mushroom_assets.inference.images import read_photo
from training.measure import BATCH, Seen

Vectors = NDArray[np.float32]
CERTAIN = 0.9  # probability
UNFAMILIAR = 0.05  # familiarity below which a picture is unlike all that was learned


@dataclass(frozen=True)
class Altered:
    """How pictures come out that something happened to.

    Shares and means over `count` pictures; of the stage over those that are not dark frames.

    Attributes:
        count: pictures.
        accuracy: by "stage" and "condition".
        confidence: mean probability of the leading label, by kind.
        wrong: share that is wrong with a probability above `CERTAIN`, by kind.
        unfamiliar: share whose familiarity is below `UNFAMILIAR`.
        misled: share wrong in stage or condition with a probability above `CERTAIN`, and familiar.
    """

    count: int
    accuracy: dict[str, float]
    confidence: dict[str, float]
    wrong: dict[str, float]
    unfamiliar: float
    misled: float


@dataclass(frozen=True)
class Foreign:
    """How pictures come out that show no crop of this farm.

    Attributes:
        count: pictures.
        unfamiliar: share whose familiarity is below `UNFAMILIAR`.
        auroc: chance that one of them is less familiar than a render.
        certain: share with a probability above `CERTAIN`, by "stage" and "condition".
        misled: share with a probability above `CERTAIN` for stage or condition, and familiar.
    """

    count: int
    unfamiliar: float
    auroc: float
    certain: dict[str, float]
    misled: float


@dataclass(frozen=True)
class Likeness:
    """What search by likeness can tell of parts of pictures from elsewhere.

    Attributes:
        count: parts.
        cosine: median over all pairs of two.
        nearest: share whose nearest other part is of the same picture.
        chance: that share if the nearest were any.
    """

    count: int
    cosine: float
    nearest: float
    chance: float


def likeness(vectors: Vectors, each: int) -> Likeness:
    """Likeness of n parts, shape (n, d): `each` in a row are of one picture."""
    count = len(vectors)
    exact = vectors.astype(np.float64)
    cosines = exact @ exact.T
    others = cosines[~np.eye(count, dtype=bool)]
    np.fill_diagonal(cosines, -np.inf)
    whole = np.arange(count) // each
    same = whole[cosines.argmax(axis=1)] == whole
    chance = (each - 1) / (count - 1)
    return Likeness(count, float(np.median(others)), float(same.mean()), chance)


class Judge:
    """The stored file, its farm's labels, and what it knows."""

    def __init__(self, encoder: ClipEncoder, vision: Vision, known: Known) -> None:
        self._encoder = encoder
        self._known = known
        self._labeller = Labeller(vision, encoder.encode_texts, encoder.logit_scale)

    def vectors(self, files: Sequence[bytes]) -> Vectors:
        """Unit vectors of files, shape (n, d)."""
        parts = []
        for first in range(0, len(files), BATCH):
            some = files[first : first + BATCH]
            photos = [read_photo(one, min_side=self._encoder.min_side).image for one in some]
            pixels = np.stack([self._encoder.preprocess(photo) for photo in photos])
            parts.append(self._encoder.encode_images(pixels))
        return np.concatenate(parts)

    def familiarity(self, vectors: Vectors) -> NDArray[np.float64]:
        """How like what was learned n vectors are, shape (n,)."""
        return self._known.familiarity(vectors)

    def altered(self, seen: Sequence[Seen]) -> Altered:
        """How altered pictures come out."""
        vectors = self.vectors([one.data for one in seen])
        strange = self.familiarity(vectors) < UNFAMILIAR
        asked = {
            "stage": np.array([one.condition != "dark_frame" for one in seen]),
            "condition": np.ones(len(seen), dtype=bool),
        }
        accuracy, confidence, wrong = {}, {}, {}
        misled = np.zeros(len(seen), dtype=bool)
        for kind, told in self._labeller.judge(vectors).kinds.items():
            shown = np.array([getattr(one, kind) for one in seen])
            right = _leading(told) == shown
            false = ~right & asked[kind] & (told.probability > CERTAIN)
            accuracy[kind] = float(right[asked[kind]].mean())
            confidence[kind] = float(told.probability[asked[kind]].mean())
            wrong[kind] = float(false[asked[kind]].mean())
            misled |= false & ~strange
        shares = (float(strange.mean()), float(misled.mean()))
        return Altered(len(seen), accuracy, confidence, wrong, *shares)

    def foreign(self, files: Sequence[bytes], renders: Vectors) -> Foreign:
        """How pictures from elsewhere come out, beside renders that were held out."""
        vectors = self.vectors(files)
        own = self.familiarity(vectors)
        theirs = self.familiarity(renders)
        strange = np.concatenate([np.ones(len(own)), np.zeros(len(theirs))])
        auroc = float(roc_auc_score(strange, -np.concatenate([own, theirs])))
        judged = self._labeller.judge(vectors).kinds
        sure = {kind: told.probability > CERTAIN for kind, told in judged.items()}
        misled = float(((own >= UNFAMILIAR) & (sure["stage"] | sure["condition"])).mean())
        certain = {kind: float(of.mean()) for kind, of in sure.items()}
        return Foreign(len(files), float((own < UNFAMILIAR).mean()), auroc, certain, misled)


def _leading(told: Judgement) -> NDArray[np.str_]:
    """The label with the largest probability, where "unknown" is said as well."""
    names: NDArray[np.str_] = np.array(told.names)
    leading: NDArray[np.str_] = names[told.scores.argmax(axis=1)]
    return leading
