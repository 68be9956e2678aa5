"""Fitting the model: words first, then pictures, then the temperature of its probabilities.

The text tower learns to tell the labels apart and then stays as it is, while the image tower learns
to meet it: both at once took three times as many pictures to get as far. Pictures come from
`scenes` and `feed`, words from `texts`; what a step asks of its vectors is the business of
`objective`, and numbers are measured elsewhere, on the stored file.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mushroom_assets.inference.weights import DEFAULT_MODEL, import_open_clip
from training.feed import batches
from training.objective import Objective, told
from training.scenes import Pictures
from training.texts import Words

# CLIP's, as in the config
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
TEXT_STEPS = 400
TEXT_BATCH = 96
TEXT_RATE = 2e-3
EVERY = 25  # steps between two lines on the losses


class Plan(NamedTuple):
    """How long and how fast."""

    epochs: int
    rate: float
    batch: int
    seed: int


def normalised(pixels: NDArray[np.uint8]) -> torch.Tensor:
    """Bytes (n, side, side, 3) as the model's input (n, 3, side, side)."""
    scaled = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255)
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return (scaled - mean) / std


def _same(aims: torch.Tensor) -> torch.Tensor:
    """Which other texts mean the same as each text of a batch, as a distribution over the batch."""
    same = (aims @ aims.T > 0.999).float()
    return same / same.sum(1, keepdim=True)


def _has_bf16() -> bool:
    """Whether the processor multiplies in bfloat16 itself: a step then takes half the time."""
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))


