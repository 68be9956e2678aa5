"""Names to weights, without a network: what the hub answers is put in its place."""

import io
import os
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from mushroom_assets.inference import weights
from mushroom_assets.inference.weights import UnknownModel, WeightsUnavailable, find_weights


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No weights in the cache, and a host name that does not resolve.

    Returns the addresses asked.
    """
    asked: list[str] = []

    def urlopen(request: urllib.request.Request, timeout: float) -> None:
        asked.append(request.full_url)
        assert timeout <= 5
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(weights, "_cached", lambda repository, filename: None)
    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    return asked


def test_none_chosen_is_the_packaged_file_named_by_its_content(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Test vectors of FIPS 180
    for content, name in ((b"abc", "renders-ba7816bf"), (b"", "renders-e3b0c442")):
        path = tmp_path / "mushroom-tiny.safetensors"
        path.write_bytes(content)
        monkeypatch.setattr(weights, "PACKAGED", path)
        expected = weights.Weights("mushroom-tiny", name, path, {"resize_mode": "squash"})
        assert find_weights(None, None) == find_weights("mushroom-tiny", "") == expected


def test_a_copy_of_the_packaged_file_is_the_packaged_file(tmp_path: Path) -> None:
    copy = tmp_path / "own.safetensors"
    copy.write_bytes(weights.PACKAGED.read_bytes())
    assert find_weights("mushroom-tiny", str(copy)) == find_weights(None, None)
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"abc")
    assert find_weights("mushroom-tiny", str(other)).name == "other.safetensors-ba7816bf"


def test_the_small_model_is_random_where_that_is_asked_for() -> None:
    expected = weights.Weights(
        "mushroom-tiny", "random-seed0", preprocess={"resize_mode": "squash"}
    )
    assert find_weights(None, "random-seed0") == expected


def test_a_real_model_is_never_random_by_omission() -> None:
    with pytest.raises(UnknownModel, match=r"set MUSHROOM_CLIP_PRETRAINED to .* laion2b_s34b_b79k"):
        find_weights("ViT-B-32", None)
    assert find_weights("ViT-B/32", "random-seed0") == weights.Weights("ViT-B-32", "random-seed0")


@pytest.mark.parametrize(
    ("model", "pretrained", "near"),
    [
        ("ViT-B32", None, "Nearest: .*ViT-B-32"),
        ("vit-b-32", None, "Nearest: ViT-B-32"),
        ("ViT-B-32", "laion2b_s34b_b97k", "Nearest: laion2b_s34b_b79k"),
        (None, "openai", "no published ones"),
    ],
)
def test_a_wrong_name_gets_the_nearest_ones(
    model: str | None, pretrained: str | None, near: str
) -> None:
    with pytest.raises(UnknownModel, match=near):
        find_weights(model, pretrained)


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable) as raised:
        find_weights("ViT-B-32", str(tmp_path / "vit.safetensors"))
    message = str(raised.value)
    assert f"there is no file {tmp_path / 'vit.safetensors'}" in message
    assert "find_weights('ViT-B-32', 'laion2b_s34b_b79k')" in message


def test_the_command_that_the_message_gives_names_the_file(tmp_path: Path) -> None:
    """Here the hub's cache has it already; it runs where torch is a CPU build, too."""
    cache = tmp_path / "hub/models--laion--CLIP-ViT-B-32-laion2B-s34B-b79K"
    fetched = cache / "snapshots/0123abc/open_clip_model.safetensors"
    for path, text in ((cache / "refs/main", "0123abc"), (fetched, "weights")):
        path.parent.mkdir(parents=True)
        path.write_text(text)
    with pytest.raises(WeightsUnavailable) as raised:
        find_weights("ViT-B-32", str(tmp_path / "vit.safetensors"))
    (command,) = [line for line in str(raised.value).splitlines() if "python -c" in line]
    python, *arguments = shlex.split(command)
    assert python == "python"
    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True
    )
    assert ran.stdout == f"{fetched}\n", ran.stderr


