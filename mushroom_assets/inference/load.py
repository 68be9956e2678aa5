"""From settings to an encoder on its device: model built, weights read, precision tried.

`weights` knows what the settings can name; `encoder` encodes.
"""

import contextlib
import functools
import logging
import pickle
import threading
from collections.abc import Iterator
from typing import Any

from mushroom_assets.inference.encoder import ClipEncoder, Parts
from mushroom_assets.inference.golden import GOLDEN_BOUND
from mushroom_assets.inference.gpu import memory_told
from mushroom_assets.inference.weights import (
    DEFAULT_MODEL,
    UnknownModel,
    Weights,
    WeightsUnavailable,
    find_weights,
    import_open_clip,
)

log = logging.getLogger(__name__)
# At most, unless asked for: torch would take every core, and others share the machine
WORKERS = {"cpu": 4, "cuda": 16}
PRECISIONS = ("auto", "fp32", "bf16")
# Models that `auto` leaves in float32: bfloat16 spares 1.3 ms of mushroom-tiny's 2.7 ms an image,
# beside 8 ms of decoding, and what ships with the weights was made of float32's vectors: the noise
# of 8 bits adds 2.5 to a familiarity of 12.9 (squared distance to 44 renders) and up to 0.015 to a
# probability. ViT-B-32 takes 51 ms instead of 99. Both with AVX512-BF16 (an EPYC of 2022, busy);
# with AMX ViT-B-32 is 2.6 times as fast as in float32.
FP32_MODELS = {DEFAULT_MODEL}
_loading = threading.Lock()  # two threads that ask for one encoder get the same, loaded once


def load_encoder(
    model: str | None,
    pretrained: str | None,
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
) -> ClipEncoder:
    """The encoder of a model, its weights and a device; once a process for the same arguments.

    Random numbers that others draw from torch are not disturbed.

    Args:
        model: an open_clip name, None for the packaged `mushroom-tiny`.
        pretrained: a tag, a checkpoint's path, `random-seed0`, or None: see `find_weights`.
        device: "auto" (CUDA where torch sees it), "cpu" or "cuda".
        precision: "fp32"; "bf16", refused where it does not give the same vectors or the CPU would
            have to emulate it; "auto": bf16 where the device computes with it and it gives the same
            vectors, else fp32; the packaged model's is always fp32 (`FP32_MODELS`).
        threads: how many decode images, and on CPU encode them; None for one a core, up to
            `WORKERS`.

    Raises:
        UnknownModel: a `ValueError`: no such model, weights, device or precision.
        WeightsUnavailable: the weights cannot be had, or are not this model's.
        GpuMemoryShort: the GPU has no room for the model.
    """
    with _loading:
        return _load(model or None, pretrained or None, device, precision, threads)


@functools.cache
def _load(
    model: str | None, pretrained: str | None, device: str, precision: str, threads: int | None
) -> ClipEncoder:
    if precision not in PRECISIONS:
        raise UnknownModel(
            f"MUSHROOM_CLIP_PRECISION is {precision!r}; it can be {', '.join(PRECISIONS)}"
        )
    weights = find_weights(model, pretrained)
    place = _device(device)
    open_clip = import_open_clip()
    config = open_clip.get_model_config(weights.model)
    workers = threads or min(cores(), WORKERS[place])
    with memory_told(f"load {weights.model}"):
        parts = _build(weights, place)
        encoder = ClipEncoder(weights, parts, place, int(config["embed_dim"]), workers)
    if precision == "bf16" and not _has_bf16(place):
        # 9 times slower than float32 where AVX2 has to emulate it.
        raise UnknownModel(
            "MUSHROOM_CLIP_PRECISION is bf16, which this processor does not have; use fp32"
        )
    if precision == "bf16" or (precision == "auto" and _pays(weights.model, place)):
        _use_bf16(encoder, asked=precision == "bf16")
    return encoder


def cores() -> int:
    """The cores that this process may use; OMP_NUM_THREADS says fewer."""
    import torch

    return int(torch.get_num_threads())


def _has_bf16(place: str) -> bool:
    """Whether products of bfloat16 are the device's own, not emulated."""
    import torch

    if place == "cuda":  # from Ampere on; a T4 emulates it
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


def _pays(model: str, place: str) -> bool:
    """Whether `auto` tries bfloat16: a fixed rule, so that no vector depends on a timing."""
    return model not in FP32_MODELS and _has_bf16(place)


def _use_bf16(encoder: ClipEncoder, *, asked: bool) -> None:
    cosine = encoder.use_bf16()
    if encoder.precision == "bf16":
        return
    found = (
        f"in bfloat16 {encoder.name} gives other vectors than in float32: "
        f"cosine {cosine:.4f} < {GOLDEN_BOUND}"
    )
    if asked:
        raise UnknownModel(f"{found}; set MUSHROOM_CLIP_PRECISION=fp32")
    log.warning("%s; float32 is used", found)


def _device(device: str) -> str:
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise UnknownModel(f"MUSHROOM_CLIP_DEVICE is {device!r}; it can be auto, cpu or cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise UnknownModel("MUSHROOM_CLIP_DEVICE is cuda, but torch sees no GPU; use auto or cpu")
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


@contextlib.contextmanager
def _unwarned(random: bool) -> Iterator[None]:
    """Keep open_clip from warning of random weights, which it does on the root logger.

    Here they are meant, and `trained` says so.
    """
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR if random else level)
    try:
        yield
    finally:
        root.setLevel(level)


def _build(weights: Weights, device: str) -> Parts:
    import torch

    open_clip = import_open_clip()
    model, tokenizer = _create(weights)
    model.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)
    cfg = open_clip.transform.PreprocessCfg(**model.visual.preprocess_cfg)
    # Less to tensor, normalise
    *resize, _, _ = open_clip.transform.image_transform_v2(cfg, is_train=False).transforms
    mean = torch.tensor(cfg.mean, device=device).reshape(1, 3, 1, 1)
    std = torch.tensor(cfg.std, device=device).reshape(1, 3, 1, 1)
    return Parts(model, resize, mean, std, tokenizer)


def _create(weights: Weights) -> tuple[Any, Any]:
    """open_clip's model with its weights, and its tokenizer.

    Raises:
        WeightsUnavailable: a library or a tokenizer is missing, or the file holds other weights.
    """
    import torch
    from safetensors import SafetensorError

    open_clip = import_open_clip()
    try:
        with torch.random.fork_rng(devices=[]), _unwarned(weights.path is None):
            # Not torch.manual_seed: that would also reseed every GPU
            torch.default_generator.manual_seed(0)
            model = open_clip.create_model(
                weights.model,
                pretrained=str(weights.path) if weights.path else None,
                pretrained_text=False,  # towers of foreign libraries: no download behind our back
                force_quick_gelu=weights.quick_gelu,
                force_preprocess_cfg=weights.preprocess,
            )
        return model, open_clip.get_tokenizer(weights.model)
    except (ImportError, OSError) as error:
        raise WeightsUnavailable(
            f"{weights.model} needs more than its weights (a library, a tokenizer): {error}"
        ) from error
    except (RuntimeError, KeyError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise WeightsUnavailable(
            f"{weights.path or weights.name} does not hold the weights of {weights.model}. "
            # Torch lists every tensor
            f"Is MUSHROOM_CLIP_MODEL right, and the file whole? {str(error)[:300]}"
        ) from error
