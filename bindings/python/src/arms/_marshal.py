"""Python values to C arguments: texts, names, numbers and float buffers."""

from __future__ import annotations

import ctypes
import operator
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, SupportsFloat

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arms._library import call
from arms.errors import BufferTooSmallError, InvalidArgumentError, TextError

_FLOATS = ctypes.POINTER(ctypes.c_float)

ABOVE_ZERO = "expected a number above 0, at least 1.4e-45"
"""What is wanted of a C float whose 0 means the default; that is the smallest there is."""


def utf8(text: str, what: str) -> bytes:
    """Encode a text that is passed with its length.

    Raises
    ------
    TypeError
        If it is no string.
    TextError
        If it holds half of a surrogate pair.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} is a {type(text).__name__}: expected a str")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TextError(
            f"{what} has no UTF-8 encoding: lone surrogate at position {error.start}"
        ) from error


def c_string(text: str, what: str) -> bytes:
    """Encode a text that is passed up to its NUL.

    Raises
    ------
    TypeError
        If it is no string.
    TextError
        If it holds half of a surrogate pair.
    InvalidArgumentError
        If it holds a NUL, which would cut it short.
    """
    encoded = utf8(text, what)
    if b"\0" in encoded:
        raise InvalidArgumentError(f"{what} holds a NUL character: {text!r}")
    return encoded


def refuse_text(texts: object, what: str) -> None:
    """Refuse a text where several are wanted: it would be taken for its letters.

    Raises
    ------
    TypeError
        If it is one.
    """
    if isinstance(texts, str):
        raise TypeError(f"{what}: expected several strings, not the one string {texts!r}")


def c_strings(texts: Iterable[str], what: str) -> tuple[ctypes.Array[ctypes.c_char_p], int]:
    """Encode texts as a C array, with their number; no texts have an address too, unlike NULL."""
    refuse_text(texts, what)
    encoded = [c_string(text, f"{what}[{index}]") for index, text in enumerate(texts)]
    return (ctypes.c_char_p * max(1, len(encoded)))(*encoded), len(encoded)


def c_path(path: str | os.PathLike[str], what: str) -> bytes:
    """Encode a path as the file system does.

    Raises
    ------
    InvalidArgumentError
        If it holds a NUL.
    """
    encoded = os.fsencode(path)
    if b"\0" in encoded:
        raise InvalidArgumentError(f"{what} holds a NUL character: {path!r}")
    return encoded


def unsigned(value: int, what: str, bits: int = 32) -> int:
    """Check that a number fits an unsigned C integer, which ctypes would wrap around.

    Raises
    ------
    TypeError
        If it is no whole number.
    InvalidArgumentError
        If it does not.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{what} is a {type(value).__name__}: expected a whole number") from None
    if not 0 <= number < 1 << bits:
        raise InvalidArgumentError(f"{what} must be from 0 to 2^{bits} - 1, not {value}")
    return number


def real(value: SupportsFloat, what: str) -> float:
    """Check that a number is one to C, whose words for what is none do not say where.

    Raises
    ------
    TypeError
        If it is none.
    InvalidArgumentError
        If it is a whole number beyond every C double.
    """
    number: Any = value  # ctypes takes what supports it, though its type hints say float.
    try:
        return ctypes.c_double(number).value
    except TypeError:
        raise TypeError(f"{what} is a {type(value).__name__}: expected a number") from None
    except OverflowError:
        # The number is left out: it may have more digits than Python writes.
        raise InvalidArgumentError(f"{what} is too large: expected at most 1.8e308") from None


def real_array(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return numbers as an array of doubles; what is missing in a pandas object becomes NaN.

    Raises
    ------
    TypeError
        If they are no numbers.
    InvalidArgumentError
        If numpy makes no array of them, as of rows of several lengths.
    """
    converting = getattr(values, "to_numpy", None)
    if converting is not None:
        # Only pandas' own takes the number for what is missing, of its columns that are nullable.
        with suppress(TypeError, ValueError):
            return np.asarray(converting(np.float64, na_value=np.nan))
    try:
        return np.asarray(values, np.float64)
    except TypeError as error:
        raise TypeError(f"{what}: expected numbers: {error}") from error
    except ValueError as error:
        raise InvalidArgumentError(f"{what}: expected numbers: {error}") from error


def vanishes(value: float) -> bool:
    """Whether a number is 0 as a C float, as one that is too small for it is as well."""
    return ctypes.c_float(value).value == 0


def parts(value: Any, names: Sequence[str], what: str) -> tuple[Any, ...]:
    """Check that a value is a tuple of so many parts, or gives them: a list, the row of an array.

    Raises
    ------
    TypeError
        If it is none.
    """
    given: tuple[Any, ...] | None = None
    # The characters of a text and the keys of a mapping are not meant as parts.
    if not isinstance(value, (str, bytes, Mapping)):
        with suppress(TypeError):
            given = tuple(value)
    if given is not None and len(given) == len(names):
        return given
    count = "" if given is None else f" of {len(given)}"
    raise TypeError(
        f"{what} is a {type(value).__name__}{count}: expected a tuple of {', '.join(names)}"
    )


def floats(array: NDArray[np.float32]) -> Any:
    """Return a ``float *`` to an array's data, which keeps the array alive."""
    return array.ctypes.data_as(_FLOATS)


def filled(function: Callable[..., int], *arguments: object) -> NDArray[np.float32]:
    """Call a function that fills a float buffer, with a buffer of the size that it asks for."""
    required = ctypes.c_size_t()
    call(function, *arguments, None, 0, ctypes.byref(required))
    while True:
        array = np.empty(required.value, np.float32)
        try:
            call(function, *arguments, floats(array), array.size, ctypes.byref(required))
        except BufferTooSmallError:
            continue  # Another thread reloaded a wider model in between.
        # The copy of a narrower one does not keep the whole buffer.
        return array if required.value == array.size else array[: required.value].copy()
