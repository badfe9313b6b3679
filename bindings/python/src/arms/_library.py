"""Finding, loading and calling ``libarms.so``."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import threading
from pathlib import Path
from typing import Any

from arms import _ffi
from arms._interrupts import Interrupts
from arms.errors import LibraryError, Status, error_for

_lock = threading.Lock()
_loaded: ctypes.CDLL | None = None
_logs = False


def library() -> ctypes.CDLL:
    """Return the loaded library; the first call finds and loads it.

    Looked up in this order: the environment variable ``ARMS_LIBRARY``, the copy inside this
    package, the release build of the checkout that this package lies in, the system's libraries.

    Raises
    ------
    LibraryError
        If it is not found, cannot be loaded, or is too old for this package.
    """
    global _loaded
    if _loaded is None:
        with _lock:
            if _loaded is None:
                _loaded = _load(_find())
    return _loaded


def call(function: Any, *arguments: Any) -> None:
    """Call a function that returns a status and takes an ``arms_error **`` last.

    Raises
    ------
    ArmsError
        The one that fits the status.
    """
    if _logs:
        with Interrupts():
            _call(function, *arguments)
    else:
        _call(function, *arguments)


def expect_logs(expected: bool) -> None:
    """Say whether calls log, which runs Python inside them: what signals raise there must wait."""
    global _logs
    _logs = expected


def _call(function: Any, *arguments: Any) -> None:
    error = ctypes.c_void_p()
    try:
        status = function(*arguments, ctypes.byref(error))
        if status != Status.OK:
            raise error_for(status, _message(status, error))
    finally:
        if error.value is not None:
            library().arms_error_free(error)


def _message(status: int, error: ctypes.c_void_p) -> str:
    loaded = library()
    text: bytes = loaded.arms_error_message(error) or loaded.arms_status_name(status)
    return text.decode("utf-8", "replace")


def _find() -> str:
    asked = os.environ.get("ARMS_LIBRARY")
    if asked:
        return asked
    package = Path(__file__).parent
    packaged = package / "lib" / "libarms.so"
    if packaged.is_file():
        return str(packaged)
    # bindings/python/src/arms -> the repository's root, if this is a checkout at all.
    for root in package.parents[3:4]:
        built = root / ".build" / "release" / "libarms.so"
        if (root / "include" / "arms.h").is_file() and built.is_file():
            return str(built)
    found = ctypes.util.find_library("arms")
    if found:
        return found
    raise LibraryError(
        "libarms.so was not found: set ARMS_LIBRARY to its path, install the package from a wheel, "
        "or build it with `swift build -c release --product arms`"
    )


def _load(path: str) -> ctypes.CDLL:
    try:
        loaded = ctypes.CDLL(path)
    except OSError as error:
        raise LibraryError(f"libarms.so at {path} cannot be loaded: {error}") from error
    try:
        loaded.arms_abi_version.restype = ctypes.c_uint32
        version = loaded.arms_abi_version()
    except AttributeError as error:
        raise LibraryError(f"{path} is not libarms.so: it has no arms_abi_version()") from error
    if version < _ffi.ABI_VERSION:
        raise LibraryError(
            f"libarms.so at {path} has ABI version {version}, but this package needs "
            f"{_ffi.ABI_VERSION} or later: update the library"
        )
    try:
        _ffi.declare(loaded)
    except AttributeError as error:
        raise LibraryError(f"libarms.so at {path} is incomplete: {error}") from error
    return loaded


def version() -> str:
    """Return the release of the loaded library, ``"0.1.0"`` say."""
    text: bytes = library().arms_version()
    return text.decode()


def abi_version() -> int:
    """Return the ABI version of the loaded library."""
    number: int = library().arms_abi_version()
    return number


def kernel_isa() -> str:
    """Return the instruction set in use.

    One of ``"amx"``, ``"avx512bf16"``, ``"avx512vnni"``, ``"avxvnni"``, ``"avx2"``, ``"neon"``
    and ``"scalar"``.
    """
    text: bytes = library().arms_kernel_isa()
    return text.decode()
