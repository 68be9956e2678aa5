"""Pixels and prompts to unit vectors, with open_clip.

Nothing here knows rooms, labels or stores. torch is imported inside functions, because every import of the package's
definitions would otherwise pay for it: see `import_open_clip`.
"""

import contextlib
import functools
import logging
import pickle
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from mushroom_assets.inference.weights import UnknownModel, Weights, WeightsUnavailable, find_weights, import_open_clip

Floats = npt.NDArray[np.float32]
CPU_THREADS = 4  # at most: torch would take every core, and other runs share the machine
BATCH = {"cpu": 32, "cuda": 256}  # images; larger ones bring nothing on two AVX2 cores, 256 x 224 px are 154 MB
TEXT_BATCH = 256
DECODE_MARGIN = 1.5  # see `ClipEncoder.min_side`
_loading = threading.Lock()  # two threads that ask for one encoder get the same, loaded once


class _Parts(NamedTuple):
    model: Any
    transform: Callable[[Image.Image], Any]
    tokenizer: Callable[[list[str]], Any]


class ClipEncoder:
    """A CLIP model on a device. Get one from `load_encoder`.

    Attributes:
        name: "<model>/<weights>", the weights as in `Weights.name`.
        trained: False for random weights, whose labels mean nothing.
        logit_scale: what cosines are multiplied by before the softmax; 100 for OpenAI's CLIP.
        image_size: side of the model's square input, px.
        dimensions: length of a vector.
        device: "cpu" or "cuda".
    """

    def __init__(self, weights: Weights, parts: _Parts, device: str, dimensions: int) -> None:
        self.name = f"{weights.model}/{weights.name}"
        self.trained = weights.path is not None
        self.device = device
        self.dimensions = dimensions
        self.logit_scale = float(parts.model.logit_scale.detach().exp())
        size = parts.model.visual.preprocess_cfg["size"]
        self.image_size = int(size if isinstance(size, int) else size[0])
        self._model, self._transform, self._tokenizer = parts

    @property
    def min_side(self) -> int:
        """The short side, in px, that a JPEG must keep when it is decoded smaller (`read_photo`).

        1.5 times the input. On noise, stripes and discs of 2880x1616 px the cosine to the vector of the full decode
        is then >= 0.9996 for ViT-B-32 (decoded at a quarter; 0.9999 at a half, 0.9988 at an eighth, which is below
        224 px) and >= 0.9999 for mushroom-tiny, while the vectors of different images have cosines of 0.73 to 0.97.
        """
        return round(DECODE_MARGIN * self.image_size)

    def preprocess(self, image: Image.Image) -> Floats:
        """An image as the model's input: open_clip's own inference transform of these weights.

        Short side scaled to the input size (bicubic), centre cropped, normalised by the model's mean and deviation.

        Returns:
            Shape (3, image_size, image_size).
        """
        pixels: Floats = self._transform(image).numpy()
        return pixels

    def encode_images(self, pixels: npt.NDArray[Any]) -> Floats:
        """Vectors of preprocessed images: float32 on CPU, bfloat16 products on CUDA.

        Args:
            pixels: shape (n, 3, image_size, image_size), float32; n may be 0.

        Returns:
            Shape (n, dimensions), each row of length 1, in the order given; the same whatever the batch (1e-5).

        Raises:
            ValueError: another shape.
        """
        import torch

        if pixels.shape[1:] != (3, self.image_size, self.image_size):
            raise ValueError(f"{self.name} takes (n, 3, {self.image_size}, {self.image_size}), got {pixels.shape}")

        def encode(batch: npt.NDArray[Any]) -> Any:
            # bfloat16 on CPU is left out: 9 times slower than float32 where AVX2 has to emulate it.
            with torch.autocast(self.device, dtype=torch.bfloat16, enabled=self.device == "cuda"):
                return self._model.encode_image(torch.tensor(batch, dtype=torch.float32, device=self.device))

        return self._in_batches(encode, pixels, BATCH[self.device])

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Vectors of texts, in float32 on every device. Text beyond the model's context (77 tokens) is cut off.

        Returns:
            Shape (len(texts), dimensions), each row of length 1.
        """

        def encode(batch: Sequence[str]) -> Any:
            return self._model.encode_text(self._tokenizer(list(batch)).to(self.device))

        return self._in_batches(encode, texts, TEXT_BATCH)

    def _in_batches(self, encode: Callable[[Any], Any], items: Any, size: int) -> Floats:
        import torch

        vectors = np.empty((len(items), self.dimensions), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(items), size):
                features = encode(items[start : start + size]).float()
                unit = torch.nn.functional.normalize(features, dim=-1)
                vectors[start : start + size] = unit.cpu().numpy()
        return vectors


def load_encoder(model: str | None, pretrained: str | None, device: str = "auto") -> ClipEncoder:
    """The encoder of a model, its weights and a device; once a process for the same arguments.

    On CPU torch's number of threads is set for the whole process (at most `CPU_THREADS`). Random numbers that others
    draw from torch are not disturbed.

    Args:
        model: an open_clip name, None for the packaged `mushroom-tiny`.
        pretrained: a tag, a checkpoint's path, `random-seed0`, or None: see `find_weights`.
        device: "auto" (CUDA where torch sees it), "cpu" or "cuda".

    Raises:
        UnknownModel: a `ValueError`: no such model, weights or device.
        WeightsUnavailable: the weights cannot be had, or are not this model's.
    """
    with _loading:
        return _load(model or None, pretrained or None, device)


@functools.cache
def _load(model: str | None, pretrained: str | None, device: str) -> ClipEncoder:
    weights = find_weights(model, pretrained)
    place = _device(device)
    open_clip = import_open_clip()
    config = open_clip.get_model_config(weights.model)
    return ClipEncoder(weights, _build(weights, place), place, int(config["embed_dim"]))


def _device(device: str) -> str:
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise UnknownModel(f"MUSHROOM_CLIP_DEVICE is {device!r}; it can be auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UnknownModel("MUSHROOM_CLIP_DEVICE is cuda, but torch sees no GPU; use auto or cpu")
    if device == "cuda" or (device == "auto" and torch.cuda.is_available()):
        return "cuda"
    torch.set_num_threads(min(torch.get_num_threads(), CPU_THREADS))  # what it has is one a core
    return "cpu"


@contextlib.contextmanager
def _unwarned(random: bool) -> Iterator[None]:
    """open_clip warns of random weights on the root logger; here they are meant, and `trained` says so."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR if random else level)
    try:
        yield
    finally:
        root.setLevel(level)


