"""What the image tower is asked for in a step: its labels, its caption, and nothing of the foreign.

Here lives arithmetic on vectors that a step has computed. Which pictures there are is the business
of `feed`; how the weights move, that of `fit`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mushroom_assets.domain.prompts import label_vectors
from training.feed import Batch
from training.scenes import Pictures
from training.texts import Words

POOLED = 48  # other texts kept for a label
TEXTS_EACH = 3  # how many of them make its vector in a step
# Before the softmax in training; a picture has cosines up to 0.7 with its stage and its condition
SCALE = 16.0
CAPTIONS = 0.3  # weight of the captions
# Weight of the squares of what labels say of foreign pictures: of each kind 1 at cosines of 0.28
FOREIGN = 0.05
# Weight of which foreign picture it is. Without it, all of them go the one way that lies farthest
# from the labels: parts of 21 photographs had a median cosine of 0.97
ALIKE = 0.2
ALIKE_SCALE = 10.0  # before its softmax: CLIP's own at the start is 14, SimCLR's best 2 to 10
NAMES = ("labels", "captions", "foreign", "alike")


class Targets(NamedTuple):
    """What pictures show, as numbers; stage -1 where it cannot be known."""

    stage: NDArray[np.int64]
    condition: NDArray[np.int64]
    caption: list[tuple[str, str, str]]


class Pool(NamedTuple):
    """Text vectors.

    Each kind has shape (labels, d) as the farm asks, and (labels, POOLED, d) for other texts; a
    caption has shape (4, d).
    """

    own: dict[str, torch.Tensor]
    others: dict[str, torch.Tensor]
    captions: dict[tuple[str, str, str], torch.Tensor]


def targets(made: Pictures, words: Words) -> Targets:
    """Numbers of the labels. A dark frame shows no stage, so none is asked."""
    stages = list(words.labels["stage"])
    conditions = list(words.labels["condition"])
    stage = [-1 if s.condition == "dark_frame" else stages.index(s.stage) for s in made.scenes]
    condition = [conditions.index(s.condition) for s in made.scenes]
    captions = [_said(s.stage, s.condition, s.light) for s in made.scenes]
    return Targets(np.array(stage), np.array(condition), captions)


def _said(stage: str, condition: str, light: str) -> tuple[str, str, str]:
    """What a caption tells apart.

    A dark frame tells neither stage nor light, an empty room no light.
    """
    if condition in ("dark_frame", "empty_room"):
        return ("harvested", condition, "white")
    return stage, condition, light


def told(losses: list[NDArray[np.float32]]) -> str:
    """The mean of some steps' losses."""
    means = np.mean(losses, axis=0).tolist()
    parts = [f"{name} {mean:.3f}" for name, mean in zip(NAMES, means, strict=True)]
    return f"loss of {', '.join(parts)}"


def softened(aims: torch.Tensor, doubt: torch.Tensor, count: int) -> torch.Tensor:
    """What to say of n pictures, shape (n, count): their labels, as far as not doubted."""
    sure = functional.one_hot(aims, count).float()
    return (1 - doubt)[:, None] * sure + doubt[:, None] / count


def alike(views: torch.Tensor) -> torch.Tensor:
    """How hard it is to tell of each picture which of the others is the same one.

    CLIP's loss, between the two views in place of picture and text: mean cross-entropy of the
    cosines times 10, in both directions (Radford et al. 2021, figure 3).

    Args:
        views: unit vectors, shape (2 m, d): m pictures, and then the same m seen otherwise.
    """
    first, second = views.chunk(2)
    cosines = ALIKE_SCALE * first @ second.T
    same = torch.arange(len(first))
    across = functional.cross_entropy(cosines, same) + functional.cross_entropy(cosines.T, same)
    return across / 2


class Objective:
    """The losses of pictures that are compared with one farm's words."""

    def __init__(
        self,
        made: Pictures,
        words: Words,
        encode: Callable[[Any], NDArray[np.float32]],
        random: np.random.Generator,
    ) -> None:
        self._random = random
        self._aims = targets(made, words)
        self._pool = _pool(words, encode, random)

    def losses(self, vectors: torch.Tensor, batch: Batch) -> torch.Tensor:
        """A step's weighted losses, shape (4,), as in `NAMES`.

        A foreign picture should lie at right angles to every label, no label then leads; and near
        to itself, seen otherwise.

        Args:
            vectors: unit vectors of the batch's pictures, shape (n + 2 m, d).
            batch: the pictures.
        """
        images = SCALE * vectors
        renders = images[: len(batch.chosen)]
        foreign = images[len(batch.chosen) :]
        doubt = torch.from_numpy(batch.doubt)
        of_labels = torch.zeros(())
        of_foreign = torch.zeros(())
        for kind, wanted in (("stage", self._aims.stage), ("condition", self._aims.condition)):
            labels = self._asked(kind)
            aim = torch.from_numpy(wanted[batch.chosen])
            known = aim >= 0
            soft = softened(aim[known], doubt[known], len(labels))
            of_labels = of_labels + functional.cross_entropy(renders[known] @ labels.T, soft)
            if len(foreign):
                of_foreign = of_foreign + (foreign @ labels.T).pow(2).mean()
        of_alike = alike(vectors[len(batch.chosen) :]) if len(foreign) else torch.zeros(())
        of_captions = self._captions(renders, batch)
        weighted = [CAPTIONS * of_captions, FOREIGN * of_foreign, ALIKE * of_alike]
        return torch.stack([of_labels, *weighted])

    def _asked(self, kind: str) -> torch.Tensor:
        """The labels' vectors for a step: the farm's own, or those of some other texts."""
        if self._random.random() < 0.5:
            some = torch.from_numpy(self._random.integers(0, POOLED, TEXTS_EACH))
            return functional.normalize(self._pool.others[kind][:, some].mean(1), dim=-1)
        return self._pool.own[kind]

    def _captions(self, renders: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Which caption; of plain pictures alone, for captions tell the light as well."""
        said = [self._aims.caption[i] for i in batch.chosen[batch.plain]]
        numbers = {what: number for number, what in enumerate(dict.fromkeys(said))}
        drawn = [self._pool.captions[what][int(self._random.integers(4))] for what in numbers]
        aim = torch.tensor([numbers[what] for what in said])
        plain = renders[torch.from_numpy(batch.plain)]
        return functional.cross_entropy(plain @ torch.stack(drawn).T, aim)


def _pool(
    words: Words, encode: Callable[[Any], NDArray[np.float32]], random: np.random.Generator
) -> Pool:
    """What a picture is compared with: the farm's labels, other texts for them, captions."""
    own = {}
    others = {}
    for kind, labels in words.labels.items():
        asked = label_vectors(labels, words.templates, encode)
        own[kind] = torch.from_numpy(asked).float()
        texts = [words.texts(kind, name, POOLED, random) for name in labels]
        others[kind] = torch.stack([torch.from_numpy(encode(of)) for of in texts])
    captions = {}
    for said in words.captions():
        drawn = [words.caption(*said, random) for _ in range(4)]
        captions[said] = torch.from_numpy(encode(drawn))
    return Pool(own, others, captions)
