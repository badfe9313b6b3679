"""Candidates in a JSON or YAML file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from arms.candidates import CANDIDATE_FIELDS, Candidate
from arms.errors import InvalidArgumentError, UnsupportedError

_ALIASES = {"cost_per_query_usd": "cost", "latency_ms": "latency"}
_TEXTS = {"name", "parameters", "architecture", "language_model", "vision_model", "profile"}


def read_candidates(path: Path, router: int) -> list[Candidate]:
    """Read candidates; fields that a candidate does not have are named on standard error.

    Parameters
    ----------
    path
        A JSON file, or YAML by its suffix: a list of objects, or an object with that list as
        "candidates".
    router
        The pool of those that do not say.

    Raises
    ------
    InvalidArgumentError
        If the file is not of that form.
    UnsupportedError
        If it is YAML, and no package is installed that reads it.
    """
    content = _content(path)
    records = content.get("candidates") if isinstance(content, dict) else content
    if not isinstance(records, list):
        raise InvalidArgumentError(f'{path}: expected a list, or an object with "candidates"')
    ignored: set[str] = set()
    candidates = [
        _candidate(record, f"{path}: candidate {number}", router, ignored)
        for number, record in enumerate(records, 1)
    ]
    if ignored:
        print(f"arms: {path}: ignored: {', '.join(sorted(ignored))}", file=sys.stderr)
    return candidates


def _content(path: Path) -> Any:
    language = "YAML" if path.suffix in (".yaml", ".yml") else "JSON"
    try:
        text = path.read_text(encoding="utf-8")
        return _parsed_yaml(text) if language == "YAML" else json.loads(text)
    except ValueError as error:
        raise InvalidArgumentError(f"{path}: not {language}: {error}") from error
    except RecursionError:
        raise InvalidArgumentError(f"{path}: nested too deep") from None


def _parsed_yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise UnsupportedError("yaml is not installed: pip install 'arms[data]'") from error
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(error) from error


def _candidate(record: Any, where: str, router: int, ignored: set[str]) -> Candidate:
    if not isinstance(record, dict) or "name" not in record:
        raise InvalidArgumentError(f'{where}: expected an object with a "name"')
    fields: dict[str, Any] = {"router": router}
    for key, value in record.items():
        field = _ALIASES.get(key, key)
        if field not in CANDIDATE_FIELDS:
            ignored.add(str(key))  # YAML has keys that are no strings.
        elif value is not None:
            _check(field, value, f"{where}: {key}")
            fields[field] = value
    return Candidate(**fields)


def _check(field: str, value: object, where: str) -> None:
    if field in _TEXTS:
        expected, fits = "a string", isinstance(value, str)
    elif field == "enabled":
        expected, fits = "true or false", isinstance(value, bool)
    elif field == "embedding":
        expected, fits = "a list of numbers", isinstance(value, list) and all(map(_number, value))
    elif field in ("max_images", "router"):
        expected, fits = "an integer", isinstance(value, int) and _number(value)
    else:
        expected, fits = "a number", _number(value)
    if not fits:
        raise InvalidArgumentError(f"{where} must be {expected}, not {value!r}")
    # An integer in a file may be larger than any float.
    numbers = value if isinstance(value, list) else [value]
    if any(isinstance(one, int) and abs(one) > sys.float_info.max for one in numbers):
        raise InvalidArgumentError(f"{where} is too large")


def _number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
