"""Files that are written: refused before the work, and complete or not there."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arms.errors import InvalidArgumentError


def check_output(path: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse a file that could not be written hours later, or that is read.

    Parameters
    ----------
    path
        The file to write.
    inputs
        Files that must not be lost.

    Raises
    ------
    FileNotFoundError
        If its folder does not exist.
    PermissionError
        If its folder takes no file, as the new one lies beside the old one first.
    InvalidArgumentError
        If it is a folder, device, pipe or socket, or one of the inputs by whatever name.
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
    if target.exists():
        for one in inputs:
            if one.exists() and target.samefile(one):
                raise InvalidArgumentError(
                    f"{path}: is read as {one}, and would be lost: name another file to write"
                )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "no permission to write to this folder", str(folder))


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Name a file beside another, which is gone after the block.

    By its name it is no data file, none of another process, whose number may be the same in another
    container, and none that the library takes for the rest of a killed process.
    """
    with _temporary(_followed(path), 4) as aside:
        yield aside


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Name a file beside another, which takes the other's place if the block succeeds.

    A symbolic link stays one: the file that it leads to is replaced. The new file has the owner,
    group and permissions of the old one, as far as this process may give them. What a killed
    process leaves is removed when this, or the library, next writes the file.

    Raises
    ------
    OSError, InvalidArgumentError
        As `check_output`.
    """
    check_output(path)
    target = _followed(path)
    old = target.stat() if target.exists() else None
    _remove_leftovers(target)
    # With 8 bytes and a lock it is to the library one of its own, which is being written.
    with _temporary(target, 8) as aside:
        # Never open to more users than the file that it replaces.
        with _created(aside, 0o666 if old is None else 0o600):
            yield aside
        # The block may have put another file in its place.
        with aside.open("rb") as file:
            if old is not None:
                _give(file.fileno(), old)
            os.fsync(file.fileno())
        aside.replace(target)
        _sync_folder(target.absolute().parent)


@contextmanager
def _temporary(target: Path, size: int) -> Iterator[Path]:
    """Name a file beside another by so many random bytes, which is gone after the block."""
    aside = target.with_name(f"{_prefix(target)}{secrets.token_hex(size)}.tmp")
    try:
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def _prefix(target: Path) -> str:
    """Return what the names of temporaries begin with, of which a name may have 255 bytes."""
    name = os.fsdecode(os.fsencode(target.name)[:200])
    return f".{name}."


@contextmanager
def _created(aside: Path, mode: int) -> Iterator[None]:
    """Create a file and lock it, which says that a process is writing it."""
    while True:
        descriptor = os.open(aside, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            if _locked(descriptor):
                yield
                return
            aside.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock a file that was just made; never wait for who may take it for a leftover."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # Not every file system has locks; nothing is removed there.
    return bool(os.fstat(descriptor).st_nlink)


def _remove_leftovers(target: Path) -> None:
    """Remove the temporaries of a file that no process has locked, as those that write them do."""
    name = re.compile(re.escape(_prefix(target)) + r"[0-9a-f]{16}\.tmp")
    left: list[Path] = []
    with suppress(OSError):  # A folder may be written to and not be read.
        left = [one for one in target.absolute().parent.iterdir() if name.fullmatch(one.name)]
    for one in left:
        with suppress(OSError):
            _remove_unlocked(one)


def _remove_unlocked(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable. A file system that cannot sync a folder says EINVAL."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


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
