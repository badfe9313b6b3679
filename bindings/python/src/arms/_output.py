"""Files that are written: refused before the work, and complete or not there."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arms.errors import InvalidArgumentError


def check_output(path: Path) -> None:
    """Refuse a file that could not be written hours later.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    PermissionError
        If its folder takes no file, as the new one lies beside the old one first.
    InvalidArgumentError
        If it is a folder, device, pipe or socket.
    """
    target = _followed(path)
    folder = target.absolute().parent
    if not folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "no such folder to write to", str(folder))
    if target.is_dir():
        raise InvalidArgumentError(f"{path}: is a folder: name a file to write")
    if target.exists() and not target.is_file():
        raise InvalidArgumentError(
            f"{path}: is a device, pipe or socket: name a regular file to write"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "no permission to write to this folder", str(folder))


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Name a file beside another, which is gone after the block.

    By its name it is no data file, and none of another process, whose number may be the same in
    another container.
    """
    target = _followed(path)
    aside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
    try:
        yield aside
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Name a file beside another, which takes the other's place if the block succeeds.

    A symbolic link stays one: the file that it leads to is replaced. The new file has the owner,
    group and permissions of the old one, as far as this process may give them.

    Raises
    ------
    OSError, InvalidArgumentError
        As `check_output`.
    """
    check_output(path)
    target = _followed(path)
    old = target.stat() if target.exists() else None
    with beside(path) as aside:
        # Never open to more users than the file that it replaces.
        aside.touch(0o666 if old is None else 0o600, exist_ok=False)
        yield aside
        with aside.open("rb") as file:
            if old is not None:
                _give(file.fileno(), old)
            os.fsync(file.fileno())
        aside.replace(target)


def _followed(path: Path) -> Path:
    """Follow a symbolic link; one that leads nowhere is what is replaced."""
    return path.resolve() if path.exists() else path


def _give(descriptor: int, old: os.stat_result) -> None:
    """Give a file the owner, group and permissions of another."""
    # Root alone gives files to others, and the rest to groups that they are in; a container may not
    # know the owner.
    for owner in (old.st_uid, -1):
        with suppress(OSError):
            os.fchown(descriptor, owner, old.st_gid)
            break
    # What one group might read is not for another.
    kept = 0o777 if os.fstat(descriptor).st_gid == old.st_gid else 0o707
    os.fchmod(descriptor, old.st_mode & kept)
