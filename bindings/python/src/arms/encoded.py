"""Questions and images that were encoded once, to be routed many times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arms._handle import Handle
from arms._library import library
from arms._marshal import filled

__all__ = ["EncodedImage", "EncodedQuestion"]


class EncodedQuestion(Handle):
    """A question as the text encoder sees it; from `Router.encode_question`.

    Immutable, independent of the router's life, and usable from many threads. Every router that has
    the same text encoder takes it.
    """

    def __init__(self, address: int) -> None:
        super().__init__(address, "arms_question_free")

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

    def __init__(self, address: int) -> None:
        super().__init__(address, "arms_image_free")

    @property
    def embedding(self) -> NDArray[np.float32]:
        """The pooled vector g_i, ``[image_width]``; a new array each time."""
        return filled(library().arms_image_embedding, self._pointer())

    def __repr__(self) -> str:
        return "EncodedImage(closed)" if self.closed else "EncodedImage()"
