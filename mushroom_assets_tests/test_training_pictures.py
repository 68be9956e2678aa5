"""Pictures of the training: what may happen to them, and which ones show no crop."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training import alterations, cartoon, elsewhere, foreign, variations
from training.alterations import ALTERATIONS, altered
from training.feed import FOREIGN, batches
from training.kept import kept
from training.measure import Seen
from training.objective import alike, softened

SIDE = 32


def _pictures(count: int, least: int = 60) -> np.ndarray:
    random = np.random.default_rng(8)
    return random.integers(least, 256, (count, SIDE, SIDE, 3)).astype(np.uint8)


def _opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float)


def test_most_pictures_stay_plain_and_few_are_beyond_recognition() -> None:
    count = 3000
    found = variations.varied(_pictures(count), np.random.default_rng(1))
    wrecked = variations.WRECKED
    plain = 1 - wrecked - variations.ALTERED
    for share, p in ((found.plain.mean(), plain), ((found.doubt > 0).mean(), wrecked)):
        assert share == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / count))
    assert np.unique(found.doubt) == pytest.approx([0, variations.DOUBT])
    assert not (found.plain & (found.doubt > 0)).any()
    again = variations.varied(_pictures(count), np.random.default_rng(1))
    assert (again.pixels == found.pixels).all()


def test_darkness_is_never_doubted() -> None:
    dark = np.full((500, SIDE, SIDE, 3), 9, dtype=np.uint8)
    assert not variations.varied(dark, np.random.default_rng(2)).doubt.any()


@pytest.mark.parametrize(
    "change", [*variations.ALTERATIONS, *variations.WRECKS], ids=lambda of: of.__qualname__
)
def test_every_change_keeps_the_form_and_changes_something(change: variations.Change) -> None:
    random = np.random.default_rng(3)
    picture = np.zeros((SIDE, SIDE, 3), dtype=np.uint8)
    picture[: SIDE // 2, :, 0] = 200
    picture[:, : SIDE // 3, 1] = 90
    found = [change(picture, random) for _ in range(5)]
    assert {(of.shape, of.dtype) for of in found} == {(picture.shape, picture.dtype)}
    assert any((of != picture).any() for of in found)


def test_a_doubted_picture_says_as_much_of_all_labels() -> None:
    import torch

    soft = softened(torch.tensor([1, 0]), torch.tensor([0.4, 0.0]), 4)
    # 0.6 for its own and a quarter of 0.4 for each
    assert soft.numpy() == pytest.approx(np.array([[0.1, 0.7, 0.1, 0.1], [1, 0, 0, 0]]))


def test_an_epoch_has_every_render_once_and_foreign_ones_beside() -> None:
    renders = _pictures(48)
    pool = _pictures(10)
    steps = list(batches(renders, pool, 12, 5, 0))
    chosen = np.concatenate([step.chosen for step in steps])
    assert sorted(chosen.tolist()) == list(range(48))
    assert {len(step.pixels) for step in steps} == {12 + 2 * (12 // FOREIGN)}
    again = list(batches(renders, pool, 12, 5, 0))
    assert all((a.pixels == b.pixels).all() for a, b in zip(steps, again, strict=True))
    later = next(batches(renders, pool, 12, 5, 1))
    assert later.chosen.tolist() != steps[0].chosen.tolist()


def test_foreign_pictures_come_in_two_views() -> None:
    """A view is another section or place; light and colour stay."""
    colours = np.linspace(60, 255, 10).astype(np.uint8)
    pool = np.tile(colours[:, None, None, None], (1, SIDE, SIDE, 3))
    step = next(batches(_pictures(64), pool, 64, 5, 0))
    first, second = np.split(step.pixels[64:], 2)
    assert len(first) == 64 // FOREIGN
    assert (first != second).any(axis=(1, 2, 3)).sum() > len(first) / 2
    greys = [view.mean(axis=(1, 2, 3)) for view in (first, second)]
    # Each is up to exp(0.15) lighter or darker, and rounded
    assert np.abs(np.log(greys[0] / greys[1])).max() < 0.32


def test_telling_pictures_apart_costs_what_their_cosines_say() -> None:
    import torch

    apart = torch.eye(3)
    # Its own at cosine 1, two others at 0: -log(e^10 / (e^10 + 2))
    assert float(alike(torch.cat([apart, apart]))) == pytest.approx(
        np.log1p(2 * np.exp(-10)), rel=1e-3
    )
    together = apart[:1].repeat(6, 1)
    assert float(alike(together)) == pytest.approx(np.log(3))


def test_an_epoch_without_foreign_pictures_alters_nothing() -> None:
    step = next(batches(_pictures(24), None, 12, 5, 0))
    assert len(step.pixels) == 12
    assert step.plain.all()
    assert not step.doubt.any()


def test_shuffled_tiles_are_the_same_tiles() -> None:
    picture = _pictures(1)[0]
    found = foreign.shuffled(picture, np.random.default_rng(4))
    assert (found != picture).any()
    pixels = [sorted(map(tuple, of.reshape(-1, 3).tolist())) for of in (found, picture)]
    assert pixels[0] == pixels[1]


def test_pictures_without_a_crop_are_bright_and_of_every_kind() -> None:
    like = np.full((128, 128, 3), 120, dtype=np.uint8)
    made = np.stack([foreign.one(3, number, like) for number in range(60)])
    assert made.shape == (60, 128, 128, 3)
    assert (made.mean(axis=(1, 2, 3)) > 25).all()
    assert (foreign.one(3, 7, like) == made[7]).all()
    random = np.random.default_rng(5)
    for kind in foreign.KINDS:
        assert kind(64, random).shape == (64, 64, 3)


def test_what_is_measured_is_of_other_kinds_than_what_was_learned() -> None:
    learned = {kind.__name__ for kind in foreign.KINDS}
    measured = {kind.__name__ for kind in elsewhere.KINDS}
    assert not learned & measured
    assert not {elsewhere.__name__, cartoon.__name__, alterations.__name__} & _imported("feed")


def _imported(module: str) -> set[str]:
    """The modules of the training that a module of it names."""
    text = (Path(foreign.__file__).parent / f"{module}.py").read_text(encoding="utf-8")
    return {line.split()[1] for line in text.splitlines() if line.startswith("from training")}


def test_photographs_and_their_parts_can_be_opened() -> None:
    whole = elsewhere.photographs()
    assert len(whole) == sum(map(len, elsewhere.PHOTOGRAPHS.values()))
    parts = elsewhere.parts(1)
    assert len(parts) == len(whole) * len(elsewhere.PARTS) * elsewhere.PARTS_EACH
    first, last = _opened(whole[0]), _opened(parts[elsewhere.PARTS_EACH * 2])
    wanted = [side * elsewhere.PARTS[2] for side in first.shape[:2]]
    assert last.shape[:2] == pytest.approx(wanted, abs=1)


def test_drawings_from_elsewhere_are_repeated_by_their_seed() -> None:
    assert elsewhere.synthetic(2, 1) == elsewhere.synthetic(2, 1)
    assert cartoon.farms(2, 2) == cartoon.farms(2, 2) != cartoon.farms(3, 2)


def test_alterations_do_what_they_are_called() -> None:
    values = np.zeros((60, 100, 3), dtype=np.uint8)
    values[:30] = (200, 120, 40)  # light above, dark below
    data = elsewhere.jpeg(Image.fromarray(values), 95)
    found = {name: _opened(altered(data, name, 3)) for name in ALTERATIONS}
    assert found["as is"][:20].mean() == pytest.approx(120, abs=3)
    assert found["upside down"][40:].mean() == pytest.approx(120, abs=3)
    assert found["upside down"][:20].mean() < 3
    assert found["half the exposure"][:20].mean() == pytest.approx(60, abs=3)
    assert np.ptp(found["infrared, grey"], axis=2).max() <= 2
    # 0.1 of 120 and 0.12 of 40
    assert found["red LED"][5:20].mean(axis=(0, 1)) == pytest.approx([200, 12, 4.8], abs=6)
    assert found["turned by 90°"].shape == (100, 60, 3)
    assert found["black bars to a square"].shape == (100, 100, 3)
    assert found["black bars to a square"][:15].max() < 20
    assert found["crop, 70 % of the sides"].shape == (42, 70, 3)
    assert found["crop, 40 % of the sides"].shape == (24, 40, 3)
    # Clipping at 0 halves the noise below; above it is whole
    assert found["noise, deviation 20"][:20, :, 1].std() == pytest.approx(20, rel=0.25)
    edge = found["blur, 2 % of the width"][:, 50, 0]
    assert ((edge > 20) & (edge < 180)).sum() >= 3


def test_files_are_drawn_once(tmp_path: Path) -> None:
    calls = []

    def make() -> list[Seen]:
        calls.append(1)
        return [Seen(b"a", "harvest", "dry_caps"), Seen(b"b", "substrate", "healthy")]

    first = kept(tmp_path / "new", "some", make)
    assert kept(tmp_path / "new", "some", make) == first == make()
    assert len(calls) == 2  # once for the file, once for the comparison
