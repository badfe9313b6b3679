"""Decoding JSON Lines in blocks, and saying what is wrong with a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

import msgspec
from pydantic import ValidationError

from arms.data.errors import BadRow, BadRowKind, DataError
from arms.data.files import DAMAGED, open_binary, raise_damaged
from arms.data.schema import QueryRow, Record, schema_of

BLOCK_BYTES = 1 << 22
# A line is a question and an answer. A longer one is another kind of file: an image, or no lines.
LINE_BYTES = 1 << 26

R = TypeVar("R", bound=QueryRow)


def decode_file(
    path: Path, row: type[R], bad: Callable[[BadRow], None], unknown: Callable[[str, int], None]
) -> Iterator[tuple[list[R], list[int] | range]]:
    """Decode a file of JSON Lines block by block.

    Parameters
    ----------
    path
        The file, compressed or not.
    row
        The kind of row.
    bad
        Told each line that cannot be used.
    unknown
        Told fields that the schema does not have, with the line where each was first seen. They
        are looked for in the first row that has any.

    Yields
    ------
    tuple
        The rows of a block and their line numbers.
    """
    decoder = _Decoder(path, row, bad, unknown)
    first = 1
    try:
        with open_binary(path) as file:
            for block in _blocks(file, path):
                # The last line of a file may lack its end.
                lines = block.count(b"\n") + (not block.endswith(b"\n"))
                yield decoder.decode(block, first, lines)
                first += lines
    except DAMAGED as error:
        raise_damaged(path, error, f" after line {first - 1}")


def _blocks(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """Cut a file after lines, into blocks of about `BLOCK_BYTES`."""
    rest = file.read(3)
    if rest == b"\xef\xbb\xbf":  # A byte order mark.
        rest = b""
    while data := file.read(BLOCK_BYTES):
        end = data.rfind(b"\n") + 1
        if end:
            yield rest + data[:end]
            rest = data[end:]
        else:
            rest += data
            if len(rest) > LINE_BYTES:
                raise DataError(
                    f"{path}: a line has more than {LINE_BYTES:,} bytes; JSON Lines has one "
                    "object a line, and images are named, not held"
                )
    if rest:
        yield rest


class _Decoder(Generic[R]):
    """Decodes blocks: at once while all is well, else line by line."""

    def __init__(
        self,
        path: Path,
        row: type[R],
        bad: Callable[[BadRow], None],
        unknown: Callable[[str, int], None],
    ) -> None:
        self._path = path
        self._row = row
        self._bad = bad
        self._unknown = unknown
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(row)
        # Only a field that is not known stops this one, so that it costs nothing to look for it.
        closed = msgspec.defstruct(
            row.__name__, [], bases=(row,), kw_only=True, gc=False, forbid_unknown_fields=True
        )
        self._block_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(closed)

    def decode(self, block: bytes, first: int, lines: int) -> tuple[list[R], list[int] | range]:
        try:
            rows = self._block_decoder.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._decode_lines(block, first)
        # Blank lines, several objects in one line, or one in several: then count line by line.
        if len(rows) != lines:
            return self._decode_lines(block, first)
        return rows, range(first, first + lines)

    def _decode_lines(self, block: bytes, first: int) -> tuple[list[R], list[int] | range]:
        rows: list[R] = []
        numbers: list[int] = []
        for number, line in enumerate(block.split(b"\n"), first):
            if not line.strip():
                continue
            try:
                rows.append(self._decode_line(line, number))
                numbers.append(number)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._bad(explain_line(self._path, number, line, self._row, error))
        return rows, numbers

    def _decode_line(self, line: bytes, number: int) -> R:
        row: R = self._decoder.decode(line)
        if self._block_decoder is not self._decoder:
            fields = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
            unknown = [name for name in fields if name not in self._row.__struct_fields__]
            for name in unknown:
                self._unknown(name, number)
            if unknown:
                self._block_decoder = self._decoder
        return row


def explain_line(
    path: Path, number: int, line: bytes, row: type[QueryRow], error: Exception
) -> BadRow:
    """Say what is wrong with a line that could not be decoded."""
    try:
        text = line.decode()
    except UnicodeDecodeError as broken:
        message = f"byte {broken.start + 1} of the line is not UTF-8"
        return BadRow(path, number, BadRowKind.UTF8, message)
    if not isinstance(error, msgspec.ValidationError):
        message = "nested too deeply" if isinstance(error, RecursionError) else f"not JSON: {error}"
        return BadRow(path, number, BadRowKind.JSON, message)
    try:
        schema_of(row).model_validate_json(text, extra="ignore")
    except ValidationError as invalid:
        return explain(path, number, invalid)
    return BadRow(path, number, BadRowKind.TYPE, str(error))


_EXPECTED = {
    "answer": "a string, a list of strings or null",
    "answered": "true, false or null",
    "cost": "a number of US dollars, 0 or more, or null",
    "id": "a string that is not empty",
    "image": "a path, a list of paths or null",
    "judge": "a number from 0 to 1 or null",
    "label": "true, false or null",
    "latency": "a number of milliseconds, 0 or more, or null",
    "model": "a string that is not empty",
    "question": "a string",
    "split": '"train", "test", "ood" or null',
}


def explain(path: Path, number: int, invalid: ValidationError) -> BadRow:
    """Say what pydantic found wrong with a row: its first error, in the words of this package."""
    error = invalid.errors(include_url=False)[0]
    if not error["loc"]:
        return BadRow(path, number, BadRowKind.JSON, "a row must be a JSON object")
    field = str(error["loc"][0])
    if error["type"] == "missing":
        return BadRow(path, number, BadRowKind.MISSING_FIELD, f"{field} is missing")
    expected = _EXPECTED.get(field, "a string or null")
    message = f"{field} must be {expected}, not {_shown(error['input'])}"
    if invalid.title == Record.__name__ and _is_convertible(field, error["input"]):
        message += "; `arms data import csv` takes it as one"
    return BadRow(path, number, _kind(field, error["type"]), message)


def _is_convertible(field: str, value: object) -> bool:
    """Say whether an import would make the field of a value of another type."""
    if field in ("label", "answered"):
        return str(value).casefold() in ("0", "1", "0.0", "1.0", "true", "false")
    if field not in ("judge", "cost", "latency"):
        return isinstance(value, (int, float))
    try:
        return isinstance(value, str) and isfinite(float(value))
    except ValueError:
        return False


def _kind(field: str, error: str) -> BadRowKind:
    if field == "label":
        return BadRowKind.LABEL
    values = {"literal_error", "greater_than_equal", "less_than_equal", "finite_number"}
    return BadRowKind.VALUE if error in values | {"string_too_short"} else BadRowKind.TYPE


def _shown(value: object) -> str:
    text = msgspec.json.encode(value).decode() if not isinstance(value, float) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
