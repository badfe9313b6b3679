"""Questions and images that were encoded once, to be routed many times."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arms import _ffi
from arms._handle import Handle
from arms._library import library
from arms._marshal import filled

if TYPE_CHECKING:
    from arms.router import Router

__all__ = ["EncodedImage", "EncodedQuestion"]


class EncodedQuestion(Handle):
    """A question as the text encoder sees it; from `Router.encode_question`.

    Immutable, independent of the router's life, and usable from many threads. Every router that has
    the same text encoder takes it.
    """

    def __init__(self, router: int, question: bytes) -> None:
        super().__init__(
            "arms_question_encode", router, question, len(question), free="arms_question_free"
        )

    @property
    def embedding(self) -> NDArray[np.float32]:
        """The pooled vector q_i, ``[text_width]``; a new array each time."""
        return filled(library().arms_question_embedding, self._pointer())

    def __repr__(self) -> str:
        return "EncodedQuestion(closed)" if self.closed else "EncodedQuestion()"


class EncodedImage(Handle):
    """An image as the image encoder sees it; from `Router.encode_image`.

    Immutable, independent of the router's life, and usable from many threads. Every router that has
    the same image encoder takes it.
    """

    def __init__(self, router: int, image: _ffi.ImageInput) -> None:
        super().__init__("arms_image_encode", router, ctypes.byref(image), free="arms_image_free")

    @property
    def embedding(self) -> NDArray[np.float32]:
        """The pooled vector g_i, ``[image_width]``; a new array each time."""
        return filled(library().arms_image_embedding, self._pointer())

    def __repr__(self) -> str:
        return "EncodedImage(closed)" if self.closed else "EncodedImage()"


def embedding_width(router: Router) -> int:
    """Return the width of an encoded image; 0 if no router of the file has an image encoder.

    `RouterInfo` is of the first router alone, and a second one may see what that one does not.
    """
    return router.encode_image(np.zeros((1, 1, 3), np.uint8)).embedding.size