class Fit:
    """A model in training."""

    def __init__(self, words: Words, seed: int) -> None:
        torch.manual_seed(seed)
        open_clip = import_open_clip()
        self.model: Any = open_clip.create_model(DEFAULT_MODEL, pretrained=None)
        self.model.visual.to(memory_format=torch.channels_last)  # a quarter less time on CPU
        # The mean of all places instead of attention: with both at zero their gradients are zero
        # too, and so they stay. Learned attention hangs on single places and switches between them
        # at half a grey level: 3 of 300 frames then had a cosine below 0.995 between two ways of
        # decoding, and the stage came out 3 points worse.
        for weights in (self.model.visual.attnpool.q_proj, self.model.visual.attnpool.k_proj):
            torch.nn.init.zeros_(weights.weight)
            torch.nn.init.zeros_(weights.bias)
        self._tokens = open_clip.get_tokenizer(DEFAULT_MODEL)
        self._words = words
        self._random = np.random.default_rng(seed)

    def texts(self, texts: list[str]) -> torch.Tensor:
        """Unit vectors of texts."""
        return functional.normalize(self.model.encode_text(self._tokens(texts)), dim=-1)

    def images(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Unit vectors of pictures."""
        return functional.normalize(self.model.encode_image(normalised(pixels)), dim=-1)

    def run_texts(self, say: Callable[[str], None]) -> None:
        """Train the text tower: texts of one meaning get one direction.

        Different meanings lie at right angles. A caption lies between the directions of its stage,
        its condition and, half as far, its light.
        """
        width = int(self.model.text_projection.shape[1])
        orthogonal, _ = torch.linalg.qr(torch.randn(width, len(self._words.meanings)))
        directions = orthogonal.T.contiguous()
        named = self.model.named_parameters()
        parameters = [p for name, p in named if not name.startswith(("visual.", "logit"))]
        # Rare words must not fade
        optimiser = torch.optim.AdamW(parameters, lr=TEXT_RATE, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, TEXT_RATE, total_steps=TEXT_STEPS)
        for step in range(TEXT_STEPS):
            texts, shares = self._words.draw(TEXT_BATCH, self._random)
            middles = torch.tensor(shares, dtype=torch.float32) @ directions
            aims = functional.normalize(middles, dim=-1)
            vectors = self.texts(texts)
            away = 1 - (vectors * aims).sum(-1)
            loss = away.mean() + functional.cross_entropy(20 * vectors @ aims.T, _same(aims))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            if (step + 1) % 100 == 0:
                missed = float(away.detach().mean())
                say(f"texts, step {step + 1}/{TEXT_STEPS}: 1 - cosine {missed:.3f}")
        self._keep_texts()

    def go_on(self, path: Path) -> None:
        """Begin with a file's weights, and keep its text tower."""
        from safetensors.torch import load_file

        state = self.model.state_dict()
        for name, value in load_file(path).items():
            state[name] = value.to(state[name].dtype)
        self.model.load_state_dict(state)
        self._keep_texts()

    def _keep_texts(self) -> None:
        self.model.requires_grad_(False)
        self.model.visual.requires_grad_(True)

    def run(
        self,
        made: Pictures,
        foreign: NDArray[np.uint8] | None,
        plan: Plan,
        say: Callable[[str], None],
    ) -> None:
        """Train the image tower: AdamW, the rate up over the first 15 % and down along a cosine.

        Without foreign pictures the others are not altered either, see `batches`.
        """
        steps = plan.epochs * (len(made.scenes) // plan.batch)
        optimiser = torch.optim.AdamW(self._groups(), lr=plan.rate, betas=(0.9, 0.98))
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, plan.rate, total_steps=steps, pct_start=0.15
        )
        objective = Objective(made, self._words, self.encode, self._random)
        for epoch in range(plan.epochs):
            self.model.visual.train()
            began = time.monotonic()
            losses = []
            for batch in batches(made.pixels, foreign, plan.batch, plan.seed, epoch):
                loss = objective.losses(self._seen(batch.pixels), batch)
                optimiser.zero_grad(set_to_none=True)
                loss.sum().backward()
                torch.nn.utils.clip_grad_norm_(self.model.visual.parameters(), 1.0)
                optimiser.step()
                schedule.step()
                losses.append(loss.detach().numpy())
                if len(losses) % EVERY == 0:
                    say(f"step {len(losses)}: {told(losses[-EVERY:])}")
            self.model.eval()
            took = time.monotonic() - began
            say(f"epoch {epoch + 1}/{plan.epochs}: {told(losses)}; {took:.0f} s")

    def _groups(self) -> list[dict[str, Any]]:
        """The image tower's weights that decay, and those that do not: biases and norms."""
        weights = list(self.model.visual.parameters())
        return [
            {"params": [p for p in weights if p.ndim > 1], "weight_decay": 0.05},
            {"params": [p for p in weights if p.ndim == 1], "weight_decay": 0.0},
        ]

    def _seen(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Unit vectors of a step's pictures, by the faster way that the processor has."""
        with torch.autocast("cpu", torch.bfloat16, enabled=_has_bf16()):
            found = self.model.encode_image(normalised(pixels))
        return functional.normalize(found.float(), dim=-1)

    def vectors(self, made: Pictures) -> NDArray[np.float32]:
        """Unit vectors of all pictures."""
        with torch.inference_mode():
            parts = [self.images(made.pixels[i : i + 64]) for i in range(0, len(made.scenes), 64)]
        found: NDArray[np.float32] = torch.cat(parts).numpy()
        return found

    def encode(self, texts: Any) -> NDArray[np.float32]:
        """Unit vectors of texts, as `label_vectors` asks for them."""
        with torch.inference_mode():
            found: NDArray[np.float32] = self.texts(list(texts)).numpy()
        return found

    def save(self, path: Path) -> None:
        """Store the weights as float16.

        They take half the bytes, and are 0.05 % off at most, where the pictures' grain is coarser.
        """
        from safetensors.torch import save_file

        state = {}
        for name, value in self.model.state_dict().items():
            kept = value.half() if value.is_floating_point() else value
            state[name] = kept.contiguous()
        save_file(state, path)
        path.chmod(0o644)  # safetensors makes files that only their owner may read


def best_scale(cosines: list[tuple[NDArray[np.float64], NDArray[np.int64]]]) -> float:
    """The factor before the softmax that fits (cosines, labels) of each kind best.

    It has the least mean negative log likelihood. The search goes along a grid of 1 % steps from 1
    to 100, CLIP's own largest: the curve has one minimum.
    """
    grid = np.exp(np.arange(0, np.log(100), 0.01))

    def loss(scale: float) -> float:
        parts = []
        for of, labels in cosines:
            logits = scale * of
            peak = logits.max(1)
            spread = np.log(np.exp(logits - peak[:, None]).sum(1)) + peak
            parts.append(float((spread - logits[np.arange(len(labels)), labels]).mean()))
        return float(np.mean(parts))

    return float(grid[np.argmin([loss(scale) for scale in grid])])
