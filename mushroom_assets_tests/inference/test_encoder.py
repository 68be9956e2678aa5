"""The encoder against open_clip's own pipeline and arithmetic, on the small random model."""

import datetime as dt
import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw

from mushroom_assets.domain.farm_file import parse_farm, reference_farm_text
from mushroom_assets.domain.farm_parts import Label
from mushroom_assets.domain.prompts import label_vectors
from mushroom_assets.inference import encoder as encoder_module
from mushroom_assets.inference import load as load_module
from mushroom_assets.inference.encoder import ClipEncoder, Parts
from mushroom_assets.inference.golden import GOLDEN_BOUND, golden_images
from mushroom_assets.inference.images import read_photo
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.inference.weights import (
    UnknownModel,
    Weights,
    WeightsUnavailable,
    find_weights,
    import_open_clip,
)
from mushroom_assets.simulation.cameras import render, shots

pytestmark = pytest.mark.long

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope="module")
def encoder() -> ClipEncoder:
    return load_encoder(None, "random-seed0", "cpu")


class Reference(NamedTuple):
    """Model, transform and the checkpoint's path."""

    model: Any
    transform: Any
    path: Path


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """open_clip's own model and transform, with weights of its own."""
    import torch

    open_clip = import_open_clip()
    model, _, transform = open_clip.create_model_and_transforms(
        "mushroom-tiny", image_resize_mode="squash"
    )
    path = tmp_path_factory.mktemp("weights") / "tiny.pt"
    torch.save(model.state_dict(), path)
    return Reference(model.eval(), transform, path)


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    """Discs of all sizes and grey noise: detail from the whole frame down to one pixel."""
    draw = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), (200, 195, 185))
    pen = ImageDraw.Draw(image)
    for _ in range(600):
        x, y, size = (int(n) for n in draw.integers((0, 0, 3), (width, height, 90)))
        pen.ellipse(
            (x, y, x + size, y + size), fill=tuple(int(n) for n in draw.integers(30, 220, 3))
        )
    noisy = np.asarray(image, dtype=np.int16) + draw.integers(-20, 21, (height, width, 1))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def cosine(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    return float((a.astype(float) * b).sum(axis=-1).min())


def test_random_weights_say_what_they_are(encoder: ClipEncoder) -> None:
    assert encoder.name == "mushroom-tiny/random-seed0"
    assert not encoder.trained
    assert (encoder.image_size, encoder.dimensions, encoder.min_side) == (128, 128, 192)
    assert encoder.logit_scale == pytest.approx(1 / 0.07)  # where CLIP's training starts
    assert load_encoder("", "", "cpu") is load_encoder(None, None, "cpu")  # once a process


@pytest.mark.parametrize("size", [(320, 180), (90, 160), (64, 64), (40, 33)])
def test_preprocessing_is_open_clips(
    encoder: ClipEncoder, reference: Reference, size: tuple[int, int]
) -> None:
    image = picture(*size)
    ours = encoder.normalise(encoder.preprocess(image)[None])[0].numpy()
    np.testing.assert_allclose(ours, reference.transform(image).numpy(), atol=1e-6)


def test_preprocessing_by_hand(encoder: ClipEncoder) -> None:
    """Both sides to 128 by bicubic, nothing cropped, then mean and deviation a channel."""
    image = picture(320, 160)
    squashed = np.asarray(image.resize((128, 128), Image.Resampling.BICUBIC), dtype=np.float64)
    pixels = encoder.preprocess(image)
    np.testing.assert_array_equal(pixels, squashed)
    expected = ((squashed / 255 - CLIP_MEAN) / CLIP_STD).transpose(2, 0, 1)
    np.testing.assert_allclose(encoder.normalise(pixels[None])[0].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_checkpoint_file_gives_open_clips_vectors(
    reference: Reference, suffix: str, tmp_path: Path
) -> None:
    import torch
    from safetensors.torch import save_file

    model, transform, path = reference
    if suffix == ".safetensors":
        path = tmp_path / "tiny.safetensors"
        save_file(model.state_dict(), path)
    encoder = load_encoder("mushroom-tiny", str(path), "cpu")
    assert (
        encoder.name
        == f"mushroom-tiny/tiny{suffix}-{hashlib.sha256(path.read_bytes()).hexdigest()[:8]}"
    )
    assert encoder.trained
    pictures = [picture(200, 120, seed) for seed in range(5)]
    texts = ["a photo of mushrooms", "an empty room"]
    vectors = encoder.encode_images(np.stack([encoder.preprocess(image) for image in pictures]))
    with torch.inference_mode():
        images = model.encode_image(
            torch.stack([transform(image) for image in pictures]), normalize=True
        ).numpy()
        words = model.encode_text(
            import_open_clip().get_tokenizer("mushroom-tiny")(texts), normalize=True
        ).numpy()
    assert cosine(vectors, images) > 0.99999
    assert cosine(encoder.encode_texts(texts), words) > 0.99999


def test_texts_of_every_length_have_the_full_towers_vectors(reference: Reference) -> None:
    import torch

    model, _, path = reference
    texts = [
        "caps",
        "a photo of brown caps on a shelf in a growing room",
        " ".join(["mushrooms"] * 60),
        "",
        "caps",
    ]
    tokens = import_open_clip().get_tokenizer("mushroom-tiny")(texts)
    with torch.inference_mode():
        expected = model.encode_text(tokens, normalize=True).numpy()
    # The longest alone decides what is cut off
    for parts in ([texts], [texts[:1], texts[1:2], texts[2:]]):
        encoder = ClipEncoder(*fresh(path))
        np.testing.assert_allclose(
            np.concatenate([encoder.encode_texts(part) for part in parts]), expected, atol=1e-6
        )


def fresh(path: Path) -> tuple[Weights, Parts, str, int, int]:
    """What an encoder is made of that has not met any text yet."""
    weights = find_weights("mushroom-tiny", str(path))
    return weights, load_module._build(weights, "cpu"), "cpu", 128, 1


def test_label_vectors_are_open_clips_zero_shot_classifier(
    encoder: ClipEncoder, reference: Reference
) -> None:
    model, _, path = reference
    names, templates = ["closed bags", "ripe caps"], ["a photo of {}", "a dim photo of {}", "{}"]
    tokenizer = import_open_clip().get_tokenizer("mushroom-tiny")
    expected = (
        import_open_clip().build_zero_shot_classifier(model, tokenizer, names, templates).numpy().T
    )
    encode = load_encoder("mushroom-tiny", str(path), "cpu").encode_texts
    vectors = label_vectors({name: Label(prompts=[name]) for name in names}, templates, encode)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)


def test_vectors_have_length_one_and_do_not_depend_on_the_batch(encoder: ClipEncoder) -> None:
    pixels = np.stack([encoder.preprocess(picture(120, 80, seed)) for seed in range(40)])
    together = encoder.encode_images(pixels)  # 40 is more than one batch inside
    assert together.shape == (40, 128)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    for size in (1, 3, 7, 33):
        parts = [
            encoder.encode_images(pixels[start : start + size]) for start in range(0, 40, size)
        ]
        np.testing.assert_allclose(np.concatenate(parts), together, atol=1e-5)
    assert np.linalg.matrix_rank(together, tol=1e-4) > 1  # the images do differ
    assert encoder.encode_images(pixels[:0]).shape == (0, 128)
    assert encoder.encode_texts([]).shape == (0, 128)


def test_another_shape_is_an_error(encoder: ClipEncoder) -> None:
    with pytest.raises(
        ValueError, match=r"takes \(n, 128, 128, 3\) of uint8, got \(1, 3, 128, 128\) of uint8"
    ):
        encoder.encode_images(np.zeros((1, 3, 128, 128), dtype=np.uint8))
    with pytest.raises(ValueError, match="of float32"):
        encoder.encode_images(np.zeros((1, 128, 128, 3), dtype=np.float32))


@pytest.fixture(scope="module")
def frames() -> list[bytes]:
    """Full-size pictures of the simulated plant, one in 33 shots of five days."""
    farm = parse_farm(reference_farm_text())
    days = [dt.date(2026, 1, day) for day in (5, 9, 14, 20, 26)]
    taken = [
        shot
        for day in days
        for shot in shots(farm, list(farm.rooms), day, seed=3)
        if not shot.fault
    ]
    return [render(shot, seed=3, size=(2880, 1616)) for shot in taken[3::60]]


def scaled_and_full(
    encoder: ClipEncoder, frames: list[bytes], width: int
) -> npt.NDArray[np.float32]:
    """Cosines of scaled decodes' vectors to those of open_clip's own way: all pixels decoded."""
    full = [Image.open(io.BytesIO(data)).convert("RGB") for data in frames]
    small = [read_photo(data, min_side=encoder.min_side).image for data in frames]
    assert {image.width for image in small} == {width}
    a, b = (
        encoder.encode_images(np.stack([encoder.preprocess(i) for i in images]))
        for images in (small, full)
    )
    cosines: npt.NDArray[np.float32] = (a * b).sum(axis=1)
    return cosines


def test_a_smaller_decode_keeps_the_vector(frames: list[bytes]) -> None:
    assert scaled_and_full(load_encoder(None, None, "cpu"), frames, 360).min() >= 0.995


@pytest.mark.long
def test_a_smaller_decode_keeps_the_vector_of_a_large_model_and_bf16_its_golden_ones(
    frames: list[bytes],
) -> None:
    # A copy of this test's own
    encoder = load_encoder("ViT-B-32", "random-seed0", "cpu", "fp32", 2)
    assert scaled_and_full(encoder, frames, 720).min() >= 0.995
    exact = encoder.encode_images(golden_images(224))
    assert encoder.use_bf16() >= GOLDEN_BOUND
    assert encoder.precision == "bf16"
    vectors = encoder.encode_images(golden_images(224))
    assert np.abs(vectors - exact).max() > 1e-6  # it did compute otherwise
    assert cosine(vectors, exact) >= GOLDEN_BOUND


def test_bf16_is_not_used_where_it_gives_other_vectors(
    encoder: ClipEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder_module, "GOLDEN_BOUND", 1.1)
    golden = golden_images(128)
    exact = encoder.encode_images(golden)
    assert 0.9 < encoder.use_bf16() < 1.1
    assert encoder.precision == "fp32"
    np.testing.assert_array_equal(encoder.encode_images(golden), exact)
    # The latter where the processor has none
    with pytest.raises(UnknownModel, match=r"bfloat16|does not have"):
        load_encoder(None, "random-seed0", "cpu", "bf16")


NATIVE = {"avx512_bf16": True, "amx_bf16": False}
AMX = {"avx512_bf16": False, "amx_bf16": True}


@pytest.mark.parametrize(
    ("model", "place", "has", "expected"),
    [
        ("ViT-B-32", "cpu", NATIVE, True),
        ("ViT-B-32", "cpu", AMX, True),
        ("ViT-B-32", "cpu", {"avx512_bf16": False, "avx2": True}, False),
        ("ViT-B-32", "cpu", {}, False),
        ("ViT-B-32", "cuda", {"gpu": True}, True),
        ("ViT-B-32", "cuda", AMX, False),  # a GPU that would emulate it
        # Made of float32's vectors: what ships with the weights
        ("mushroom-tiny", "cpu", AMX, False),
        ("mushroom-tiny", "cuda", {"gpu": True}, False),
    ],
)
def test_auto_tries_bf16_by_a_fixed_rule(
    model: str, place: str, has: dict[str, bool], expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gpu_has(*, including_emulation: bool) -> bool:
        assert not including_emulation
        return "gpu" in has

    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: has)
    monkeypatch.setattr("torch.cuda.is_bf16_supported", gpu_has)
    assert load_module._pays(model, place) is expected


def test_auto_leaves_the_packaged_model_in_float32_and_takes_bf16_for_others_where_it_pays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anew = load_module._load.__wrapped__
    assert anew(None, None, "cpu", "auto", 1).precision == "fp32"
    monkeypatch.setattr(load_module, "FP32_MODELS", set())
    native = load_module._has_bf16("cpu")
    assert anew(None, None, "cpu", "auto", 1).precision == ("bf16" if native else "fp32")
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: NATIVE)
    monkeypatch.setattr(encoder_module, "GOLDEN_BOUND", 1.1)
    assert anew(None, None, "cpu", "auto", 1).precision == "fp32"  # other vectors


