"""Cells of tables as fields of records."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from arms.data.errors import BadRow, BadRowKind
from arms.data.images import is_there
from arms.data.jsonl import explain
from arms.data.schema import Record, Row, is_unicode

_YES: Final = frozenset(("true", "yes", "right", "correct", "1", "1.0", "t", "y"))
_NO: Final = frozenset(("false", "no", "wrong", "incorrect", "0", "0.0", "f", "n"))
_NUMBERS: Final = ("judge", "cost", "latency")


def as_row(
    values: Mapping[str, Any], path: Path, number: int, bad: Callable[[BadRow], None]
) -> Row | None:
    """Make a row of cells by field, or tell `bad` why it cannot be.

    Texts are taken as the numbers and truth values that their fields need.
    """
    fields = {name: _typed(name, value) for name, value in values.items() if value is not None}
    for name, value in fields.items():
        if not all(is_unicode(one) for one in _texts(value)):
            message = f"{name} is no Unicode text: half of a surrogate pair"
            bad(BadRow(path, number, BadRowKind.UTF8, message))
            return None
    try:
        return msgspec.convert(fields, Row)
    except msgspec.ValidationError as error:
        bad(_explain(fields, path, number, error))
        return None


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str)]


def _explain(fields: Mapping[str, Any], path: Path, number: int, error: Exception) -> BadRow:
    try:
        Record.model_validate(fields)
    except ValidationError as invalid:
        row = explain(path, number, invalid)
        if row.kind is BadRowKind.LABEL and as_number(fields.get("label")) is not None:
            hint = "of scores, say from which one on an output counts as right, with --threshold"
            return replace(row, message=f"{row.message}; {hint}")
        return row
    return BadRow(path, number, BadRowKind.TYPE, str(error))


def _typed(name: str, value: Any) -> Any:
    if name in ("label", "answered"):
        return as_bool(value)
    if name in _NUMBERS:
        number = as_number(value)
        return value if number is None else number
    if name in ("image", "answer") and isinstance(value, (list, tuple)):
        texts = [as_text(one) for one in value]
        return texts if len(texts) > 1 else texts[0] if texts else None
    return as_text(value)


def as_bool(value: Any) -> Any:
    """Return a cell as a truth value if it is one, else as it is."""
    if isinstance(value, bool):
        return value
    word = as_text(value)
    if isinstance(word, str) and word.strip().casefold() in _YES | _NO:
        return word.strip().casefold() in _YES
    return value


def as_number(value: Any) -> float | None:
    """Return a cell as a finite number, or `None` if it is none."""
    if isinstance(value, bool):
        return float(value)
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def as_text(value: Any) -> Any:
    """Return a cell as text: spreadsheets make 4.0 of 4. Lists and objects stay as they are."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value) if isinstance(value, (int, float)) else value


def id_of(values: Mapping[str, Any]) -> str:
    """Return an id for a query that has none, which is the same for every model.

    Parameters
    ----------
    values
        Cells by field. The benchmark, the question and the images count, as the table names them:
        where they lie here depends on the folders of this import.
    """
    key = [str(_typed(name, values.get(name))) for name in ("benchmark", "question", "image")]
    return hashlib.blake2b("\0".join(key).encode("utf-8", "replace"), digest_size=8).hexdigest()


def locate(image: str, *folders: Path | None) -> str:
    """Return where an image lies: in the first of some folders that has it.

    Parameters
    ----------
    image
        A path. Of one that is absolute, as another machine wrote it, or of Windows, the longest
        end that a folder has is taken. Of a relative one no folder is left out, since
        ``chartqa/1.png`` and ``docvqa/1.png`` are two images; but it may begin with the name of
        the folder itself.
    folders
        Where to look, the likeliest first; `None` is left out.

    Returns
    -------
    str
        The file that exists, else the image in the first folder. URLs stay as they are.
    """
    if "://" in image:
        return image
    there = [folder for folder in folders if folder is not None]
    for folder in there:
        for parts in _ends(image, folder):
            found = folder.joinpath(*parts)
            if is_there(found):
                return str(found)
    return str(there[0] / image) if there else image


def _ends(image: str, folder: Path) -> Iterator[tuple[str, ...]]:
    """Yield the ends of a path that may lie in a folder, the longest first."""
    yield (image,)
    there = PureWindowsPath(image)
    is_windows = bool(there.drive) or "\\" in image
    path = there if is_windows else Path(image)
    parts = path.parts
    if path.is_absolute():
        yield from (parts[start:] for start in range(1, len(parts)))
        return
    yield parts
    if len(parts) > 1 and parts[0] == folder.absolute().name:
        yield parts[1:]
