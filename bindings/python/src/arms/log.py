"""The library's messages, given to Python's `logging`."""

from __future__ import annotations

import ctypes
import logging
import threading
from typing import Any

from arms._library import expect_logs, library

__all__ = ["log_to"]

_LEVELS = {1: logging.ERROR, 2: logging.INFO}
_Callback = ctypes.CFUNCTYPE(None, ctypes.c_int32, ctypes.c_char_p, ctypes.c_void_p)
_lock = threading.Lock()
_callback: Any = None
_logger: logging.Logger | None = None


def log_to(logger: logging.Logger | str | None = "arms") -> None:
    """Give what the library has to say of this process to a logger.

    Errors are the calls that failed, which raise as well; infos are routers that were opened and
    weights that were replaced.

    Parameters
    ----------
    logger
        A logger or its name; `None` for none, as in the beginning.

    Raises
    ------
    TypeError
        If it is no logger.
    """
    if not (logger is None or isinstance(logger, str) or callable(getattr(logger, "log", None))):
        raise TypeError(f"logger is a {type(logger).__name__}: expected one, its name, or None")
    global _callback, _logger
    with _lock:
        _logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        if _callback is None:
            # Kept for good: calls that are under way may use it still.
            _callback = _Callback(_log)
        expect_logs(_logger is not None)
        address = ctypes.cast(_callback, ctypes.c_void_p) if _logger is not None else None
        library().arms_log_set(address, None)


def _log(level: int, message: bytes, _user_data: int | None) -> None:
    logger = _logger
    if logger is not None:
        logger.log(_LEVELS.get(level, logging.ERROR), "%s", message.decode("utf-8", "replace"))