def test_bf16_of_this_processor_gives_float32s_vectors() -> None:
    if not load_module._has_bf16("cpu"):
        pytest.skip("this processor would emulate bfloat16")
    exact = load_encoder(None, None, "cpu", "fp32").encode_images(golden_images(128))
    half = load_encoder(None, None, "cpu", "bf16")
    assert half.precision == "bf16"
    assert cosine(half.encode_images(golden_images(128)), exact) >= 0.999


def test_an_unknown_precision_is_an_error() -> None:
    with pytest.raises(UnknownModel, match="auto, fp32, bf16"):
        load_encoder(None, None, "cpu", "int8")


ELSEWHERE = """
import sys, numpy as np, torch
from mushroom_assets.inference.load import load_encoder
torch.manual_seed(20260105)  # whatever others have drawn before
before = torch.get_rng_state()
encoder = load_encoder(None, "random-seed0", "cpu")
assert torch.equal(before, torch.get_rng_state()), "the global random numbers were touched"
pixels = (np.arange(128 * 128 * 3) % 251).astype(np.uint8).reshape(1, 128, 128, 3)
vectors = [encoder.encode_images(pixels), encoder.encode_texts(["mushrooms"])]
np.save(sys.argv[1], np.concatenate(vectors))
"""


def test_random_weights_are_the_same_in_every_process_and_leave_torchs_numbers_alone(
    encoder: ClipEncoder, tmp_path: Path
) -> None:
    pixels = (np.arange(128 * 128 * 3) % 251).astype(np.uint8).reshape(1, 128, 128, 3)
    ran = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, tmp_path / "v.npy"], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    ours = np.concatenate([encoder.encode_images(pixels), encoder.encode_texts(["mushrooms"])])
    np.testing.assert_allclose(np.load(tmp_path / "v.npy"), ours, atol=1e-6)


