"""Which weights a model gets: packaged ones, a published tag, a file, random ones; and why none.

Nothing here builds a model. torch and open_clip are imported inside functions: they cost seconds.
"""

import difflib
import functools
import hashlib
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mushroom_assets.inference.torchvision_ops import ensure_torchvision_imports
from mushroom_assets.inference.whole_imports import whole_imports

DEFAULT_MODEL = "mushroom-tiny"  # 5 million parameters; models/MODEL_CARD.md says what they can do
MODELS = Path(__file__).parent / "models"
PACKAGED = MODELS / f"{DEFAULT_MODEL}.safetensors"
# The whole frame: a centre crop would cut 44 % off a 16:9 picture. open_clip's configs have no
# place to say so.
PACKAGED_PREPROCESS = {"resize_mode": "squash"}
RANDOM = "random-seed0"
CHECKPOINT_SUFFIXES = (".safetensors", ".pt", ".pth", ".bin", ".npz", ".npy")
# The hub's own client retries for 46 s before it says that a host name does not resolve, and for
# minutes behind a firewall that drops packets.
PROBE_S = 5.0

# What a tag may say about the pixels it was trained on
PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
# A plain `import open_clip` fails where torch is a CPU build: see `torchvision_ops`
FETCH = (
    'python -c "from mushroom_assets.inference.weights import find_weights; '
    'print(find_weights({model!r}, {tag!r}).path)"'
)
REMEDY = (
    "Fetch them on a connected machine that has this package:\n  "
    + FETCH
    + """
then copy the file that this names, and set MUSHROOM_CLIP_MODEL={as_file} and
MUSHROOM_CLIP_PRETRAINED to the copy's path. Until then leave both unset: the packaged model, which
learned from renders, needs no download."""
)


class UnknownModel(ValueError):
    """No such model or weights; the message names the nearest ones there are."""


class WeightsUnavailable(RuntimeError):
    """The weights asked for cannot be had here; a retry does not help.

    The message says what to do.
    """


@dataclass(frozen=True)
class Weights:
    """Weights that are at hand.

    Attributes:
        model: open_clip's model name.
        name: what result rows call the weights: the tag, `<file name>-<first 8 hex of its sha256>`,
            `random-seed0`, or `renders-<first 8 hex>` for the packaged file.
        path: the checkpoint, None for random ones.
        preprocess: how the model was trained to see pixels where that differs from CLIP (mean, std,
            ...).
        quick_gelu: trained with OpenAI's approximate activation, whatever the model's config says.
    """

    model: str
    name: str
    path: Path | None = None
    preprocess: dict[str, Any] = field(default_factory=dict)
    quick_gelu: bool = False


@functools.cache
def import_open_clip() -> Any:
    """open_clip, knowing this package's own models.

    The first call costs 3.2 s on warm disk caches (torch 1.3, torchvision 1.3, open_clip 0.6),
    twice that on cold ones.
    """
    with whole_imports():
        ensure_torchvision_imports()
        import open_clip

    open_clip.add_model_config(MODELS / f"{DEFAULT_MODEL}.json")
    return open_clip


def find_weights(model: str | None, pretrained: str | None) -> Weights:
    """Resolve the two settings to weights at hand.

    A tag's weights are downloaded if the hub's cache does not have them.

    Args:
        model: an open_clip model name; None for `mushroom-tiny`.
        pretrained: one of the model's tags, a checkpoint's path, or `random-seed0`; None means the
            packaged file, which only `mushroom-tiny` has: another model without its weights is a
            mistake.

    Raises:
        UnknownModel: no such model, no such tag, or no weights named.
        WeightsUnavailable: no such file; not in the cache and not to be downloaded.
    """
    open_clip = import_open_clip()
    name = (model or DEFAULT_MODEL).replace("/", "-")  # "ViT-B/32" is how papers write it
    known = open_clip.list_models()
    if name not in known:
        raise UnknownModel(f"open_clip has no model {name!r}. {_near(name, known)}")
    own = PACKAGED_PREPROCESS if name == DEFAULT_MODEL else {}
    if pretrained == RANDOM:
        return Weights(name, RANDOM, preprocess=own)
    if not pretrained and name == DEFAULT_MODEL:
        return Weights(name, packaged_name(PACKAGED), PACKAGED, own)
    tags = open_clip.pretrained.list_pretrained_tags_by_model(name)
    if not pretrained:
        raise UnknownModel(
            f"The model {name} needs weights: set MUSHROOM_CLIP_PRETRAINED to a checkpoint's path "
            f"or one of {', '.join(tags) or '(no published ones)'}; {RANDOM} tries it untrained."
        )
    if open_clip.get_pretrained_cfg(name, pretrained):
        return _published(name, pretrained, tags)
    path = Path(pretrained).expanduser()
    if path.is_file():
        return _of_file(name, path, own or _shared_preprocessing(open_clip, name, tags))
    raise _unknown_weights(name, pretrained, tags)


