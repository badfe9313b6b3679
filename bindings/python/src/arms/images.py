"""Images as Python has them, to ``arms_image_input``.

Nothing is copied where the library can read the caller's memory: encoded bytes, arrays whose
pixels lie next to one another in a row, prepared pixels.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from arms import _ffi
from arms._marshal import c_path
from arms.encoded import EncodedImage
from arms.errors import ImageError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage
else:
    # At run time any object: Pillow need not be installed, and is not imported here.
    PILImage = Any

Image: TypeAlias = (
    str | os.PathLike[str] | bytes | bytearray | memoryview | NDArray[Any] | PILImage | EncodedImage
)
"""One image.

- ``str`` or path: a JPEG or PNG file.
- ``bytes``: the bytes of such a file.
- ``uint8`` array ``[H, W]``, ``[H, W, 1]``, ``[H, W, 3]`` (RGB) or ``[H, W, 4]`` (RGBA).
- ``float32`` array ``[3, S, S]``: prepared, as `Router.prepare_image` returns it.
- PIL image: its EXIF orientation is applied, as the library does for files.
- `EncodedImage`: what `Router.encode_image` returned.
"""

# A list of `Any`, as one of paths alone is no list of images to a type checker.
Images: TypeAlias = Image | list[Any] | tuple[Image, ...] | None
"""The images of a query: none, one, or several in a list or tuple.

An array ``[n, ...]`` of four dimensions is n images.
"""

_RAW_FORMATS = {1: _ffi.IMAGE_GRAY8, 3: _ffi.IMAGE_RGB8, 4: _ffi.IMAGE_RGBA8}
_ACCEPTED = "a path, bytes, a numpy array, a PIL image or an EncodedImage"


def flattened(images: Images) -> list[Image]:
    """Return the images of a query as a list; an array ``[n, ...]`` of four dimensions is n."""
    if images is None:
        return []
    if isinstance(images, (list, tuple)):
        return [image for entry in images for image in _several(entry)]
    return list(_several(images))


def _several(image: Any) -> Iterator[Image]:
    if image is None:
        raise ImageError("image None stands among others: leave it out")
    if isinstance(image, np.ndarray) and image.ndim == 4:
        yield from image
    else:
        yield image


def image_input(image: Image, *, exact: bool) -> tuple[_ffi.ImageInput, object]:
    """Describe an image that is not encoded yet.

    Parameters
    ----------
    image
        Any `Image` but an `EncodedImage`.
    exact
        Decode a JPEG at its full size, however large.

    Returns
    -------
    input, owner
        The struct, and the object to keep alive while the struct is in use.

    Raises
    ------
    TypeError
        If the object is no image.
    ImageError
        If an array's shape or type is none of those accepted.
    """
    if isinstance(image, EncodedImage):
        raise TypeError("image is an EncodedImage: expected one that is not encoded yet")
    flags = _ffi.IMAGE_EXACT if exact else 0
    if isinstance(image, (str, os.PathLike)):
        path = np.frombuffer(c_path(image, "the image's path") + b"\0", np.uint8)
        return _encoded(path, path.size - 1, _ffi.IMAGE_PATH, flags)
    if isinstance(image, (bytes, bytearray, memoryview)):
        data = _octets(image)
        return _encoded(data, data.size, _ffi.IMAGE_ENCODED, flags)
    if _is_pil(image):
        return _array(_pixels(image))
    if hasattr(image, "__array_interface__") or hasattr(image, "__array__"):
        return _array(np.asarray(image))
    raise TypeError(f"image is a {type(image).__name__}: expected {_ACCEPTED}")


def image_inputs(
    images: list[Image], *, exact: bool
) -> tuple[ctypes.Array[_ffi.ImageInput], list[object]]:
    """Describe images that are not encoded yet.

    Returns
    -------
    inputs, owners
        The structs, and the objects to keep alive while they are in use.
    """
    inputs = _ffi.new_array(_ffi.ImageInput, len(images))
    owners: list[object] = []
    for index, image in enumerate(images):
        inputs[index], owner = image_input(image, exact=exact)
        owners.append(owner)
    return inputs, owners


def _encoded(
    data: NDArray[np.uint8], size: int, image_format: int, flags: int
) -> tuple[_ffi.ImageInput, object]:
    described = _ffi.new(
        _ffi.ImageInput, format=image_format, flags=flags, data=data.ctypes.data, size=size
    )
    return described, data


def _octets(data: bytes | bytearray | memoryview) -> NDArray[np.uint8]:
    view = memoryview(data)
    if not view.c_contiguous:
        view = memoryview(view.tobytes())
    if view.nbytes == 0:
        raise ImageError("image has 0 bytes: expected those of a JPEG or PNG file")
    return np.frombuffer(view, np.uint8)


def _is_pil(image: object) -> bool:
    # A PIL image exists only where PIL was imported; it need not be installed.
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def _pixels(image: Any) -> NDArray[np.uint8]:
    """Decode a PIL image as the library decodes the file it came from."""
    import PIL.Image
    from PIL import ImageOps

    if image.mode in ("I", "F"):
        raise ImageError(
            f"image has PIL's mode {image.mode}, which does not say what number is white: "
            "scale its pixels to 0 to 255 and give them as uint8, or give the file"
        )
    try:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):
            # 16-bit samples take their high byte, where convert() would clip.
            return (np.asarray(upright) >> 8).astype(np.uint8)
        if upright.mode not in ("L", "RGB", "RGBA"):
            upright = upright.convert("RGB")
        return np.asarray(upright)
    # PIL decodes late: a damaged file fails here, each format in its own way.
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ImageError(f"PIL cannot decode the image: {error}") from error


def _array(array: NDArray[Any]) -> tuple[_ffi.ImageInput, object]:
    if array.dtype == np.float32:
        return _prepared(array)
    if array.dtype != np.uint8:
        raise ImageError(
            f"image array has type {array.dtype}: expected uint8 pixels from 0 to 255, or float32 "
            "as prepare_image() returns it"
        )
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or array.shape[2] not in _RAW_FORMATS or array.size == 0:
        raise ImageError(
            f"image array has shape {list(array.shape)}: expected [H, W], [H, W, 3] or [H, W, 4]"
        )
    height, width, channels = array.shape
    if array.strides[1:] != (channels, 1) or array.strides[0] < width * channels:
        array = np.ascontiguousarray(array)
    described = _ffi.new(
        _ffi.ImageInput,
        format=_RAW_FORMATS[channels],
        width=width,
        height=height,
        data=array.ctypes.data,
        size=(height - 1) * array.strides[0] + width * channels,
        stride=array.strides[0],
    )
    return described, array


def _prepared(array: NDArray[np.float32]) -> tuple[_ffi.ImageInput, object]:
    if array.ndim != 3 or array.shape[0] != 3 or array.shape[1] != array.shape[2]:
        raise ImageError(
            f"float32 image array has shape {list(array.shape)}: expected prepared pixels "
            "[3, S, S]; give unprepared pixels as uint8"
        )
    array = np.require(array, requirements=["C", "A"])
    described = _ffi.new(
        _ffi.ImageInput,
        format=_ffi.IMAGE_PREPARED,
        data=array.ctypes.data,
        size=array.nbytes,
    )
    return described, array
