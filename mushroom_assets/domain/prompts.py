"""What a model is asked for each label: prompts in templates, as one vector a label.

Here live texts and their vectors. What the vectors say of a picture is the business of `vision`.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mushroom_assets.domain.farm_parts import Label, Vision

Array = npt.NDArray[np.floating]
Encode = Callable[[Sequence[str]], Array]  # n texts to n vectors: `ClipEncoder.encode_texts`


def prompt_set_version(vision: Vision) -> str:
    """Eight hex digits that change with templates, labels and prompts.

    They do not change with their order, nor with the texts for people.
    """
    asked = {
        "templates": sorted(vision.templates),
        "stages": {name: sorted(label.prompts) for name, label in vision.stages.items()},
        "conditions": {name: sorted(label.prompts) for name, label in vision.conditions.items()},
    }
    canonical = json.dumps(asked, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def model_id(encoder_name: str, vision: Vision) -> str:
    """Model, weights and prompt set as rows name them: "<encoder name>/prompts-<version>"."""
    return f"{encoder_name}/prompts-{prompt_set_version(vision)}"


def prompts(label: Label, templates: Sequence[str]) -> list[str]:
    """The texts that stand for a label: each of its prompts in each template."""
    return [template.replace("{}", prompt) for prompt in label.prompts for template in templates]


def label_vectors(labels: Mapping[str, Label], templates: Sequence[str], encode: Encode) -> Array:
    """One vector a label: the mean of its texts' unit vectors, scaled to length 1.

    As in section 3.1.4 of the CLIP paper.

    Args:
        labels: the labels.
        templates: texts with `{}` where a prompt goes.
        encode: n texts to shape (n, d); called once.

    Returns:
        Shape (labels, d), in the labels' order.
    """
    of_labels = [prompts(label, templates) for label in labels.values()]
    texts = list(itertools.chain.from_iterable(of_labels))
    vectors = _unit(np.asarray(encode(texts), dtype=np.float64))
    ends = np.cumsum([len(of_label) for of_label in of_labels])
    groups = np.split(vectors, ends[:-1])
    return _unit(np.stack([group.mean(axis=0) for group in groups]))


def _unit(vectors: Array) -> Array:
    unit: Array = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
