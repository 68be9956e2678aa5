"""What the card says of a stored file: which pictures it is measured on, and what comes out.

Here live the seeds of those pictures; nothing was fitted on one of them. What is asked of an answer
is the business of `measure` and `limits`.
"""

import datetime as dt
import functools
from pathlib import Path
from typing import NamedTuple

from mushroom_assets.domain.familiarity import Known
from mushroom_assets.domain.farm import Farm
from mushroom_assets.inference.load import load_encoder
from mushroom_assets.inference.weights import DEFAULT_MODEL
from mushroom_assets.simulation.cameras import render, shots
from training import alterations, cartoon, elsewhere, scenes
from training.card import Limits
from training.kept import kept
from training.limits import UNFAMILIAR, Judge, likeness
from training.measure import Outcome, Seen, measure

CARD_SEED = 3  # of the renders; the test of the shipped file has another
ELSEWHERE_SEED = 7
SYNTHETIC_EACH = 25  # of each kind
FARMS = 200  # pictures of another farm
ALTERED = 400  # renders that are altered in each way
# Two cycles of the simulated plant
PLANT_SEED = 11
PLANT_FROM = dt.date(2026, 3, 1)
PLANT_DAYS = 54
# One in so many of the plant's shots is measured; not a divisor of 24, so that every hour has its
# turn
PLANT_EVERY = 11


class Files(NamedTuple):
    """What the stored file is measured on: nothing of it was fitted."""

    renders: list[Seen]
    plant: list[Seen]
    altered: dict[str, list[Seen]]


def measured(path: Path, farm: Farm, known: Known, files: Files) -> dict[str, dict[str, Outcome]]:
    """What the stored file gives on pictures of other seeds, by the path that production takes."""
    encoder = load_encoder(DEFAULT_MODEL, str(path), "cpu", "fp32")
    return {
        "renders": measure(files.renders, encoder, farm.vision, known),
        "plant": measure(files.plant, encoder, farm.vision, known),
    }


def drawn_files(folder: Path, farm: Farm, count: int) -> Files:
    """The files, kept in a folder between runs."""
    renders = kept(folder, f"card-{count}", lambda: card_renders(count))
    plant = kept(folder, "plant", lambda: plant_shots(farm, PLANT_SEED))
    altered = {}
    for number, name in enumerate(alterations.ALTERATIONS):
        change = functools.partial(changed, renders[:ALTERED], name)
        altered[name] = kept(folder, f"altered-{number}-{ALTERED}", change)
    return Files(renders, plant, altered)


def card_renders(count: int) -> list[Seen]:
    """Renders that nothing was fitted on."""
    drawn = [scenes.picture(CARD_SEED, number) for number in range(count)]
    return [Seen(data, shown.stage, shown.condition) for data, shown in drawn]


def changed(seen: list[Seen], name: str) -> list[Seen]:
    """Files that something happened to."""
    found = []
    for number, one in enumerate(seen):
        found.append(one._replace(data=alterations.altered(one.data, name, number)))
    return found


def limited(path: Path, farm: Farm, known: Known, files: Files) -> Limits:
    """What the stored file cannot do."""
    judge = Judge(load_encoder(DEFAULT_MODEL, str(path), "cpu", "fp32"), farm.vision, known)
    own = {
        "renders": judge.vectors([one.data for one in files.renders]),
        "shots of the plant": judge.vectors([one.data for one in files.plant]),
    }
    unfamiliar = {}
    for name, vectors in own.items():
        unfamiliar[name] = float((judge.familiarity(vectors) < UNFAMILIAR).mean())
    sets = {
        "photographs": elsewhere.photographs(),
        "parts of the photographs": elsewhere.parts(ELSEWHERE_SEED),
        "synthetic": elsewhere.synthetic(ELSEWHERE_SEED, SYNTHETIC_EACH),
        "another farm's drawings": cartoon.farms(ELSEWHERE_SEED, FARMS),
    }
    altered = {name: judge.altered(seen) for name, seen in files.altered.items()}
    strange = {name: judge.foreign(given, own["renders"]) for name, given in sets.items()}
    parts = judge.vectors(sets["parts of the photographs"])
    alike = likeness(parts, len(elsewhere.PARTS) * elsewhere.PARTS_EACH)
    return Limits(unfamiliar, altered, strange, alike)


def plant_shots(farm: Farm, seed: int, every: int = PLANT_EVERY) -> list[Seen]:
    """Sound shots of two cycles, one in `every`."""
    taken = []
    for number in range(PLANT_DAYS):
        day = PLANT_FROM + dt.timedelta(days=number)
        found = shots(farm, list(farm.rooms), day, seed=seed)
        taken += [shot for shot in found if shot.fault is None]
    return [Seen(render(shot, seed=seed), shot.stage, shot.condition) for shot in taken[::every]]
