"""Compares image embeddings of large JPEGs decoded at a reduced scale with those decoded in full.

Renders photograph-like scenes of 12 megapixels (gradients, noise of several octaves, hard edges, sensor
noise), saves them as JPEG, and encodes each twice: as it is by default, and with ``exact``. The cosine must
be at least .999 for every image::

    PYTHONPATH=bindings/python/src python Tests/Parity/jpeg_scale_parity.py MODEL [--images N]

MODEL should be of full size (224 pixels); its weights may be random. Exits with 1 if any is below.
"""

from __future__ import annotations

import argparse
import io
import sys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from arms import Router

WIDTH, HEIGHT = 4032, 3024
LEAST = 0.999


def scene(seed: int) -> bytes:
    """Return a rendered scene as the bytes of a JPEG."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    y, x = y / HEIGHT, x / WIDTH
    a, b, c = random.uniform(1, 8, 3)
    image: NDArray[np.float32] = np.stack(
        [0.5 + 0.4 * np.sin(a * x + y), 0.5 + 0.4 * np.cos(b * y - x), 0.3 + 0.5 * np.sin(c * x * y)], axis=-1
    )
    for octave in (8, 32, 128, 512):
        coarse = random.random((HEIGHT // octave + 1, WIDTH // octave + 1, 3)) * 255
        noise = Image.fromarray(coarse.astype(np.uint8)).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)
        image += (np.asarray(noise, np.float32) / 255 - 0.5) * (octave / 512) ** 0.5 * 0.5
    for _ in range(60):
        left, top, size = random.random(3) * (WIDTH, HEIGHT, 500)
        box = np.s_[int(top) : int(top + size), int(left) : int(left + 0.7 * size)]
        image[box] = image[box] * random.random(3) * 0.8 + 0.2 * random.random(3)
    image += random.normal(0, 0.012, image.shape).astype(np.float32)
    buffer = io.BytesIO()
    Image.fromarray((np.clip(image, 0, 1) * 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def main() -> int:
    """Compare and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--images", type=int, default=8)
    arguments = parser.parse_args()
    if arguments.images < 1:
        parser.error(f"--images {arguments.images}: at least 1 is needed")
    cosines = []
    with Router(arguments.model) as router:
        for seed in range(arguments.images):
            data = scene(seed)
            scaled = router.encode_image(data).embedding
            full = router.encode_image(data, exact=True).embedding
            cosines.append(float(scaled @ full / np.linalg.norm(scaled) / np.linalg.norm(full)))
            print(f"scene {seed}: cosine {cosines[-1]:.6f}")
    # By NumPy: Python's min() passes over NaN.
    worst = float(np.min(cosines))
    print(f"worst {worst:.6f}, at least {LEAST} wanted: {'ok' if worst >= LEAST else 'FAILED'}")
    return 0 if worst >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
