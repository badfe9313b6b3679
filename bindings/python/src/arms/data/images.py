"""Image files of a data set: reading, checking and sending them."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from arms.data.errors import DataError

# What a router opens by default, as arms_open_options in arms.h has it.
MAX_PIXELS: Final = 100_000_000
MAX_PNG_COLUMNS: Final = 1_000_000
MAX_BYTES: Final = 64 << 20

_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
)


def located(image: str | Sequence[str] | None, folder: str) -> tuple[str, ...]:
    """Return where a row's images are: relative to the working folder, absolute, or a URL.

    Parameters
    ----------
    image
        What the row says: a path, several, or none.
    folder
        The folder that they are relative to; may be empty.
    """
    # As text: a Path for each row would take half of the time of reading.
    return tuple(
        path if "://" in path or not folder or path.startswith("/") else f"{folder}/{path}"
        for path in ([image] if isinstance(image, str) else image or ())
    )


def same_images(first: Sequence[str], second: Sequence[str]) -> bool:
    """Tell whether images that were `located` are the same files, in the same order."""
    return first == second or [*map(resolved, first)] == [*map(resolved, second)]


def resolved(path: str) -> str:
    """Return the one name of an image that was `located`, whatever leads to it; a URL as it is."""
    try:
        return path if "://" in path else os.path.realpath(path)
    except ValueError:  # A name that no file can have.
        return path


def media_type(content: bytes) -> str | None:
    """Return the media type of an image by its first bytes, or `None` if it is not known."""
    for signature, kind in _SIGNATURES:
        if content.startswith(signature):
            return kind
    return "image/webp" if content[:4] == b"RIFF" and content[8:12] == b"WEBP" else None


def is_there(path: Path) -> bool:
    """Say whether a file exists; by a name that no file can have, none does."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def data_url(path: Path) -> str:
    """Return an image file, byte for byte, as a data URL.

    Raises
    ------
    DataError
        If the file is not PNG, JPEG, GIF or WebP, which is what models take.
    OSError
        If it cannot be read.
    """
    content = path.read_bytes()
    kind = media_type(content)
    if kind is None:
        raise DataError(f"{path}: not a PNG, JPEG, GIF or WebP image")
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def fault_of(path: Path) -> str | None:
    """Decode an image and say why the router cannot use it, or `None`."""
    from PIL import Image, UnidentifiedImageError

    if not path.is_file():
        return "does not exist"
    try:
        with Image.open(path) as image:
            refused = _refused(path, str(image.format), *image.size)
            if refused is None:
                image.load()
    except UnidentifiedImageError:
        return "is not an image"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"cannot be decoded: {error}"
    return refused


def _refused(path: Path, kind: str, width: int, height: int) -> str | None:
    """Say which limit of the router an image is beyond."""
    # Pillow calls a JPEG that has further pictures behind it MPO.
    if kind not in ("PNG", "JPEG", "MPO"):
        return f"is a {kind} file: the router reads JPEG and PNG"
    if width * height > MAX_PIXELS:
        return f"has {width * height:,} pixels, more than the router's limit of {MAX_PIXELS:,}"
    if kind == "PNG" and width > MAX_PNG_COLUMNS:
        return f"has {width:,} columns, more than the router's limit of {MAX_PNG_COLUMNS:,}"
    size = path.stat().st_size
    if size > MAX_BYTES:
        return f"has {size:,} bytes, more than the router's limit of {MAX_BYTES:,}"
    return None


def digest_of(path: Path) -> bytes:
    """Return a hash of a file's content, by which copies under other names are found."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
