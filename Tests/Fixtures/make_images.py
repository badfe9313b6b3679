"""Draw the image fixtures and write what Pillow makes of them.

``images/`` receives small files of every mode that the decoder knows, and
``images/expected.txt`` one line a case: file name, resize size, crop size and
the 8-bit levels [3, crop, crop] of CLIP's preprocessing in hex. Samples of 16
bits take their high byte before anything else, where Pillow would clip.

Run it with Pillow 13 or later, whose pass order the expectations have.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

IMAGES = Path(__file__).parent / "images"
SIZES = ((12, 6), (12, 12), (40, 9))
GRAY, RGB, PALETTE, GRAY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def scene(width: int, height: int, channels: int, top: int = 255) -> npt.NDArray[np.uint16]:
    """Draw gradients, a disc and hard edges, which no orientation leaves unchanged.

    Parameters
    ----------
    width, height : int
        Pixels.
    channels : int
        Samples a pixel; each channel looks different.
    top : int
        The largest sample.

    Returns
    -------
    numpy.ndarray
        Samples [height, width, channels].
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    x, y = x / max(width - 1, 1), y / max(height - 1, 1)
    planes = []
    for c in range(channels):
        plane = 0.5 + 0.4 * np.sin(5 * x * (c + 1) + 2 * y) * np.cos(3 * y - c)
        plane[(x - 0.3) ** 2 + (y - 0.6) ** 2 < 0.04 * (c + 1)] = 0.9 - 0.3 * c
        plane[(x > 0.7) & (y < 0.3)] = 1.0 if c % 2 else 0.0
        planes.append(plane)
    samples: npt.NDArray[np.uint16] = np.rint(np.clip(np.stack(planes, -1), 0, 1) * top).astype(np.uint16)
    return samples


def chunk(kind: bytes, body: bytes) -> bytes:
    """Frame a PNG chunk."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed(samples: npt.NDArray[np.uint16], depth: int) -> bytes:
    """Pack samples [height, width, channels] into unfiltered PNG rows of `depth` bits a sample."""
    rows = samples.reshape(samples.shape[0], -1)
    if depth == 16:
        body = rows.astype(">u2").tobytes()
    elif depth == 8:
        body = rows.astype(np.uint8).tobytes()
    else:
        bits = (rows[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        body = np.packbits(bits.reshape(rows.shape[0], -1).astype(np.uint8), axis=1).tobytes()
    step = len(body) // samples.shape[0]
    return b"".join(b"\0" + body[i : i + step] for i in range(0, len(body), step))


def png(
    samples: npt.NDArray[np.uint16],
    color: int,
    depth: int,
    *,
    interlaced: bool = False,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """Write a PNG, also in the layouts that Pillow reads but does not write.

    Parameters
    ----------
    samples : numpy.ndarray
        Samples [height, width, channels].
    color, depth : int
        Colour type and bits a sample.
    interlaced : bool
        Write the seven passes of Adam7.
    before, after : bytes
        Framed chunks around the image data.

    Returns
    -------
    bytes
        The file.
    """
    height, width, _ = samples.shape
    if interlaced:
        passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        data = b"".join(packed(part, depth) for part in passes if part.size)
    else:
        data = packed(samples, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(data, 9)) + after
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def exif(orientation: int, order: str) -> bytes:
    """Write a TIFF structure that holds an orientation, in byte order ``<`` or ``>``."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    body = struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return head + body


def xmp(orientation: int) -> bytes:
    """Write XMP that holds an orientation."""
    return f'<x:xmpmeta><rdf:Description tiff:Orientation="{orientation}"/></x:xmpmeta>'.encode()


