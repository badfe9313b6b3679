"""Questions and queries as Python has them, to ``arms_query``."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from arms import _ffi
from arms._marshal import utf8
from arms.encoded import EncodedImage, EncodedQuestion
from arms.errors import InvalidArgumentError
from arms.images import Image, Images, flattened, image_inputs

__all__ = ["Query", "Question"]

Question: TypeAlias = str | EncodedQuestion | NDArray[np.integer[Any]]
"""A question: a text, what `Router.encode_question` returned, or token ids."""


class Query(NamedTuple):
    """What is asked: images, and a question about them.

    Parameters
    ----------
    image
        None, one image, or a list or tuple of them.
    question
        A text, an encoded question, or token ids with [CLS] and [SEP].
    """

    image: Images
    question: Question


def fill(
    query: _ffi.Query,
    asked: tuple[Images, Question],
    encode: Callable[[Image], EncodedImage],
    *,
    exact: bool,
) -> list[object]:
    """Describe a query in a struct.

    Parameters
    ----------
    query
        The struct, zero but for its size.
    asked
        The images and the question.
    encode
        Encodes an image; used where a query mixes encoded and other images, which C cannot.
    exact
        Decode JPEGs at their full size.

    Returns
    -------
    list
        What must stay alive while the struct is in use.
    """
    images, question = asked
    return [*_fill_question(query, question), *_fill_images(query, images, encode, exact=exact)]


def _fill_question(query: _ffi.Query, question: Question) -> list[object]:
    if isinstance(question, str):
        query.text = text = utf8(question, "the question")
        query.text_length = len(text)
        return [text]
    if isinstance(question, EncodedQuestion):
        query.question = question._pointer()
        return [question]
    if isinstance(question, np.ndarray):
        if question.ndim != 1 or question.dtype.kind not in "iu":
            raise InvalidArgumentError(
                f"question is an array of {question.dtype} {list(question.shape)}: expected token "
                "ids, int32 [n]"
            )
        tokens = np.ascontiguousarray(question, np.int32)
        wrapped = question[question != tokens]
        if wrapped.size:
            raise InvalidArgumentError(
                f"token id {wrapped[0]} is in no vocabulary: expected ids that fit int32"
            )
        query.tokens = tokens.ctypes.data
        query.token_count = tokens.size
        return [tokens]
    raise TypeError(
        f"question is a {type(question).__name__}: expected a str, an EncodedQuestion or an array "
        "of token ids"
    )


def _fill_images(
    query: _ffi.Query, images: Images, encode: Callable[[Image], EncodedImage], *, exact: bool
) -> list[object]:
    several = flattened(images)
    query.image_count = len(several)
    if any(isinstance(image, EncodedImage) for image in several):
        encoded = [i if isinstance(i, EncodedImage) else encode(i) for i in several]
        pointers = (ctypes.c_void_p * len(encoded))(*[image._pointer() for image in encoded])
        query.encoded_images = ctypes.addressof(pointers)
        return [pointers, *encoded]
    if several:
        inputs, owners = image_inputs(several, exact=exact)
        query.images = ctypes.addressof(inputs)
        return [inputs, *owners]
    return []
