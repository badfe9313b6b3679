"""Interrupting long calls of the library."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Self


class Interrupts:
    """Catches what the handler of SIGINT raises while the library is at work.

    Python runs a handler when it next runs Python code, which in a long call is the callback,
    before its first statement: ctypes would print what is raised there and go on. So the
    handler is called, but what it raises waits here until the call has returned.

    Only the main thread has handlers; elsewhere nothing is caught, since nothing is raised.

    Attributes
    ----------
    pending
        What was raised.
    """

    def __init__(self) -> None:
        self.pending: BaseException | None = None
        self._handler: Callable[[int, FrameType | None], object] | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            handler = signal.getsignal(signal.SIGINT)
            if callable(handler):
                self._handler = handler
                signal.signal(signal.SIGINT, self._catch)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self._handler is not None:
            try:
                self._handler(number, frame)
            except BaseException as error:  # noqa: BLE001 - KeyboardInterrupt, as a rule
                self.pending = error