def _build(weights: Weights, device: str) -> _Parts:
    import torch
    from safetensors import SafetensorError

    open_clip = import_open_clip()
    try:
        with torch.random.fork_rng(devices=[]), _unwarned(weights.path is None):
            torch.default_generator.manual_seed(0)  # not torch.manual_seed: that would also reseed every GPU
            model = open_clip.create_model(
                weights.model,
                pretrained=str(weights.path) if weights.path else None,
                pretrained_text=False,  # towers of foreign libraries: no download behind our back
                force_quick_gelu=weights.quick_gelu,
                force_preprocess_cfg=weights.preprocess,
            )
        tokenizer = open_clip.get_tokenizer(weights.model)
    except (ImportError, OSError) as error:
        raise WeightsUnavailable(
            f"{weights.model} needs more than its weights (a library, a tokenizer): {error}"
        ) from error
    except (RuntimeError, KeyError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise WeightsUnavailable(
            f"{weights.path or weights.name} does not hold the weights of {weights.model}. "
            f"Is MUSHROOM_CLIP_MODEL right, and the file whole? {str(error)[:300]}"  # torch lists every tensor
        ) from error
    model.eval().requires_grad_(False).to(device)
    cfg = open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg)
    return _Parts(model, open_clip.transform.image_transform_v2(cfg, is_train=False), tokenizer)
