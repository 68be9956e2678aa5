"""A day's camera images for `daily_clip_inference`: files, what the model sees, circumstances.

What is stored of them, and when, is the business of `vision`.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from mushroom_assets.domain import prompts, vision
from mushroom_assets.domain.farm import Farm
from mushroom_assets.domain.image_row import (
    MAX_BYTES,
    Circumstances,
    DailyClipInference,
    JudgedImage,
    circumstances,
    climate_span,
    judged_image,
    refused_unread,
)
from mushroom_assets.domain.sensors import climate, find_sources, point_ids
from mushroom_assets.domain.windows import Window
from mushroom_assets.image_store.files import listed_size
from mushroom_assets.resources import ClipResource, ImageStore
from mushroom_assets.storage.batches import read_batches
from mushroom_assets.storage.connection import Database
from mushroom_assets.storage.points import read_points
from mushroom_assets.storage.samples import read_samples
from mushroom_assets.storage.setting import with_settings
from mushroom_assets.storage.vision.embeddings import EmbeddingMemory

if TYPE_CHECKING:
    from PIL import Image

    from mushroom_assets.inference.encoder import ClipEncoder

# Images of a day, at most, that are all made small on the way, 0.8 ms each: the sheet shows 88, and
# to read and decode those again took 6.5 ms each
SKETCHED = 400
Files = Mapping[str, tuple[str, Any]]  # by path: the room, and what changes with the content


@dataclass(frozen=True)
class Cameras:
    """A day's files and what the model makes of them.

    `drawn` are the keys of the days whose pictures are shown; `sketches` are small JPEGs by path,
    made of these days' pictures while they are decoded for the model.
    """

    store: ImageStore
    encoder: "ClipEncoder"
    memory: EmbeddingMemory
    labeller: vision.Labeller
    farm: Farm
    drawn: frozenset[str] = frozenset()
    sketches: dict[str, bytes] = field(default_factory=dict)

    @property
    def model_id(self) -> str:
        """What rows call model, weights and prompts."""
        return prompts.model_id(self.encoder.name, self.farm.vision)

    def files(self, day: Window) -> dict[str, tuple[str, Any]]:
        """The day's files: path -> room and what changes with the content."""
        return self.store.of_day(day.date, self.farm)

    def judge(self, files: Files, day: Window) -> dict[str, JudgedImage]:
        """What the files say by themselves, a row each, by path.

        Names and sizes are judged first: what they refuse is never read. `computed`: the model
        worked on it in this run.
        """
        # With the encoder comes torch: only for inference
        from mushroom_assets.inference.pipeline import embed

        told = {path: listed_size(fingerprint) for path, (_, fingerprint) in files.items()}
        sizes = {path: size for path, size in told.items() if size is not None}
        refused = {path: refused_unread(path, sizes.get(path), self.farm) for path in files}
        outcomes = {path: outcome for path, outcome in refused.items() if outcome}
        rest = [path for path in files if path not in outcomes]

        def read(path: str) -> bytes:
            if path in sizes:
                return self.store.read(path)
            return self.store.read_start(path, MAX_BYTES + 1)  # enough to see that it is too large

        see = self._sketch if day.key in self.drawn and len(rest) <= SKETCHED else None
        for outcome in embed(rest, read, self.encoder, self.memory, sizes, see):
            outcomes[outcome.path] = outcome
        return {
            path: judged_image(outcomes[path], room, day.date, self.farm)
            for path, (room, _) in files.items()
        }

    def judge_again(
        self,
        judged: Mapping[str, JudgedImage],
        files: Files,
        now: Files,
        day: Window,
    ) -> dict[str, JudgedImage]:
        """With what came, went or changed while the model worked.

        Of two runs the later one has the later files.
        """
        changed = {path: file for path, file in now.items() if files.get(path) != file}
        kept = {
            path: row
            for path, row in judged.items()
            if path in now or row["error"] == vision.VANISHED
        }
        return kept | self.judge(changed, day)

    def _sketch(self, path: str, picture: "Image.Image") -> None:
        from mushroom_assets.inference.images import sketch

        self.sketches[path] = sketch(picture)

    def thumbnails(self, paths: Sequence[str]) -> dict[str, bytes]:
        """Small JPEGs: those that were made on the way, and of files that are still there."""
        # Brings Pillow: only for inference
        from mushroom_assets.inference.thumbnails import thumbnails

        made = {path: self.sketches[path] for path in paths if path in self.sketches}
        rest = [path for path in paths if path not in made]
        return made | thumbnails(rest, self.store.read)


def open_cameras(
    store: ImageStore,
    clip: ClipResource,
    database: Database,
    farm: Farm,
    forget: bool,
    drawn: frozenset[str] = frozenset(),
) -> Cameras:
    """The cameras of a run; with `forget` images are computed again whose vectors are kept."""
    encoder = clip.encoder()
    memory = EmbeddingMemory(database, encoder.name, forget=forget)
    labeller = vision.Labeller(
        farm.vision, encoder.encode_texts, encoder.logit_scale, encoder.known
    )
    return Cameras(store, encoder, memory, labeller, farm, drawn)


def read_circumstances(
    connection: sa.Connection, farm: Farm, day: Window
) -> Callable[[DailyClipInference], Circumstances]:
    """Read batches and climate of a day; returns what gives a row its circumstances."""
    farm = with_settings(connection, farm)
    sources = find_sources(read_points(connection), farm)
    around = climate_span(farm)
    since = day.before(dt.timedelta(seconds=around.before))
    until = day.after(dt.timedelta(seconds=around.after))
    samples = read_samples(connection, point_ids(sources), since, until)
    felt = climate(samples, sources, farm, day.date)
    batches = read_batches(connection)
    return partial(circumstances, climate=felt, farm=farm, in_dates=batches)
