"""The JSON form of an evaluation, and back; ``SCHEMA.md`` describes it."""

from __future__ import annotations

import json
import math
import types
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from arms.errors import InvalidArgumentError
from arms.evaluation.evaluation import FORMAT, VERSION, Evaluation

__all__ = ["from_json", "read_evaluation", "to_json"]


def to_json(evaluation: Evaluation, *, indent: int | None = None) -> str:
    """Write an evaluation as one JSON object, without NaN: what is not defined is null."""
    return json.dumps(_plain(evaluation), indent=indent, ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {entry.name: _plain(getattr(value, entry.name)) for entry in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def from_json(text: str, source: str = "the evaluation") -> Evaluation:
    """Read what `to_json` wrote; fields that a later version added are left out.

    Raises
    ------
    InvalidArgumentError
        If it is something else; the message begins with `source`.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(f"{source}: not JSON: {error}") from error
    except RecursionError:
        raise InvalidArgumentError(f"{source}: nested too deep") from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InvalidArgumentError(
            f'{source}: not an evaluation: "format" must be "{FORMAT}", as `arms evaluate --json` '
            "writes it"
        )
    if content.get("version") != VERSION:
        raise InvalidArgumentError(
            f"{source}: version {content.get('version')} of the format, but this is version "
            f"{VERSION}: evaluate again"
        )
    return cast(Evaluation, _record(Evaluation, content, source))


def read_evaluation(path: str | Path) -> Evaluation:
    """Read an evaluation from a file; errors name it."""
    try:
        return from_json(Path(path).read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise InvalidArgumentError(f"{path}: not UTF-8: {error.reason}") from error


def _value(kind: Any, content: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if content is None and type(None) in arguments:
            return None
        return _value(next(a for a in arguments if a is not type(None)), content, where)
    if is_dataclass(kind):
        return _record(kind, content, where)
    if origin is list and isinstance(content, list):
        return [_value(arguments[0], entry, f"{where}[{i}]") for i, entry in enumerate(content)]
    if origin is dict and isinstance(content, dict):
        return {key: _value(arguments[1], v, f"{where}.{key}") for key, v in content.items()}
    if kind is float and isinstance(content, int) and not isinstance(content, bool):
        return float(content)
    if origin is Literal and content in arguments:
        return content
    if (
        isinstance(kind, type)
        and isinstance(content, kind)
        and (kind is bool or not isinstance(content, bool))
    ):
        return content
    raise InvalidArgumentError(f"{where}: {content!r:.40} is not of type {kind}")


def _record(kind: Any, content: Any, where: str) -> Any:
    if not isinstance(content, dict):
        raise InvalidArgumentError(f"{where}: expected an object, not {content!r:.40}")
    hints = get_type_hints(kind)
    values = {}
    for entry in fields(kind):
        if entry.name not in content:
            raise InvalidArgumentError(f"{where}: the field {entry.name!r} is missing")
        values[entry.name] = _value(hints[entry.name], content[entry.name], f"{where}.{entry.name}")
    return kind(**values)
