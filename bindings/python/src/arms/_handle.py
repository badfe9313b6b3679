"""Ownership of the library's opaque handles."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any, NoReturn, Self

from arms._library import call, library
from arms.errors import InvalidHandleError


class Handle:
    """A handle that is freed once: by `close`, by ``with``, or by the collector.

    The finaliser refers to the address and the C function, never to the object, so that it runs
    whatever state the object is in. It is there before the address is: an interrupt that comes
    while the library is at work is raised where its function returns. Closing while another thread
    is inside a call is safe: the call finishes, and later ones raise. What is open when the
    interpreter exits is left to the system, which frees it at once, so that daemon threads are not
    robbed of it in their last calls.

    Parameters
    ----------
    make
        Name of the library's function that makes the handle, as its last result.
    *arguments
        Those of the function before that result.
    free
        Name of the library's function that frees it.
    owner
        The object with whose end the handle is freed at the latest, by default this one.
    """

    def __init__(self, make: str, *arguments: Any, free: str, owner: object | None = None) -> None:
        address = ctypes.c_void_p()
        self._finalizer = weakref.finalize(
            self if owner is None else owner, getattr(library(), free), address
        )
        self._finalizer.atexit = False
        call(getattr(library(), make), *arguments, ctypes.byref(address))
        self._address = address.value or 0

    @property
    def closed(self) -> bool:
        """Whether the handle was freed."""
        return not self._finalizer.alive

    def close(self) -> None:
        """Free the handle. Closing again does nothing."""
        self._finalizer()

    @classmethod
    def _given(cls, handle: object, what: str) -> int:
        """Return the address of one that a caller gave for an argument, which may be anything."""
        if not isinstance(handle, cls):
            raise TypeError(f"{what} is a {type(handle).__name__}: expected a {cls.__name__}")
        return handle._pointer()

    def _pointer(self) -> int:
        if self.closed:
            raise InvalidHandleError(f"this {type(self).__name__} is closed: make a new one")
        return self._address

    def __enter__(self) -> Self:
        self._pointer()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        # An address means nothing in another process, and a copy would free it twice.
        raise TypeError(
            f"a {type(self).__name__} cannot be copied or pickled: make one where it is needed; "
            "routers of one model file share its memory"
        )