def jpeg(image: Image.Image, **options: object) -> bytes:
    """Encode a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def subsampled_jpeg(image: Image.Image, h: int, v: int, **options: object) -> bytes:
    """Encode a JPEG of any sampling, also those that Pillow does not write.

    Each component is written as a grey JPEG of its own size, whose scan is that of the component.

    Parameters
    ----------
    image : PIL.Image.Image
        An RGB image.
    h, v : int
        Columns and rows of luminance for each of chroma: 4 and 1 for 4:1:1, 4 and 2 for 4:1:0.
    **options : object
        Options of Pillow's encoder.

    Returns
    -------
    bytes
        The file.
    """
    width, height = image.size
    small = (-(-width // h), -(-height // v))
    luminance, *chroma = image.convert("YCbCr").split()
    planes = [luminance, *(plane.resize(small, Image.Resampling.BOX) for plane in chroma)]
    files = [jpeg(plane, **options) for plane in planes]
    scans = b""
    for number, data in enumerate(files, 1):
        scan = data.index(b"\xff\xda")
        # FF DA, a length of 2 bytes, the number of components, and the component's own number.
        scans += data[scan : scan + 5] + bytes([number]) + data[scan + 6 : -2]
    frame = files[0].index(b"\xff\xc0")
    components = b"".join(bytes([number, h << 4 | v if number == 1 else 0x11, 0]) for number in (1, 2, 3))
    header = struct.pack(">HHBHHB", 0xFFC0, 17, 8, height, width, 3) + components
    tables = files[0][frame + 13 : files[0].index(b"\xff\xda")]
    return files[0][:frame] + header + tables + scans + b"\xff\xd9"


def unfinished_jpeg(image: Image.Image) -> bytes:
    """Encode a progressive JPEG without its last scans, whose blocks decoders smooth."""
    data = jpeg(image, quality=40, progressive=True)
    third = data.index(b"\xff\xda", data.index(b"\xff\xda", data.index(b"\xff\xda") + 1) + 1)
    # The tables before the third scan change nothing.
    return data[:third] + b"\xff\xd9"


def color_image() -> Image.Image:
    """Draw the scene that most fixtures show."""
    return Image.fromarray(scene(45, 30, 3).astype(np.uint8))


def jpegs() -> Iterator[tuple[str, bytes]]:
    """Yield the JPEG fixtures."""
    image = color_image()
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        yield f"jpeg_{name}.jpg", jpeg(image, quality=85, subsampling=subsampling)
    yield "jpeg_gray.jpg", jpeg(image.convert("L"))
    yield "jpeg_progressive.jpg", jpeg(image, progressive=True)
    yield "jpeg_restart.jpg", jpeg(image, restart_marker_blocks=2)
    yield "jpeg_rgb.jpg", jpeg(image, keep_rgb=True)
    cmyk = jpeg(Image.fromarray(scene(45, 30, 4).astype(np.uint8), "CMYK"))
    yield "jpeg_cmyk.jpg", cmyk
    # The last byte of Adobe's segment says that the first three channels are YCbCr.
    adobe = cmyk.index(b"Adobe") + 11
    yield "jpeg_ycck.jpg", cmyk[:adobe] + b"\2" + cmyk[adobe + 1 :]
    large = Image.fromarray(scene(300, 200, 3).astype(np.uint8))
    yield "jpeg_large.jpg", jpeg(large, quality=40)
    yield "jpeg_411.jpg", subsampled_jpeg(large, 4, 1, quality=40)
    yield "jpeg_410.jpg", subsampled_jpeg(large, 4, 2, quality=40)
    yield "jpeg_unfinished.jpg", unfinished_jpeg(large)
    for orientation in range(1, 9):
        order = "<" if orientation % 2 else ">"
        data = b"Exif\0\0" + exif(orientation, order)
        yield f"jpeg_orientation_{orientation}.jpg", jpeg(image, quality=60, exif=data)
    yield "jpeg_orientation_xmp.jpg", jpeg(image, quality=60, xmp=xmp(6))


def pngs() -> Iterator[tuple[str, bytes]]:
    """Yield the PNG fixtures."""
    for name, color, channels, depths in (
        ("gray", GRAY, 1, (1, 2, 4, 8, 16)),
        ("gray_alpha", GRAY_ALPHA, 2, (8, 16)),
        ("rgb", RGB, 3, (8, 16)),
        ("rgb_alpha", RGB_ALPHA, 4, (8, 16)),
    ):
        for depth in depths:
            samples = scene(23, 17, channels, (1 << depth) - 1)
            yield f"png_{name}_{depth}.png", png(samples, color, depth)
            if depth in (1, 8):
                yield f"png_{name}_{depth}_interlaced.png", png(samples, color, depth, interlaced=True)
    for depth in (1, 2, 4, 8):
        colors = scene(1 << min(depth, 5), 1, 3)
        palette = chunk(b"PLTE", colors.astype(np.uint8).tobytes())
        indices = scene(23, 17, 1, len(colors[0]) - 1)
        yield f"png_palette_{depth}.png", png(indices, PALETTE, depth, before=palette)
        alpha = palette + chunk(b"tRNS", bytes(range(0, 255, 130)))
        yield f"png_palette_{depth}_alpha.png", png(indices, PALETTE, depth, before=alpha)
    key = chunk(b"tRNS", struct.pack(">HHH", 0, 255, 0))
    yield "png_rgb_8_key.png", png(scene(23, 17, 3), RGB, 8, before=key)
    for orientation in range(1, 9):
        order = ">" if orientation % 2 else "<"
        tag = chunk(b"eXIf", exif(orientation, order))
        samples = scene(23, 17, 3)
        turned = png(samples, RGB, 8, after=tag) if orientation > 4 else png(samples, RGB, 8, before=tag)
        yield f"png_orientation_{orientation}.png", turned
    text = chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(8))
    yield "png_orientation_xmp.png", png(scene(23, 17, 3), RGB, 8, before=text)
    for width, height in ((1, 1), (1, 9), (9, 1), (1, 30_000), (30_000, 1), (20, 90)):
        yield f"png_size_{width}x{height}.png", png(scene(width, height, 1), GRAY, 8)


def prepared(image: Image.Image, resize: int, crop: int) -> npt.NDArray[np.uint8]:
    """Prepare an upright image as CLIP's processor does over Pillow, up to the 8-bit levels [3, crop, crop]."""
    shorter = min(image.size)
    width, height = (int(resize * side / shorter) for side in image.size)
    left, top = (width - crop) // 2, (height - crop) // 2
    cut = image.convert("RGB").resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(cut.crop((left, top, left + crop, top + crop))).transpose(2, 0, 1)


