"""What every engine is given, the same in every run: pixels, tokens, questions, a photograph."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

IMAGE_SIZE: Final = 224
TOKENS: Final = 32
BATCH: Final = 32

QUESTIONS: Final = (
    "What is the name of the shop on the corner behind the two parked red cars?",
    "Which of the four countries in the chart had the lowest rate of inflation in 2019?",
    "How many people in this photograph are wearing a hat and also holding an open umbrella?",
    "Given that the two marked angles are equal, what is the length of side AB, please?",
    "Read the handwritten note on the fridge and list everything that has to be bought today.",
    "Is the man on the left taller than the woman who is standing next to him?",
    "What is the total amount due on this invoice, and when does it have to be paid?",
    "Describe what the child seems to feel about the dog that is sleeping under the table.",
)
"""Questions of 15 to 16 words."""

MEAN: Final = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION: Final = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def pixels(batch: int, seed: int = 0) -> NDArray[np.float32]:
    """Return prepared images, ``[batch, 3, 224, 224]``."""
    shape = (batch, 3, IMAGE_SIZE, IMAGE_SIZE)
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def token_ids(batch: int, length: int = TOKENS, seed: int = 0) -> NDArray[np.int64]:
    """Return token ids, ``[batch, length]``, between [CLS] and [SEP]."""
    ids = np.random.default_rng(seed).integers(1000, 30000, (batch, length), dtype=np.int64)
    ids[:, 0], ids[:, -1] = 101, 102
    return ids


def photograph(width: int = 4032, height: int = 3024, seed: int = 0) -> bytes:
    """Draw something as hard to code as a photograph: gradients, octaves of noise, hard edges.

    Returns
    -------
    bytes
        A JPEG file of quality 90, subsampled 4:2:0.
    """
    from PIL import Image

    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = y / np.float32(height), x / np.float32(width)
    scene = np.stack([0.5 + 0.4 * np.sin(5 * x + y), 0.5 + 0.4 * np.cos(4 * y - x), x * y], -1)
    for cell in (16, 64, 256):
        coarse = random.random((height // cell + 1, width // cell + 1, 3)) * 255
        octave = Image.fromarray(coarse.astype(np.uint8)).resize((width, height))
        scene += (np.asarray(octave, np.float32) / 255 - 0.5) * np.float32(np.sqrt(cell) / 32)
    for _ in range(40):
        left, top, side = random.random(3) * np.array([width, height, height / 8])
        box = np.s_[int(top) : int(top + side), int(left) : int(left + side)]
        scene[box] = 0.4 * scene[box] + 0.6 * random.random(3, dtype=np.float32)
    scene += random.normal(0, 0.012, scene.shape)
    file = io.BytesIO()
    Image.fromarray((scene.clip(0, 1) * 255).astype(np.uint8)).save(file, "JPEG", quality=90)
    return file.getvalue()


def prepare(jpeg: bytes, *, draft: bool) -> NDArray[np.float32]:
    """Decode and prepare an image as CLIP's processor does, with Pillow and numpy.

    Parameters
    ----------
    jpeg
        A JPEG file.
    draft
        Let libjpeg decode at a reduced scale that still covers the target.

    Returns
    -------
    ndarray
        ``[1, 3, 224, 224]``
    """
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as image:
        if draft:
            image.draft("RGB", (IMAGE_SIZE, IMAGE_SIZE))
        rgb = image.convert("RGB")
    scale = IMAGE_SIZE / min(rgb.size)
    width, height = (max(IMAGE_SIZE, int(side * scale)) for side in rgb.size)
    resized = rgb.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - IMAGE_SIZE) // 2, (height - IMAGE_SIZE) // 2
    square = resized.crop((left, top, left + IMAGE_SIZE, top + IMAGE_SIZE))
    # One multiplication and one addition a value, instead of three operations.
    values = np.asarray(square, np.float32) * (1 / (255 * DEVIATION)) - MEAN / DEVIATION
    return np.ascontiguousarray(values.transpose(2, 0, 1)[np.newaxis])
