"""Pixels and prompts to unit vectors, with open_clip.

Nothing here knows rooms, labels or stores, nor where weights come from (`weights`, `load`). torch
is imported inside functions, because every import of the package's definitions would otherwise pay
for it: see `weights.import_open_clip`.
"""

import contextlib
import copy
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from mushroom_assets.inference.golden import GOLDEN_BOUND, golden_images
from mushroom_assets.inference.gpu import Feed, memory_told, with_less_memory
from mushroom_assets.inference.known import known_of
from mushroom_assets.inference.weights import Weights

Floats = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8]
# So many images of 224 px are encoded at a time, and twice as many small ones. On CPU each worker
# has a core of its own, where ViT-B-32 is as quick with 8 as with 32 and mushroom-tiny takes 1.4 ms
# an image with 8, 1.1 with 16 or 32 (an EPYC of 2022 with AVX-512). A GPU's launches want more: an
# H100 makes 8,200 images/s of ViT-B-32 in batches of 32 and 20,000 in batches of 1,024. After a
# crash, one batch for each worker is computed again, of a GPU those in hand.
BATCH = {"cpu": 8, "cuda": 128}
TEXT_BATCH = 256
DECODE_MARGIN = 1.5  # see `ClipEncoder.min_side`
_texting = threading.Lock()  # one thread at a time changes a text tower, see `_shortened`


class Parts(NamedTuple):
    """A model, ready on its device, and what goes with it."""

    model: Any
    # open_clip's own steps, up to the picture of the model's size
    resize: Sequence[Callable[[Any], Any]]
    mean: Any  # of a channel, shape (1, 3, 1, 1)
    std: Any
    tokenizer: Callable[[list[str]], Any]