def reference(data: bytes, resize: int, crop: int) -> bytes:
    """Decode an image and prepare it.

    Parameters
    ----------
    data : bytes
        An encoded image.
    resize, crop : int
        Pixels of the shorter side, and of the square cut from the middle.

    Returns
    -------
    bytes
        Levels [3, crop, crop].
    """
    image: Image.Image = Image.open(io.BytesIO(data))
    if image.mode.startswith("I;16"):
        orientation = image.getexif()
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        image.getexif().update(orientation)
    return prepared(ImageOps.exif_transpose(image), resize, crop).tobytes()


def refused() -> Iterator[tuple[str, bytes]]:
    """Yield files that must be refused."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, RGB, 0, 0, 0)
    bomb = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000)))
    yield "refused_bomb.png", b"\x89PNG\r\n\x1a\n" + bomb + chunk(b"IEND", b"")
    progressive = jpeg(Image.new("L", (8, 8)), progressive=True)
    last = progressive.rindex(b"\xff\xda")
    yield "refused_scans.jpg", progressive[:-2] + progressive[last:-2] * 120 + b"\xff\xd9"


def main() -> None:
    """Write every fixture and the expectations."""
    warnings.simplefilter("ignore")  # Pillow warns of palettes with alpha
    IMAGES.mkdir(exist_ok=True)
    lines = []
    for name, data in (*jpegs(), *pngs()):
        (IMAGES / name).write_bytes(data)
        sizes = SIZES if "size" in name or name == "jpeg_420.jpg" else SIZES[:1]
        for resize, crop in sizes:
            lines.append(f"{name} {resize} {crop} {reference(data, resize, crop).hex()}\n")
    for name, data in refused():
        (IMAGES / name).write_bytes(data)
    (IMAGES / "expected.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()