def _of_file(name: str, path: Path, preprocess: dict[str, Any]) -> Weights:
    """A checkpoint's; a copy of the packaged one is the packaged one."""
    content = _sha256(path)
    if name == DEFAULT_MODEL and content == _sha256(PACKAGED):
        return Weights(name, packaged_name(PACKAGED), PACKAGED, preprocess)
    return Weights(name, f"{path.name}-{content[:8]}", path, preprocess)


def packaged_name(path: Path) -> str:
    """What result rows call packaged weights: where they learned, and their content."""
    return f"renders-{_sha256(path)[:8]}"


def _published(name: str, pretrained: str, tags: Sequence[str]) -> Weights:
    """The weights of a tag, which may be written as people write it: `OpenAI`, `laion2b-s34b`."""
    config = import_open_clip().get_pretrained_cfg(name, pretrained)
    tag = next(tag for tag in tags if tag == pretrained.lower().replace("-", "_"))
    return Weights(
        model=name,
        name=tag,
        path=_download(name, tag, config),
        preprocess=_preprocessing(config),
        quick_gelu=bool(config.get("quick_gelu")),
    )


def _unknown_weights(name: str, pretrained: str, tags: Sequence[str]) -> Exception:
    """Why neither a tag nor a file was found under that name."""
    path = Path(pretrained).expanduser()
    if path.suffix not in CHECKPOINT_SUFFIXES and len(path.parts) == 1:
        return UnknownModel(
            f"The model {name} has no weights {pretrained!r}, and there is no such file. "
            + _near(pretrained, tags)
        )
    tag = "laion2b_s34b_b79k" if "laion2b_s34b_b79k" in tags else (*tags, "<tag>")[0]
    return WeightsUnavailable(
        f"Weights for {name}: there is no file {path}. "
        "Correct MUSHROOM_CLIP_PRETRAINED, or get the file. "
        + _remedy(import_open_clip(), name, tag)
    )


def _near(name: str, known: Iterable[str]) -> str:
    by_lower = {choice.lower(): choice for choice in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=5, cutoff=0.4)
    if not by_lower:
        return f"It has no published ones: give a checkpoint's path, or {RANDOM}."
    return "Nearest: " + ", ".join(by_lower[choice] for choice in near or sorted(by_lower)[:5])


def _shared_preprocessing(open_clip: Any, model: str, tags: Iterable[str]) -> dict[str, Any]:
    """How the published weights of a model see pixels, where all of them agree.

    A bare checkpoint does not say how its pixels were normalised.
    """
    ways = [_preprocessing(open_clip.get_pretrained_cfg(model, tag)) for tag in tags]
    return ways[0] if ways and all(way == ways[0] for way in ways) else {}


def _preprocessing(config: dict[str, Any]) -> dict[str, Any]:
    return {key: config[key] for key in PREPROCESSING if config.get(key) is not None}


def _remedy(open_clip: Any, model: str, tag: str) -> str:
    # A tag carries its activation with it, a bare file does not: then the model's name must say it.
    as_file = model
    if open_clip.get_pretrained_cfg(model, tag).get("quick_gelu"):
        quick = f"{model}-quickgelu"
        as_file = quick if quick in open_clip.list_models() else model
    return REMEDY.format(model=model, tag=tag, as_file=as_file)


def _download(model: str, tag: str, config: dict[str, Any]) -> Path:
    open_clip = import_open_clip()
    # open_clip 3 serves every tag from the hub
    repository, filename = config["hf_hub"].rsplit("/", 1)
    cached = _cached(repository, filename or open_clip.constants.HF_WEIGHTS_NAME)
    if cached:
        return cached
    try:
        _probe_hub()
        return Path(open_clip.download_pretrained(config))
    except OSError as error:  # the hub's errors and urllib's are OSErrors
        missing = (
            f"Weights {tag!r} of {model} are not in the Hugging Face cache, "
            f"and {config['hf_hub']} cannot be downloaded: {error}"
        )
        raise WeightsUnavailable(f"{missing}\n{_remedy(open_clip, model, tag)}") from error


def _cached(repository: str, filename: str) -> Path | None:
    """The file in the hub's cache, asking no server.

    A cached tag must not wait for a network that is not there.
    """
    import huggingface_hub

    names = [filename]
    if filename == "open_clip_pytorch_model.bin":
        names.insert(0, "open_clip_model.safetensors")  # open_clip looks for the safe format first
    elif filename.endswith((".bin", ".pth")):
        names.insert(0, filename[:-4] + ".safetensors")
    found = (huggingface_hub.try_to_load_from_cache(repository, name) for name in names)
    return next((Path(path) for path in found if isinstance(path, str)), None)


def _probe_hub() -> None:
    """Ask the hub for its front page within `PROBE_S`. Any answer will do; none is an OSError."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise OSError("HF_HUB_OFFLINE is set")
    # The address is a setting of the hub's own client
    request = urllib.request.Request(constants.ENDPOINT, method="HEAD")  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=PROBE_S).close()  # noqa: S310
    except urllib.error.HTTPError as answer:
        answer.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