def test_a_file_that_does_not_fit_is_named(tmp_path: Path) -> None:
    import torch

    other = tmp_path / "other.pt"
    torch.save({"token_embedding.weight": torch.zeros(3, 3)}, other)
    garbage = [tmp_path / "cut.pt", tmp_path / "cut.safetensors"]
    for path in garbage:
        path.write_bytes(b"not a checkpoint")
    (tmp_path / "empty.pt").write_bytes(b"")
    for path in (other, *garbage, tmp_path / "empty.pt"):
        with pytest.raises(
            WeightsUnavailable, match=f"{path.name} does not hold the weights of mushroom-tiny"
        ):
            load_encoder(None, str(path), "cpu")


def test_a_wrong_device_is_an_error() -> None:
    import torch

    with pytest.raises(UnknownModel, match="auto, cpu or cuda"):
        load_encoder(None, None, "gpu")
    if not torch.cuda.is_available():
        with pytest.raises(UnknownModel, match="sees no GPU"):
            load_encoder(None, None, "cuda")


def test_a_gpu_gives_nearly_the_same_vectors(encoder: ClipEncoder) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    pixels = np.stack([encoder.preprocess(picture(120, 80, seed)) for seed in range(8)])
    on_gpu = load_encoder(None, "random-seed0", "cuda")
    # bfloat16 has 8 bits
    assert cosine(on_gpu.encode_images(pixels), encoder.encode_images(pixels)) > 0.999
    assert cosine(on_gpu.encode_texts(["caps"]), encoder.encode_texts(["caps"])) > 0.99999


def test_importing_the_encoder_imports_no_torch() -> None:
    program = """
import mushroom_assets.inference.encoder, sys
assert not {"torch", "open_clip"} & set(sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
