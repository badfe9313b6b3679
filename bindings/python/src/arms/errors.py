"""The exceptions, one for each status of ``arms.h``.

All derive from `ArmsError`, and from the builtin that a Python programmer would expect.
"""

from __future__ import annotations

import errno
import os
from enum import IntEnum
from typing import ClassVar

__all__ = [
    "ArmsError",
    "BufferTooSmallError",
    "BusyError",
    "CancelledError",
    "CandidateExistsError",
    "CandidateNotFoundError",
    "ConflictError",
    "FileError",
    "ImageError",
    "InternalError",
    "InvalidArgumentError",
    "InvalidHandleError",
    "InvalidModelError",
    "LibraryError",
    "LimitExceededError",
    "MissingFileError",
    "MissingValueError",
    "NoCandidatesError",
    "NotFiniteError",
    "OutOfMemoryError",
    "Status",
    "TextError",
    "UnsupportedError",
]


class Status(IntEnum):
    """The result of a call of the library: ``enum arms_status_code``."""

    OK = 0
    INVALID_ARGUMENT = 1
    INVALID_HANDLE = 2
    NOT_FOUND = 3
    ALREADY_EXISTS = 4
    IO = 5
    INVALID_MODEL = 6
    INVALID_IMAGE = 7
    INVALID_TEXT = 8
    NOT_FINITE = 9
    LIMIT_EXCEEDED = 10
    OUT_OF_MEMORY = 11
    UNSUPPORTED = 12
    NO_CANDIDATES = 13
    MISSING_VALUE = 14
    BUFFER_TOO_SMALL = 15
    CANCELLED = 16
    INTERNAL = 17
    BUSY = 18
    CONFLICT = 19


class ArmsError(Exception):
    """Base of all exceptions of this package.

    Parameters
    ----------
    message
        One line: the input at fault, what is wrong with it and what would be right.
    status
        The library's status; by default the one that the class stands for.

    Attributes
    ----------
    status
        The status of ``arms.h``. A number that this version does not know stays a plain `int`.
    """

    code: ClassVar[Status] = Status.INTERNAL

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status: int = self.code if status is None else status

    def __str__(self) -> str:
        # KeyError would show the repr of the message.
        return str(self.args[0])


class LibraryError(ArmsError, ImportError):
    """``libarms.so`` was not found, cannot be loaded, or is older than this package."""

    code = Status.UNSUPPORTED


class InvalidArgumentError(ArmsError, ValueError):
    """An argument is missing, out of range, or contradicts another."""

    code = Status.INVALID_ARGUMENT


class InvalidHandleError(ArmsError, ValueError):
    """What was made by the library was used after it was closed."""

    code = Status.INVALID_HANDLE


class CandidateNotFoundError(ArmsError, KeyError):
    """A named candidate does not exist."""

    code = Status.NOT_FOUND


class CandidateExistsError(ArmsError, ValueError):
    """A candidate, or its outcome for a query, exists already."""

    code = Status.ALREADY_EXISTS


class FileError(ArmsError, OSError):
    """A file cannot be opened, read or written.

    Parameters
    ----------
    message
        One line, which names the file.
    status
        As of `ArmsError`.
    number
        The system's reason; `None` if it had none.

    Attributes
    ----------
    errno, strerror
        The system's reason and its text, or `None`.
    """

    code = Status.IO

    def __init__(self, message: str, status: int | None = None, number: int | None = None) -> None:
        super().__init__(message, status)
        self.errno = number
        self.strerror = None if number is None else os.strerror(number)

    def __reduce__(self) -> tuple[type, tuple[str, int, int | None]]:
        # What OSError keeps beside the message is not in __dict__.
        return type(self), (str(self), self.status, self.errno)


class MissingFileError(FileError, FileNotFoundError):
    """A file, or the folder that it is to be written to, does not exist."""


class InvalidModelError(ArmsError, ValueError):
    """A model file is not one, is damaged, or contradicts itself."""

    code = Status.INVALID_MODEL


class ImageError(ArmsError, ValueError):
    """An image cannot be decoded."""

    code = Status.INVALID_IMAGE


class TextError(ArmsError, ValueError):
    """A text has no UTF-8 encoding."""

    code = Status.INVALID_TEXT


class NotFiniteError(ArmsError, ValueError):
    """A value is NaN or infinite where a number is needed."""

    code = Status.NOT_FINITE


class LimitExceededError(ArmsError, ValueError):
    """An input is well-formed but larger than the limits in force."""

    code = Status.LIMIT_EXCEEDED


class OutOfMemoryError(ArmsError, MemoryError):
    """Memory could not be had."""

    code = Status.OUT_OF_MEMORY


class UnsupportedError(ArmsError, NotImplementedError):
    """The request is well-formed, but this library or machine cannot do it."""

    code = Status.UNSUPPORTED


class NoCandidatesError(ArmsError, LookupError):
    """No candidate is left to choose from."""

    code = Status.NO_CANDIDATES


class MissingValueError(ArmsError, ValueError):
    """The policy needs a cost or latency that a candidate lacks."""

    code = Status.MISSING_VALUE


class BufferTooSmallError(ArmsError, ValueError):
    """A buffer is too small for the result."""

    code = Status.BUFFER_TOO_SMALL


class CancelledError(ArmsError, RuntimeError):
    """A callback asked to stop."""

    code = Status.CANCELLED


class InternalError(ArmsError, RuntimeError):
    """A defect in the library; please report it."""

    code = Status.INTERNAL


class BusyError(ArmsError, RuntimeError):
    """Another call on the same trainer is under way."""

    code = Status.BUSY


class ConflictError(ArmsError, RuntimeError):
    """The router was changed meanwhile, or since the trainer was made; do it again."""

    code = Status.CONFLICT


_BY_STATUS: dict[int, type[ArmsError]] = {
    error.code: error
    for error in (
        InvalidArgumentError,
        InvalidHandleError,
        CandidateNotFoundError,
        CandidateExistsError,
        FileError,
        InvalidModelError,
        ImageError,
        TextError,
        NotFiniteError,
        LimitExceededError,
        OutOfMemoryError,
        UnsupportedError,
        NoCandidatesError,
        MissingValueError,
        BufferTooSmallError,
        CancelledError,
        InternalError,
        BusyError,
        ConflictError,
    )
}


def error_for(status: int, message: str) -> ArmsError:
    """Make the exception that stands for a status of the library.

    Parameters
    ----------
    status
        A status that is not 0.
    message
        What the library said.
    """
    if status == Status.IO:
        return _file_error(message)
    return _BY_STATUS.get(status, ArmsError)(message, status)


def _file_error(message: str) -> FileError:
    # Where the system has a reason, the library's message ends with its text.
    reason = message.rpartition(": ")[2]
    number = next((number for number in errno.errorcode if os.strerror(number) == reason), None)
    kind = MissingFileError if number == errno.ENOENT else FileError
    return kind(message, number=number)
