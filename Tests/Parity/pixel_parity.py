"""Compare the library's pixels with those of CLIP's preprocessing over Pillow.

Every mode of JPEG and PNG, every orientation and raw pixels, each at many random
sizes, go through ``arms_image_prepare`` and through Pillow and NumPy. What is
compared are the 8-bit levels before normalising: in exact mode they may differ by
one, and the script fails when any differs by more.

    python pixel_parity.py libarms.so model.gguf [--rounds 30] [--seed 0]

Needs Pillow 13 or later, numpy and gguf.
"""

from __future__ import annotations

import argparse
import ctypes
import io
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGUFReader
from PIL import Image, ImageOps

sys.path.append(str(Path(__file__).parent.parent / "Fixtures"))
import make_images

ENCODED, RGB8, RGBA8, GRAY8 = 0, 2, 3, 4
EXACT = 1


class ImageInputStruct(ctypes.Structure):
    """``arms_image_input`` of arms.h."""

    _fields_ = (
        ("struct_size", ctypes.c_uint32),
        ("format", ctypes.c_uint32),
        ("flags", ctypes.c_uint32),
        ("width", ctypes.c_uint32),
        ("height", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("data", ctypes.c_char_p),
        ("size", ctypes.c_size_t),
        ("stride", ctypes.c_size_t),
    )


@dataclass(frozen=True)
class Case:
    """An input of the library, and the same picture as Pillow has it."""

    mode: str
    data: bytes
    image: Image.Image
    format: int = ENCODED
    width: int = 0
    height: int = 0
    stride: int = 0


class Library:
    """A router that was opened for its image preprocessing.

    Parameters
    ----------
    library, model : str
        Paths of libarms.so and of a model file.
    """

    def __init__(self, library: str, model: str) -> None:
        self._arms = ctypes.CDLL(library)
        self._arms.arms_error_message.restype = ctypes.c_char_p
        self._arms.arms_error_message.argtypes = (ctypes.c_void_p,)
        self._arms.arms_error_free.argtypes = (ctypes.c_void_p,)
        self._router = ctypes.c_void_p()
        error = ctypes.c_void_p()
        path = model.encode()
        status = self._arms.arms_router_open(path, None, ctypes.byref(self._router), ctypes.byref(error))
        self._check(status, error)
        fields = GGUFReader(model).fields
        self.image_size = int(fields["arms.vision.image_size"].contents())
        self.resize_size = int(fields["arms.vision.resize_size"].contents())
        self._mean = np.array(fields["arms.vision.image_mean"].contents(), np.float32)[:, None, None]
        self._std = np.array(fields["arms.vision.image_std"].contents(), np.float32)[:, None, None]

    def _check(self, status: int, error: ctypes.c_void_p) -> None:
        if status != 0:
            message = self._arms.arms_error_message(error).decode()
            self._arms.arms_error_free(error)
            raise RuntimeError(message)

    def levels(self, case: Case, flags: int) -> npt.NDArray[np.float32]:
        """Prepare an image.

        Parameters
        ----------
        case : Case
            The image.
        flags : int
            0 or ``EXACT``.

        Returns
        -------
        numpy.ndarray
            The 8-bit levels [3, image_size, image_size].

        Raises
        ------
        RuntimeError
            With the library's message.
        """
        size = ctypes.sizeof(ImageInputStruct)
        source = ImageInputStruct(
            size, case.format, flags, case.width, case.height, 0, case.data, len(case.data), case.stride
        )
        pixels = np.empty((3, self.image_size, self.image_size), np.float32)
        required, error = ctypes.c_size_t(), ctypes.c_void_p()
        status = self._arms.arms_image_prepare(
            self._router,
            ctypes.byref(source),
            pixels.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(pixels.size),
            ctypes.byref(required),
            ctypes.byref(error),
        )
        self._check(status, error)
        levels: npt.NDArray[np.float32] = np.rint((pixels * self._std + self._mean) * 255)
        return levels


def noisy(
    rng: np.random.Generator, width: int, height: int, channels: int, top: int
) -> npt.NDArray[np.uint16]:
    """Draw a scene under noise, so that rounding and clipping show."""
    samples = make_images.scene(width, height, channels, top).astype(np.int64)
    noise = rng.integers(-top // 8 - 1, top // 8 + 2, samples.shape)
    result: npt.NDArray[np.uint16] = np.clip(samples + noise, 0, top).astype(np.uint16)
    return result


def decoded(mode: str, data: bytes) -> Case:
    """Make the case of an encoded image that Pillow reads itself."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    return Case(mode, data, image)


def jpeg_cases(rng: np.random.Generator, width: int, height: int) -> Iterator[Case]:
    """Yield a JPEG of every kind at one size."""
    image = Image.fromarray(noisy(rng, width, height, 3, 255).astype(np.uint8))
    quality = int(rng.integers(30, 100))
    for name, subsampling in (("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)):
        data = make_images.jpeg(image, quality=quality, subsampling=subsampling)
        yield decoded(f"JPEG {name}", data)
    for name, h, v in (("4:1:1", 4, 1), ("4:1:0", 4, 2)):
        yield decoded(f"JPEG {name}", make_images.subsampled_jpeg(image, h, v, quality=quality))
    yield decoded("JPEG gray", make_images.jpeg(image.convert("L"), quality=quality))
    yield decoded("JPEG progressive", make_images.jpeg(image, quality=quality, progressive=True))
    cmyk = Image.fromarray(noisy(rng, width, height, 4, 255).astype(np.uint8), "CMYK")
    yield decoded("JPEG CMYK", make_images.jpeg(cmyk, quality=quality))
    for orientation in range(1, 9):
        exif = b"Exif\0\0" + make_images.exif(orientation, "<")
        yield decoded(f"JPEG orientation {orientation}", make_images.jpeg(image, exif=exif))


def png_cases(rng: np.random.Generator, width: int, height: int) -> Iterator[Case]:
    """Yield a PNG of every kind at one size."""
    for name, color, channels, depths in (
        ("gray", make_images.GRAY, 1, (1, 2, 4, 8, 16)),
        ("gray and alpha", make_images.GRAY_ALPHA, 2, (8, 16)),
        ("RGB", make_images.RGB, 3, (8, 16)),
        ("RGB and alpha", make_images.RGB_ALPHA, 4, (8, 16)),
    ):
        for depth in depths:
            samples = noisy(rng, width, height, channels, (1 << depth) - 1)
            for interlaced in (False, True):
                data = make_images.png(samples, color, depth, interlaced=interlaced)
                case = decoded(f"PNG {name} {depth}", data)
                if case.image.mode.startswith("I;16"):
                    case = Case(case.mode, data, Image.fromarray((samples[..., 0] >> 8).astype(np.uint8)))
                yield case
    for depth in (1, 2, 4, 8):
        colors = rng.integers(0, 256, (1 << depth, 3)).astype(np.uint8).tobytes()
        palette = make_images.chunk(b"PLTE", colors)
        alpha = palette + make_images.chunk(b"tRNS", bytes([0, 128]))
        samples = noisy(rng, width, height, 1, (1 << depth) - 1)
        for name, before in (("palette", palette), ("palette and alpha", alpha)):
            data = make_images.png(samples, make_images.PALETTE, depth, before=before)
            yield decoded(f"PNG {name} {depth}", data)
    samples = noisy(rng, width, height, 3, 255)
    for orientation in range(1, 9):
        tag = make_images.chunk(b"eXIf", make_images.exif(orientation, ">"))
        data = make_images.png(samples, make_images.RGB, 8, before=tag)
        yield decoded(f"PNG orientation {orientation}", data)


def raw_cases(rng: np.random.Generator, width: int, height: int) -> Iterator[Case]:
    """Yield raw pixels of every layout, in rows with and without padding."""
    for mode, format_, channels in (("RGB8", RGB8, 3), ("RGBA8", RGBA8, 4), ("GRAY8", GRAY8, 1)):
        samples = noisy(rng, width, height, channels, 255).astype(np.uint8)
        image = Image.fromarray(samples[..., 0] if channels == 1 else samples[..., :3])
        padding = int(rng.integers(0, 3)) * 5
        rows = np.zeros((height, width * channels + padding), np.uint8)
        rows[:, : width * channels] = samples.reshape(height, -1)
        stride = rows.shape[1] if padding else 0
        yield Case(f"raw {mode}", rows.tobytes(), image, format_, width, height, stride)


def large_cases(rng: np.random.Generator) -> Iterator[Case]:
    """Yield JPEGs that are decoded at a reduced scale unless that is forbidden."""
    for width, height in ((1000, 1100), (1900, 1300), (1200, 2700)):
        image = Image.fromarray(noisy(rng, width, height, 3, 255).astype(np.uint8))
        for orientation in (1, 6):
            exif = b"Exif\0\0" + make_images.exif(orientation, "<")
            yield decoded("JPEG large", make_images.jpeg(image, quality=90, exif=exif))


def all_cases(rng: np.random.Generator, rounds: int) -> Iterator[Case]:
    """Yield every mode at every size."""
    yield from large_cases(rng)
    for width, height in sizes(rng, rounds):
        yield from jpeg_cases(rng, width, height)
        yield from png_cases(rng, width, height)
        yield from raw_cases(rng, width, height)


def sizes(rng: np.random.Generator, rounds: int) -> Iterator[tuple[int, int]]:
    """Yield sizes at the edges, then `rounds` random ones."""
    yield from ((1, 1), (1, 60), (60, 1), (2, 3), (223, 225), (224, 224), (300, 601), (37, 900), (900, 37))
    for _ in range(rounds):
        yield int(rng.integers(1, 900)), int(rng.integers(1, 900))


def main() -> int:
    """Compare, print a line a mode, and return 1 when one differs by more than a level."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=30, help="random sizes of every mode")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # Pillow warns of palettes with alpha
    library = Library(arguments.library, arguments.model)
    rng = np.random.default_rng(arguments.seed)
    differences: defaultdict[str, list[tuple[float, float, float]]] = defaultdict(list)
    for case in all_cases(rng, arguments.rounds):
        expected = make_images.prepared(case.image, library.resize_size, library.image_size)
        exact = np.abs(library.levels(case, EXACT) - expected)
        fast = np.abs(library.levels(case, 0) - expected)
        differences[case.mode].append((float(exact.max()), float(exact.mean()), float(fast.mean())))
    print(f"{'mode':<28}{'images':>7}{'exact max':>11}{'exact mean':>12}{'reduced mean':>14}")
    for mode, values in sorted(differences.items()):
        table = np.array(values)
        print(
            f"{mode:<28}{len(values):>7}{table[:, 0].max():>11.0f}"
            f"{table[:, 1].mean():>12.5f}{table[:, 2].mean():>14.5f}"
        )
    # By NumPy, and asked whether it holds: Python's max() passes over NaN, which is not above anything.
    worst = float(np.max([value[0] for values in differences.values() for value in values]))
    print(f"largest difference in exact mode: {worst:.0f} levels")
    return 0 if worst <= 1 else 1


if __name__ == "__main__":
    sys.exit(main())
