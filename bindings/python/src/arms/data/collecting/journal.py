"""The file of a collection: only appended to, so that a killed run loses nothing and can go on."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from arms.data.errors import DataError
from arms.data.schema import QueryRow, Row, images_of

_SUFFIXES = (".jsonl", ".ndjson")


def fingerprint(query: QueryRow, folder: Path) -> int:
    """Return a number that tells queries of one id apart, of this process alone.

    Parameters
    ----------
    query
        Its question and its images count.
    folder
        The folder that its images are relative to, resolved.
    """
    images = [
        image if "://" in image else os.path.normpath(folder / image) for image in images_of(query)
    ]
    return hash((query.question, *images))


class Journal:
    """Opens the file of a collection, mends its end, and appends rows that outlive a crash.

    A last row that is whole but for its end of line gets one; one that breaks off is cut, if rows
    lie before it that show the file to be a collection.

    Parameters
    ----------
    path
        A ``.jsonl`` file, made if it does not exist. One process at a time has it open.

    Attributes
    ----------
    done
        Pairs of query and model that the file has.
    asked
        The `fingerprint` of each query of the file, by id.
    torn
        Bytes of an unfinished last line that were cut off.

    Raises
    ------
    DataError
        If another process has it open, or a line of it is no row; the message names the line, and
        the file is left as it was.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.suffix not in _SUFFIXES:
            raise DataError(f"{path}: a collection is a .jsonl file, since it is appended to")
        self.done: set[tuple[str, str]] = set()
        self.asked: dict[str, int] = {}
        self.torn = 0
        self._encode = msgspec.json.Encoder().encode_lines
        self._file = self.path.open("a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._recover()
        except BlockingIOError:
            self._file.close()
            raise DataError(f"{path}: another process is collecting into this file") from None
        except BaseException:
            self._file.close()
            raise

    def _recover(self) -> None:
        """Learn what is done, and mend a last line that a crash has torn."""
        decoder, folder = msgspec.json.Decoder(Row), self.path.parent.resolve()
        self._file.seek(0)
        end = 0
        line = b""
        for number, line in enumerate(self._file, 1):
            try:
                row = decoder.decode(line) if line.strip() else None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                if self.done and _is_torn(line):
                    self._cut(end)
                    return
                raise DataError(
                    f"{self.path}:{number}: not a row of a collection: {error}; "
                    "name another file to append to, or remove the line"
                ) from error
            end += len(line)
            if row is not None:
                self.done.add((row.id, row.model))
                self.asked[row.id] = fingerprint(row, folder)
        if line and not line.endswith(b"\n"):
            # Whole but for its end: a crash came between the two, or another program wrote it.
            self._file.write(b"\n")

    def _cut(self, end: int) -> None:
        self.torn = self._file.seek(0, os.SEEK_END) - end
        self._file.truncate(end)
        self._file.seek(end)

    def append(self, rows: list[Row]) -> None:
        """Append rows; they are on the disk when this returns."""
        self._file.write(self._encode(rows))
        self._file.flush()
        os.fsync(self._file.fileno())
        self.done.update((row.id, row.model) for row in rows)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _is_torn(line: bytes) -> bool:
    """Say whether a line breaks off: it lacks its end, and is not JSON either."""
    if line.endswith(b"\n"):
        return False
    try:
        json.loads(line.decode(errors="replace"))
    except json.JSONDecodeError:
        return True
    except RecursionError:
        pass
    return False
