"""Pixels and prompts to unit vectors, with open_clip.

Nothing here knows rooms, labels or stores. torch is imported inside functions, because every import of the package's
definitions would otherwise pay for it: see `import_open_clip`.
"""

import contextlib
import copy
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

log = logging.getLogger(__name__)
Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
WORKERS = {"cpu": 4, "cuda": 16}  # at most, unless asked for: torch would take every core, and others share the machine
# Images at a time. On CPU each worker has a core of its own, where ViT-B-32 is as quick with 8 as with 32; a GPU's
# launches want more. So much is computed again after a crash, times the workers.
BATCH = {"cpu": 8, "cuda": 32}
TEXT_BATCH = 256
DECODE_MARGIN = 1.75  # see `ClipEncoder.min_side`
PRECISIONS = ("auto", "fp32", "bf16")
GOLDEN_BOUND = 0.999  # cosine to float32's vector that every golden image must reach; bfloat16 keeps 8 bits
_texting = threading.Lock()  # one thread at a time changes a text tower, see `_shortened`
_loading = threading.Lock()  # two threads that ask for one encoder get the same, loaded once


class _Parts(NamedTuple):
    model: Any
    resize: Sequence[Callable[[Any], Any]]  # open_clip's own steps, up to the picture of the model's size
    mean: Any  # of a channel, shape (1, 3, 1, 1)
    std: Any
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
        precision: "fp32" or "bf16", of the image tower's products.
        workers: threads that should encode at a time, each with batches of its own (see `pipeline`).
        batch: images that a worker should encode at a time.
    """

    def __init__(self, weights: Weights, parts: _Parts, device: str, dimensions: int, workers: int) -> None:
        self.name = f"{weights.model}/{weights.name}"
        self.trained = weights.path is not None
        self.device, self.precision, self.workers, self.batch = device, "fp32", workers, BATCH[device]
        self.dimensions = dimensions
        self.logit_scale = float(parts.model.logit_scale.detach().exp())
        size = parts.model.visual.preprocess_cfg["size"]
        self.image_size = int(size if isinstance(size, int) else size[0])
        self._texts: dict[str, Floats] = {}  # a farm's 96 prompts cost ViT-B-32 1 s: once a process
        self._model, self._resize, self._mean, self._std, self._tokenizer = parts

    @property
    def min_side(self) -> int:
        """The short side, in px, that a JPEG must keep when it is decoded smaller (`read_photo`).

        1.75 times the input: a 2880x1616 frame is decoded at a quarter for 128 and 224 px. On 29 rendered frames of
        that size the cosine to the vector of open_clip's own way, the full decode, is then >= 0.9999 for ViT-B-32
        (random weights). For the packaged mushroom-tiny, on 204 frames, its median is 0.99996 and three are below
        0.995 (0.993; one of 15 others had 0.985); 405 of the 408 labels agree. Such a frame's vector is about as
        sensitive to a plain 4x4 mean of the full decode.
        """
        return round(DECODE_MARGIN * self.image_size)

    def preprocess(self, image: Image.Image) -> Pixels:
        """An image at the model's size, by open_clip's own inference transform of these weights (bicubic, as a rule).

        The sides are cropped or squashed as the weights want it. Mean and deviation are left to `encode_images`, which
        takes them off a whole batch at once.

        Returns:
            Shape (image_size, image_size, 3), uint8.
        """
        for step in self._resize:
            image = step(image)
        return np.asarray(image)

    def normalise(self, pixels: Pixels) -> Any:
        """A batch as the model's input, a tensor of shape (n, 3, image_size, image_size) on its device.

        Args:
            pixels: shape (n, image_size, image_size, 3), uint8.
        """
        import torch

        # A view of channels-last memory, which convolutions like best; a quarter of the bytes goes to a GPU.
        batch = torch.tensor(pixels, device=self.device).permute(0, 3, 1, 2)
        return batch.float().div_(255).sub_(self._mean).div_(self._std)

    def encode_images(self, pixels: Pixels) -> Floats:
        """Vectors of images.

        Args:
            pixels: shape (n, image_size, image_size, 3), uint8, from `preprocess`; n may be 0.

        Returns:
            Shape (n, dimensions), each row of length 1, in the order given; the same whatever the batch (1e-5).

        Raises:
            ValueError: another shape or type.
        """
        size = self.image_size
        if pixels.shape[1:] != (size, size, 3) or pixels.dtype != np.uint8:
            raise ValueError(f"{self.name} takes (n, {size}, {size}, 3) of uint8, got {pixels.shape} of {pixels.dtype}")

        def encode(batch: Pixels) -> Any:
            return self._model.encode_image(self.normalise(batch).to(_dtype(self.precision)))

        return self._in_batches(encode, pixels, self.batch)

    def use_bf16(self) -> float:
        """Compute images in bfloat16 from now on, if that gives float32's vectors; it stays with float32 if not.

        Judged by `golden_images`: every vector must have a cosine of `GOLDEN_BOUND` to its float32 one.

        Returns:
            The smallest cosine.
        """
        golden = golden_images(self.image_size)
        exact = self.encode_images(golden)
        visual = self._model.visual
        self._model.visual, self.precision = copy.deepcopy(visual).to(_dtype("bf16")), "bf16"
        cosine = float((self.encode_images(golden) * exact).sum(axis=1).min())
        if not cosine >= GOLDEN_BOUND:  # a NaN is none
            self._model.visual, self.precision = visual, "fp32"
        return cosine

    def encode_texts(self, texts: Sequence[str]) -> Floats:
        """Vectors of texts, in float32 on every device. Text beyond the model's context is cut off.

        Returns:
            Shape (len(texts), dimensions), each row of length 1.
        """

        def encode(batch: Sequence[str]) -> Any:
            tokens = self._tokenizer(list(batch)).to(self.device)
            with _shortened(self._model, tokens) as short:
                return self._model.encode_text(short)

        if new := [text for text in dict.fromkeys(texts) if text not in self._texts]:
            self._texts |= zip(new, self._in_batches(encode, new, TEXT_BATCH), strict=True)
        return np.stack([self._texts[text] for text in texts]) if texts else np.empty((0, self.dimensions), np.float32)

    def _in_batches(self, encode: Callable[[Any], Any], items: Any, size: int) -> Floats:
        import torch

        vectors = np.empty((len(items), self.dimensions), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(items), size):
                features = encode(items[start : start + size]).float()
                unit = torch.nn.functional.normalize(features, dim=-1)
                vectors[start : start + size] = unit.cpu().numpy()
        return vectors


@contextlib.contextmanager
def _shortened(model: Any, tokens: Any) -> Iterator[Any]:
    """The tokens less the padding behind the longest text, and for so long a text tower of that length.

    In a causal tower that is pooled at the text's end nothing looks at what follows it: the vectors are the same, and
    ViT-B-32's 77 tokens cost four times the 24 of the farm's longest prompt. Other towers are left alone.
    """
    if type(model).__name__ != "CLIP" or model.text_pool_type != "argmax" or model.attn_mask is None:
        yield tokens
        return
    import torch

    length = int((tokens != 0).sum(dim=1).max())
    with _texting:
        positions, mask = model.positional_embedding, model.attn_mask
        model.positional_embedding = torch.nn.Parameter(positions[:length], requires_grad=False)
        model.attn_mask = mask[:length, :length]
        try:
            yield tokens[:, :length]
        finally:
            model.positional_embedding, model.attn_mask = positions, mask


def golden_images(size: int) -> Pixels:
    """Images on which two ways of computing are compared: noise of four grains, ramps, stripes and discs.

    Returns:
        Shape (8, size, size, 3), uint8, the same on every machine.
    """
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size]
    images = [np.kron(random.integers(0, 256, (-(-size // n),) * 2 + (3,)), np.ones((n, n, 1))) for n in (1, 4, 16, 64)]
    images += [
        np.stack([x, y, x + y], axis=-1) * 127 / size,
        np.stack([x % 16 < 8, y % 24 < 9, (x + y) % 9 < 3], -1) * 255,
    ]
    for radius in (size / 3, size / 9):
        inside = np.hypot(x % (2.2 * radius) - radius, y % (2.2 * radius) - radius) < radius
        images.append(np.where(inside[..., None], (150, 110, 80), (220, 212, 195)))
    return np.stack([image[:size, :size] for image in images]).astype(np.uint8)


def load_encoder(
    model: str | None, pretrained: str | None, device: str = "auto", precision: str = "auto", threads: int | None = None
) -> ClipEncoder:
    """The encoder of a model, its weights and a device; once a process for the same arguments.

    Random numbers that others draw from torch are not disturbed.

    Args:
        model: an open_clip name, None for the packaged `mushroom-tiny`.
        pretrained: a tag, a checkpoint's path, `random-seed0`, or None: see `find_weights`.
        device: "auto" (CUDA where torch sees it), "cpu" or "cuda".
        precision: "fp32"; "bf16", refused where it does not give the same vectors or the CPU would have to emulate it;
            "auto": bf16 on CUDA where it gives the same vectors, else fp32.
        threads: images are encoded in so many; None for one a core, up to `WORKERS`.

    Raises:
        UnknownModel: a `ValueError`: no such model, weights, device or precision.
        WeightsUnavailable: the weights cannot be had, or are not this model's.
    """
    with _loading:
        return _load(model or None, pretrained or None, device, precision, threads)


@functools.cache
def _load(model: str | None, pretrained: str | None, device: str, precision: str, threads: int | None) -> ClipEncoder:
    if precision not in PRECISIONS:
        raise UnknownModel(f"MUSHROOM_CLIP_PRECISION is {precision!r}; it can be {', '.join(PRECISIONS)}")
    weights = find_weights(model, pretrained)
    place = _device(device)
    open_clip = import_open_clip()
    config = open_clip.get_model_config(weights.model)
    workers = threads or min(cores(), WORKERS[place])
    encoder = ClipEncoder(weights, _build(weights, place), place, int(config["embed_dim"]), workers)
    if precision == "bf16" or (precision == "auto" and place == "cuda"):
        _use_bf16(encoder, asked=precision == "bf16")
    return encoder


def cores() -> int:
    """The cores that this process may use; OMP_NUM_THREADS says fewer."""
    import torch

    return int(torch.get_num_threads())


def _use_bf16(encoder: ClipEncoder, *, asked: bool) -> None:
    import torch

    has = torch.cpu.get_capabilities() if encoder.device == "cpu" else {"avx512_bf16": True}
    if not (has.get("avx512_bf16") or has.get("amx_bf16")):
        # 9 times slower than float32 where AVX2 has to emulate it.
        raise UnknownModel("MUSHROOM_CLIP_PRECISION is bf16, which this processor does not have; use fp32")
    cosine = encoder.use_bf16()
    if encoder.precision == "bf16":
        return
    found = f"in bfloat16 {encoder.name} gives other vectors than in float32: cosine {cosine:.4f} < {GOLDEN_BOUND}"
    if asked:
        raise UnknownModel(f"{found}; set MUSHROOM_CLIP_PRECISION=fp32")
    log.warning("%s; float32 is used", found)


def _dtype(precision: str) -> Any:
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]


def _device(device: str) -> str:
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise UnknownModel(f"MUSHROOM_CLIP_DEVICE is {device!r}; it can be auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UnknownModel("MUSHROOM_CLIP_DEVICE is cuda, but torch sees no GPU; use auto or cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


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
    model.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    cfg = open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg)
    *resize, _, _ = open_clip.transform.image_transform_v2(cfg, is_train=False).transforms  # less to tensor, normalise
    mean, std = (torch.tensor(values, device=device).reshape(1, 3, 1, 1) for values in (cfg.mean, cfg.std))
    return _Parts(model, resize, mean, std, tokenizer)