def test_without_a_network_the_message_says_what_was_tried_and_what_to_do(
    no_network: list[str],
) -> None:
    with pytest.raises(WeightsUnavailable) as raised:
        find_weights("ViT-B-32", "laion2b_s34b_b79k")
    message = str(raised.value)
    for part in (
        "'laion2b_s34b_b79k' of ViT-B-32",
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        "Name or service not known",
        "find_weights('ViT-B-32', 'laion2b_s34b_b79k')",
        "MUSHROOM_CLIP_MODEL=ViT-B-32 ",
        "MUSHROOM_CLIP_PRETRAINED",
    ):
        assert part in message
    assert len(no_network) == 1  # one question, no round of retries


def test_a_file_copied_from_an_openai_tag_needs_the_model_with_its_activation(
    no_network: list[str],
) -> None:
    with pytest.raises(WeightsUnavailable, match="MUSHROOM_CLIP_MODEL=ViT-B-32-quickgelu"):
        find_weights("ViT-B-32", "openai")


def test_a_download_that_breaks_off_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def download(config: dict[str, Any]) -> None:
        raise FileNotFoundError("Failed to download file")

    monkeypatch.setattr(weights, "_cached", lambda repository, filename: None)
    monkeypatch.setattr(weights, "_probe_hub", lambda: None)
    monkeypatch.setattr(weights.import_open_clip(), "download_pretrained", download)
    with pytest.raises(WeightsUnavailable, match="Failed to download file"):
        find_weights("ViT-B-32", "openai")


def test_any_answer_of_the_hub_is_a_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def urlopen(request: urllib.request.Request, timeout: float) -> None:
        url = request.full_url
        raise urllib.error.HTTPError(url, 405, "Method Not Allowed", Message(), io.BytesIO())

    monkeypatch.setattr(weights, "_cached", lambda repository, filename: None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    monkeypatch.setattr(
        weights.import_open_clip(), "download_pretrained", lambda config: str(tmp_path / "w.bin")
    )
    found = find_weights("ViT-B-32", "OpenAI")
    assert (found.name, found.path, found.quick_gelu) == ("openai", tmp_path / "w.bin", True)


def test_offline_mode_asks_nobody(monkeypatch: pytest.MonkeyPatch, no_network: list[str]) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsUnavailable, match="HF_HUB_OFFLINE is set"):
        find_weights("ViT-B-32", "openai")
    assert no_network == []


def test_cached_weights_need_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def from_cache(repository: str, filename: str) -> str | None:
        asked.append((repository, filename))
        return str(tmp_path / filename) if filename.endswith(".bin") else None

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", from_cache)
    found = find_weights("ViT-B-32", "laion2b-s34b-b79k")
    assert (found.name, found.path) == (
        "laion2b_s34b_b79k",
        tmp_path / "open_clip_pytorch_model.bin",
    )
    repository = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
    assert asked == [
        (repository, "open_clip_model.safetensors"),
        (repository, "open_clip_pytorch_model.bin"),
    ]


def test_the_cache_is_searched_in_open_clips_own_order() -> None:
    """open_clip does not publish its order of names; ours must stay equal to it."""
    from open_clip.pretrained import _get_safe_alternatives

    assert list(_get_safe_alternatives("open_clip_pytorch_model.bin")) == [
        "open_clip_model.safetensors"
    ]
    assert list(_get_safe_alternatives("w.pth")) == ["w.safetensors"]


def test_every_tag_is_served_by_the_hub() -> None:
    open_clip = weights.import_open_clip()
    configs = [
        open_clip.get_pretrained_cfg(model, tag) for model, tag in open_clip.list_pretrained()
    ]
    assert all("/" in config["hf_hub"] for config in configs)


def test_a_file_is_named_by_its_content_and_takes_the_preprocessing_of_the_models_tags(
    tmp_path: Path,
) -> None:
    path = tmp_path / "copied.bin"
    path.write_bytes(b"abc")  # sha256 ba7816bf 8f01cfea ...: the test vector of FIPS 180
    plain, siglip = find_weights("ViT-B-32", str(path)), find_weights("ViT-B-16-SigLIP", str(path))
    assert find_weights(None, str(path)).preprocess == {"resize_mode": "squash"}
    assert plain.name == "copied.bin-ba7816bf"
    assert plain.preprocess["mean"] == (0.48145466, 0.4578275, 0.40821073)
    assert siglip.preprocess["mean"] == (0.5, 0.5, 0.5)