class ClipEncoder:
    """A CLIP model on a device. Get one from `load.load_encoder`.

    Attributes:
        name: "<model>/<weights>", the weights as in `Weights.name`.
        trained: False for random weights, whose labels mean nothing.
        known: what the model learned, where its weights say so.
        logit_scale: what cosines are multiplied by before the softmax; 100 for OpenAI's CLIP.
        image_size: side of the model's square input, px.
        dimensions: length of a vector.
        device: "cpu" or "cuda".
        precision: "fp32" or "bf16", of the image tower's products.
        workers: threads that should decode at a time, and on CPU encode (see `pipeline`).
        batch: images that should be encoded at a time.
    """

    def __init__(
        self, weights: Weights, parts: Parts, device: str, dimensions: int, workers: int
    ) -> None:
        self.name = f"{weights.model}/{weights.name}"
        self.trained = weights.path is not None
        self.known = known_of(weights)
        self.device = device
        self.precision = "fp32"
        self.workers = workers
        self.dimensions = dimensions
        self.logit_scale = float(parts.model.logit_scale.detach().exp())
        size = parts.model.visual.preprocess_cfg["size"]
        self.image_size = int(size if isinstance(size, int) else size[0])
        self.batch = BATCH[device] * max(1, round(224 / self.image_size))
        self._feed = None if self.on_cores else Feed(device)
        self._texts: dict[str, Floats] = {}  # a farm's 96 prompts cost ViT-B-32 1 s: once a process
        self._model = parts.model
        self._resize = parts.resize
        self._mean = parts.mean
        self._std = parts.std
        self._tokenizer = parts.tokenizer

    @property
    def on_cores(self) -> bool:
        """Whether the model computes on the cores that decode: each worker then encodes too."""
        return self.device == "cpu"

    @property
    def min_side(self) -> int:
        """The short side, in px, that a JPEG must keep when it is decoded smaller (`read_photo`).

        1.5 times the input: a 2880x1616 frame is decoded at a quarter for 224 px, at an eighth for
        128. Its vector then has a cosine of 0.9999 or more to that of open_clip's own way, the full
        decode, for ViT-B-32 (29 rendered frames, random weights; 0.999 for 6 photographs), and of
        0.9986 or more for the packaged mushroom-tiny (300 frames; 0.9965 for 21 photographs, three
        times enlarged).
        """
        return round(DECODE_MARGIN * self.image_size)

    def preprocess(self, image: Image.Image) -> Pixels:
        """An image at the model's size, by open_clip's own inference transform of these weights.

        It is bicubic, as a rule. The sides are cropped or squashed as the weights need it.
        `encode_images` applies mean and deviation, to a whole batch at once.

        Returns:
            Shape (image_size, image_size, 3), uint8.
        """
        for step in self._resize:
            image = step(image)
        return np.asarray(image)

    def normalise(self, pixels: Pixels) -> Any:
        """A batch as the model's input.

        Args:
            pixels: shape (n, image_size, image_size, 3), uint8.

        Returns:
            A tensor of shape (n, 3, image_size, image_size), on the model's device.
        """
        import torch

        # A quarter of the bytes goes to a GPU
        batch = self._feed(pixels) if self._feed else torch.tensor(pixels)
        # A view of channels-last memory, which convolutions like best
        return batch.permute(0, 3, 1, 2).float().div_(255).sub_(self._mean).div_(self._std)

    def encode_images(self, pixels: Pixels) -> Floats:
        """Vectors of images.

        Args:
            pixels: shape (n, image_size, image_size, 3), uint8, from `preprocess`; n may be 0.

        Returns:
            Shape (n, dimensions), each row of length 1, in the order given; the same whatever the
            batch (1e-5).

        Raises:
            ValueError: another shape or type.
            GpuMemoryShort: the GPU has no room, not even for an eighth of a batch.
        """
        size = self.image_size
        if pixels.shape[1:] != (size, size, 3) or pixels.dtype != np.uint8:
            wanted = f"(n, {size}, {size}, 3) of uint8"
            raise ValueError(f"{self.name} takes {wanted}, got {pixels.shape} of {pixels.dtype}")

        def encode(batch: Pixels) -> Any:
            return self._model.encode_image(self.normalise(batch).to(_dtype(self.precision)))

        if self.on_cores:
            return self._in_batches(encode, pixels, self.batch)
        work = functools.partial(self._in_batches, encode, pixels)
        vectors, self.batch = with_less_memory(work, self.batch, f"encode with {self.name}")
        return vectors

    def use_bf16(self) -> float:
        """Compute images in bfloat16 from now on, if that gives float32's vectors.

        `golden_images` decide: every vector must have a cosine of `GOLDEN_BOUND` to its float32
        one. If not, it stays with float32.

        Returns:
            The smallest cosine.
        """
        golden = golden_images(self.image_size)
        exact = self.encode_images(golden)
        visual = self._model.visual
        self._model.visual = copy.deepcopy(visual).to(_dtype("bf16"))
        self.precision = "bf16"
        cosine = float((self.encode_images(golden) * exact).sum(axis=1).min())
        if not cosine >= GOLDEN_BOUND:  # a NaN fails too
            self._model.visual = visual
            self.precision = "fp32"
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

        if not texts:
            return np.empty((0, self.dimensions), np.float32)
        new = [text for text in dict.fromkeys(texts) if text not in self._texts]
        if new:
            with memory_told(f"encode texts with {self.name}"):
                vectors = self._in_batches(encode, new, TEXT_BATCH)
            self._texts |= zip(new, vectors, strict=True)
        return np.stack([self._texts[text] for text in texts])

    def _in_batches(self, encode: Callable[[Any], Any], items: Any, size: int) -> Floats:
        import torch

        unit = torch.nn.functional.normalize
        starts = range(0, len(items), size)
        with torch.inference_mode():
            # A GPU is only waited for when all batches are queued
            queued = [unit(encode(items[n : n + size]).float(), dim=-1) for n in starts]
            vectors = [batch.cpu().numpy() for batch in queued]
        return np.concatenate([np.empty((0, self.dimensions), np.float32), *vectors])


@contextlib.contextmanager
def _shortened(model: Any, tokens: Any) -> Iterator[Any]:
    """The tokens without the padding behind the longest text, and a text tower of that length.

    In a causal tower that is pooled at the text's end, nothing looks at what follows: the vectors
    are the same, and ViT-B-32's 77 tokens cost four times the 24 of the farm's longest prompt.
    Other towers are left alone. When the context ends, the tower is as it was before.
    """
    causal = type(model).__name__ == "CLIP" and model.attn_mask is not None
    if not causal or model.text_pool_type != "argmax":
        yield tokens
        return
    import torch

    length = int((tokens != 0).sum(dim=1).max())
    with _texting:
        positions = model.positional_embedding
        mask = model.attn_mask
        model.positional_embedding = torch.nn.Parameter(positions[:length], requires_grad=False)
        model.attn_mask = mask[:length, :length]
        try:
            yield tokens[:, :length]
        finally:
            model.positional_embedding = positions
            model.attn_mask = mask


def _dtype(precision: str) -> Any:
    import torch

    return {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
