"""Finding and opening data files: JSON Lines or Parquet, plain or compressed."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

from arms.data.errors import DataError

if TYPE_CHECKING:
    import pyarrow

Source: TypeAlias = str | Path | Iterable[str | Path]
"""A file, a folder, a glob pattern, or several of these."""

DAMAGED = (EOFError, OSError, ValueError, lzma.LZMAError, zlib.error)
"""What the libraries raise, each in its own way, when compressed data are damaged."""

COMPRESSIONS = (".gz", ".bz2", ".xz", ".zst")
_TEXT = (".jsonl", ".ndjson")


class Format(StrEnum):
    """The format of a data file."""

    JSON_LINES = "json lines"
    PARQUET = "parquet"


def format_of(path: Path) -> Format | None:
    """Return a file's format by its name, or `None` if it is no data file."""
    suffixes = path.suffixes[-2:]
    if suffixes and suffixes[-1] == ".parquet":
        return Format.PARQUET
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return Format.JSON_LINES if suffixes and suffixes[-1] in _TEXT else None


def find_files(source: Source) -> list[Path]:
    """Return the data files of a source, in order.

    Parameters
    ----------
    source
        A file; a folder, which stands for the data files that lie in it; a glob pattern, in which
        ``**`` stands for any folders; or several of these. A pattern's files are sorted. Hidden
        files must be named: macOS puts a ``._m2.jsonl`` beside ``m2.jsonl``.

    Raises
    ------
    DataError
        If a source has no data file, or a file is none by its name.
    """
    if isinstance(source, (str, Path)):
        source = [source]
    found: dict[Path, None] = {}
    for one in source:
        found |= dict.fromkeys(_files_of(one))
    if not found:
        raise DataError("no data file was named")
    return list(found)


def _files_of(source: str | Path) -> list[Path]:
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if _is_found(file))
        if not files:
            raise DataError(f"{path}: no .jsonl or .parquet file lies in this folder")
        return files
    if path.exists():
        if format_of(path) is None:
            raise DataError(
                f"{path}: the name of a data file ends in .jsonl or .ndjson (with "
                f"{', '.join(COMPRESSIONS)} if compressed) or in .parquet"
            )
        return [path]
    pattern = path.relative_to(path.anchor)
    matches = Path(path.anchor).glob(str(pattern)) if pattern.parts else ()
    files = sorted(match for match in matches if _is_found(match, path.name.startswith(".")))
    if not files:
        raise DataError(f"{source}: no such data file")
    return files


def _is_found(file: Path, hidden: bool = False) -> bool:
    return format_of(file) is not None and (hidden or not file.name.startswith("."))


def open_binary(path: Path, mode: str = "rb", suffix: str | None = None) -> IO[bytes]:
    """Open a file of bytes and (de)compress as its name says.

    Parameters
    ----------
    path
        The file.
    mode
        ``rb`` or ``wb``.
    suffix
        What says the compression in place of the file's own name, which may be one for a while.
    """
    match path.suffix if suffix is None else suffix:
        case ".gz":
            # Level 6 is a third larger in time than 1, and 9 gains next to nothing.
            return cast("IO[bytes]", gzip.open(path, mode, **_level(mode, 6)))
        case ".bz2":
            return cast("IO[bytes]", bz2.open(path, mode))
        case ".xz":
            return cast("IO[bytes]", lzma.open(path, mode))
        case ".zst":
            return _open_zstd(path, mode)
        case _:
            return cast("IO[bytes]", path.open(mode))


def _level(mode: str, level: int) -> dict[str, Any]:
    return {"compresslevel": level} if mode == "wb" else {}


def _open_zstd(path: Path, mode: str) -> IO[bytes]:
    pa = import_pyarrow("reading and writing .zst")
    # Opened by Python, so that a missing file is reported as everywhere else.
    raw = path.open(mode)
    stream: Any = pa.CompressedInputStream if mode == "rb" else pa.CompressedOutputStream
    return cast("IO[bytes]", stream(raw, "zstd"))


def raise_damaged(path: Path, error: Exception, place: str = "") -> NoReturn:
    """Raise one of `DAMAGED` as an error that names the file.

    Parameters
    ----------
    path
        The file.
    error
        What was raised; it is raised again if it names the file already.
    place
        How far the file could be read: `` after line 7``.
    """
    if isinstance(error, DataError) or getattr(error, "filename", None):
        raise error
    raise DataError(f"{path}: cannot be read{place}: {error}") from error


def import_pyarrow(purpose: str) -> pyarrow:
    """Import pyarrow, or say what it is needed for."""
    try:
        import pyarrow as pa
    except ImportError as error:
        raise DataError(f"{purpose} needs pyarrow: pip install 'arms[data]'") from error
    return pa
