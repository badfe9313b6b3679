"""Interrupting long calls of the library."""

from __future__ import annotations

# What `signal` wraps. Its own functions turn what they return into enumerations, which takes nearly
# all of the time that it takes to ask for every handler; with a logger, each call does so.
import _signal  # type: ignore[import-not-found]
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self

from arms.errors import CancelledError

_SIGNALS = tuple(int(number) for number in _signal.valid_signals())


class Interrupts:
    """Catches what the handlers of signals raise while the library is at work; then raises it.

    Python runs a handler when it next runs Python code, which in a call of the library is a
    callback, before its first statement: ctypes would print what is raised there and go on. So the
    handler is called, but what it raises waits here until the call has returned.

    Only the main thread has handlers; elsewhere nothing is caught, since nothing is raised.

    Attributes
    ----------
    pending
        What was raised.
    """

    def __init__(self) -> None:
        self.pending: BaseException | None = None
        self._handlers: dict[int, Callable[[int, FrameType | None], object]] = {}
        self._waiting = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                handler = _signal.getsignal(number)
                if callable(handler):
                    self._handlers[number] = handler
                    _signal.signal(number, self._catch)
        self._waiting = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._waiting = False
        for number, handler in self._handlers.items():
            # A handler may have put another in its place.
            if _signal.getsignal(number) == self._catch:
                _signal.signal(number, handler)
        pending, self.pending = self.pending, None
        try:
            if pending is not None:
                raise pending from None if isinstance(error, CancelledError) else error
        finally:
            # Else its traceback would refer to it, and keep what the call has made.
            del pending

    def _catch(self, number: int, frame: FrameType | None) -> None:
        try:
            self._handlers[number](number, frame)
        except BaseException as error:
            # What is raised while the handlers are put up or taken down leaves the rest of them as
            # they are, for good: these must lose nothing.
            if not self._waiting:
                raise
            self.pending = error
