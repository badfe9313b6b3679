"""Every way to give an image."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

import arms
from arms.dataset import SampleLike
from arms.progress import Report

Pixels = NDArray[np.uint8]


def test_prepared_images_have_the_encoders_shape(router: arms.Router, png: Path) -> None:
    size = router.info.image_size
    prepared = router.prepare_image(png)
    assert prepared.shape == (3, size, size)
    assert prepared.dtype == np.float32
    assert np.isfinite(prepared).all()
    assert prepared.std() > 0


def test_all_forms_of_an_image_are_one(router: arms.Router, png: Path, pixels: Pixels) -> None:
    expected = router.prepare_image(png)
    content = png.read_bytes()
    padded = np.zeros((40, 80, 3), np.uint8)
    padded[:, :56] = pixels
    opaque = np.dstack([pixels, np.full((40, 56), 9, np.uint8)])
    for image in (
        str(png),
        content,
        bytearray(content),
        memoryview(content),
        pixels,
        np.asfortranarray(pixels),
        padded[:, :56],
        opaque,
        pixels[::-1][::-1],
        lazy(content),
        PIL.Image.fromarray(opaque),
    ):
        np.testing.assert_array_equal(router.prepare_image(image), expected)


def test_mirrored_views_are_read_as_they_are_indexed(router: arms.Router, pixels: Pixels) -> None:
    for view in (pixels[::-1], pixels[:, ::-1], pixels[:, :, ::-1], pixels[::2, ::2]):
        np.testing.assert_array_equal(
            router.prepare_image(view), router.prepare_image(np.ascontiguousarray(view))
        )


def test_grey_images(router: arms.Router, pixels: Pixels) -> None:
    grey = pixels[:, :, 0]
    expected = router.prepare_image(np.dstack([grey] * 3))
    for image in (grey, grey[:, :, np.newaxis], PIL.Image.fromarray(np.ascontiguousarray(grey))):
        np.testing.assert_array_equal(router.prepare_image(image), expected)


def test_sixteen_bits_take_their_high_byte(router: arms.Router, tmp_path: Path) -> None:
    deep = np.random.default_rng(3).integers(0, 1 << 16, (24, 24), np.uint16)
    path = tmp_path / "deep.png"
    PIL.Image.fromarray(deep).save(path)
    expected = router.prepare_image((deep >> 8).astype(np.uint8))
    np.testing.assert_array_equal(router.prepare_image(path), expected)
    np.testing.assert_array_equal(router.prepare_image(lazy(path.read_bytes())), expected)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_pil_images_without_a_white_are_refused(router: arms.Router, kind: type) -> None:
    image = PIL.Image.fromarray(np.full((24, 24), 0.5, kind))
    with pytest.raises(arms.ImageError, match=f"mode {image.mode}, which does not say"):
        router.prepare_image(image)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied(
    orientation: int, router: arms.Router, pixels: Pixels, tmp_path: Path
) -> None:
    image = PIL.Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    image.save(path, quality=95, exif=exif)
    from_file = router.prepare_image(path, exact=True)
    from_pil = router.prepare_image(lazy(path.read_bytes()))
    # Two JPEG decoders may differ by a level or two in 255 before the normalisation.
    assert np.abs(from_file - from_pil).mean() < 0.05


def test_prepared_pixels_are_taken_as_they_are(router: arms.Router, png: Path) -> None:
    prepared = router.prepare_image(png)
    np.testing.assert_array_equal(router.prepare_image(prepared), prepared)
    assert router.route(prepared, "?").ranked == router.route(png, "?").ranked


def test_prepared_pixels_need_not_be_aligned(router: arms.Router, png: Path) -> None:
    prepared = router.prepare_image(png)
    shifted = np.frombuffer(b"\0" + prepared.tobytes(), np.float32, offset=1)
    shifted = shifted.reshape(prepared.shape)
    assert not shifted.flags.aligned
    np.testing.assert_array_equal(router.prepare_image(shifted), prepared)


def test_arrays_of_four_dimensions_are_several_images(router: arms.Router, pixels: Pixels) -> None:
    stacked = np.stack([pixels, pixels[::-1]])
    assert router.route(stacked, "?").ranked == router.route(list(stacked), "?").ranked


def test_no_image_is_an_empty_sequence(router: arms.Router) -> None:
    assert router.route([], "?").ranked == router.route(None, "?").ranked


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((4, 4, 2), np.uint8),
        ((4,), np.uint8),
        ((0, 4, 3), np.uint8),
        ((4, 4, 3), np.float64),
        ((4, 4, 3), np.uint16),
        ((4, 4, 3), np.float32),
        ((3, 4, 5), np.float32),
    ],
)
def test_arrays_of_another_form_are_refused(
    shape: tuple[int, ...], kind: type[np.generic], router: arms.Router
) -> None:
    with pytest.raises(arms.ImageError, match="image array has"):
        router.route(np.zeros(shape, kind), "?")


def test_prepared_pixels_of_another_size_are_refused(router: arms.Router) -> None:
    size = router.info.image_size + 1
    with pytest.raises(ValueError, match=r".+"):
        router.route(np.zeros((3, size, size), np.float32), "?")


def test_prepared_pixels_must_be_finite(router: arms.Router, png: Path) -> None:
    prepared = router.prepare_image(png)
    prepared[1, 2, 3] = np.nan
    with pytest.raises(arms.NotFiniteError):
        router.route(prepared, "?")


@pytest.mark.parametrize("image", [7, object(), {"path": "a.png"}])
def test_objects_of_another_type_are_refused(image: object, router: arms.Router) -> None:
    with pytest.raises((TypeError, arms.ImageError), match="image"):
        router.route(image, "?")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [iter, frozenset, dict.fromkeys])
def test_several_images_come_in_a_list_or_tuple(
    kind: Callable[[list[Path]], Any], router: arms.Router, png: Path
) -> None:
    assert router.route((png, png), "?").ranked == router.route([png, png], "?").ranked
    with pytest.raises(TypeError, match="image is a"):
        router.route(kind([png, png]), "?")


@pytest.mark.parametrize(
    "annotated",
    [
        arms.DataSet.__init__,
        arms.DataSet.add,
        arms.DataSet.add_table,
        arms.Outcome,
        arms.Query,
        arms.Router.embed_query,
        arms.Router.encode_image,
        arms.Router.extend,
        arms.Router.route,
        arms.Router.score,
        arms.Sample,
        arms.Trainer.run,
    ],
)
def test_types_can_be_read_at_run_time(annotated: object) -> None:
    assert get_type_hints(annotated)


def test_types_can_be_joined_at_run_time() -> None:
    for kind in (arms.Image, arms.Images, arms.Question, arms.Label, SampleLike, Report):
        assert type(None) in get_args(kind | None)


def test_none_among_images_is_refused(router: arms.Router, pixels: Pixels) -> None:
    with pytest.raises(arms.ImageError, match="None"):
        router.route([pixels, None], "?")


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_bytes_that_are_no_image_are_refused(content: bytes, router: arms.Router) -> None:
    with pytest.raises(arms.ImageError):
        router.encode_image(content)


def test_a_truncated_image_is_refused(router: arms.Router, png: Path) -> None:
    content = png.read_bytes()
    for image in (content[: len(content) // 2], lazy(content[: len(content) // 2])):
        with pytest.raises(arms.ImageError):
            router.route(image, "?")


@pytest.mark.parametrize(("kind", "place"), [("PNG", 35), ("TIFF", 102)])
def test_damage_that_pillow_finds_late_is_refused(
    kind: str, place: int, router: arms.Router, pixels: Pixels
) -> None:
    """Pillow raises `SyntaxError` for the one and `ValueError` for the other."""
    saved = io.BytesIO()
    PIL.Image.fromarray(pixels).save(saved, kind)
    content = bytearray(saved.getvalue())
    content[place] = 0
    with pytest.raises(arms.ImageError, match="PIL cannot decode the image"):
        router.encode_image(lazy(bytes(content)))


def test_an_encoded_image_is_not_encoded_again(router: arms.Router, png: Path) -> None:
    with (
        router.encode_image(png) as encoded,
        pytest.raises(TypeError, match="is an EncodedImage: expected one that is not encoded"),
    ):
        router.encode_image(encoded)


def lazy(content: bytes) -> PIL.Image.Image:
    """An image that Pillow has not decoded yet."""
    return PIL.Image.open(io.BytesIO(content))


def test_a_missing_image_is_an_os_error(router: arms.Router, tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"absent\.png"):
        router.route(tmp_path / "absent.png", "?")


def test_limits_are_in_force(model: Path, png: Path) -> None:
    with (
        arms.Router(model, max_image_pixels=40 * 56 - 1) as small,
        pytest.raises(arms.LimitExceededError),
    ):
        small.route(png, "?")
    with (
        arms.Router(model, max_image_bytes=png.stat().st_size - 1) as short,
        pytest.raises(arms.LimitExceededError),
    ):
        short.route(png, "?")
