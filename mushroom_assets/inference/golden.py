"""Images on which two ways of computing are compared, and how near their vectors must be.

No model here.
"""

import numpy as np
import numpy.typing as npt

# Cosine to float32's vector that every golden image must reach; bfloat16 keeps 8 bits
GOLDEN_BOUND = 0.999


def golden_images(size: int) -> npt.NDArray[np.uint8]:
    """Noise of four grains, ramps, stripes and discs.

    Returns:
        Shape (8, size, size, 3), uint8, the same on every machine.
    """
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size]
    images = []
    for grain in (1, 4, 16, 64):
        grains = -(-size // grain)  # rounded up
        noise = random.integers(0, 256, (grains, grains, 3))
        images.append(np.kron(noise, np.ones((grain, grain, 1))))
    images.append(np.stack([x, y, x + y], axis=-1) * 127 / size)
    images.append(np.stack([x % 16 < 8, y % 24 < 9, (x + y) % 9 < 3], axis=-1) * 255)
    for radius in (size / 3, size / 9):
        inside = np.hypot(x % (2.2 * radius) - radius, y % (2.2 * radius) - radius) < radius
        images.append(np.where(inside[..., None], (150, 110, 80), (220, 212, 195)))
    return np.stack([image[:size, :size] for image in images]).astype(np.uint8)
