"""What the model learned, as places among its vectors: for telling the unlike from the like.

Here lives the fit alone; the arithmetic of distances and shares is `domain.familiarity`'s.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mushroom_assets.domain.familiarity import Known, calibration, distances, whitening
from mushroom_assets.simulation.scene import Scene

# Share of the mean variance that every direction is given: vectors of one picture differ by as much
# between two ways of decoding it
FLOOR = 0.01


def cell(shown: Scene) -> str:
    """The class of a picture: stage and condition; darkness and an empty room have no stage."""
    if shown.condition in ("dark_frame", "empty_room"):
        return shown.condition
    return f"{shown.stage} {shown.condition}"


def learned(
    vectors: NDArray[np.float32],
    scenes: Sequence[Scene],
    held: NDArray[np.float32],
    held_scenes: Sequence[Scene],
) -> Known:
    """Classes fitted on pictures of the training, calibrated on others.

    Args:
        vectors: shape (n, d), of the training's pictures.
        scenes: what they show.
        held: shape (m, d), of pictures that no weight has seen.
        held_scenes: what those show. Every picture is a room and day of its own.
    """
    cells = np.array([cell(shown) for shown in scenes])
    names = sorted(set(cells))
    exact = vectors.astype(np.float64)
    means = np.stack([exact[cells == name].mean(axis=0) for name in names])
    within = exact - means[np.searchsorted(names, cells)]
    covariance = within.T @ within / (len(within) - len(names))
    covariance += FLOOR * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    white = whitening(covariance)
    far = distances(held, means, white)
    held_cells = np.array([cell(shown) for shown in held_scenes])
    calibrations = []
    for number, name in enumerate(names):
        own = far[held_cells == name, number]
        calibrations.append(calibration(own, range(len(own))))
    return Known(tuple(names), means, white, tuple(calibrations))
