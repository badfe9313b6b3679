"""Configurations: TOML files with all options of a run, which can be run again."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from arms._output import replacing
from arms.errors import InvalidArgumentError
from arms.options import NamedChoice
from arms.training.options import RunOptions

OptionsType = TypeVar("OptionsType", bound=RunOptions)


def configuration_path(output: Path) -> Path:
    """Return where the configuration of a run lies: beside the model file that it wrote."""
    return output.with_name(output.name + ".toml")


def write_configuration(path: Path, command: str, options: RunOptions) -> None:
    """Write all options of a run, defaults included, in one step; paths become absolute.

    Parameters
    ----------
    path
        The file.
    command
        ``train`` or ``extend``.
    options
        The options.
    """
    lines = [
        f"# arms {command} --config {path.name} runs this again, on the files as they then are.",
        f"command = {_toml(command)}",
    ]
    for one in fields(options):
        value = getattr(options, one.name)
        about = one.metadata.get("help")
        if about:
            lines += ["", f"# {about}"]
        # A comment, as TOML has no null.
        lines.append(
            f"# {one.name} =" if value is None else f"{one.name} = {_toml(_anchored(one, value))}"
        )
    with replacing(path) as aside:
        aside.write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_configuration(path: Path, command: str, kind: type[RunOptions]) -> dict[str, Any]:
    """Read the options that a configuration gives.

    Parameters
    ----------
    path
        The file. Relative paths in it start at its folder.
    command
        What it must be of.
    kind
        The options of that command.

    Returns
    -------
    dict
        Keywords for `kind`.

    Raises
    ------
    InvalidArgumentError
        If it is not TOML, is another command's, or has an option that is unknown or of the wrong
        type.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgumentError(f"{path}: not TOML: {error}") from error
    except RecursionError:
        raise InvalidArgumentError(f"{path}: nested too deep") from None
    found = content.pop("command", None)
    if found != command:
        raise InvalidArgumentError(f"{path}: command is {found!r}: expected {command!r}")
    hints = get_type_hints(kind)
    known = {one.name for one in fields(kind)}
    given: dict[str, Any] = {}
    for name, value in content.items():
        if name not in known:
            raise InvalidArgumentError(f"{path}: unknown option {name!r}")
        given[name] = _from_folder(name, parsed(value, hints[name], f"{path}: {name}"), path.parent)
    return given


def resolved(kind: type[OptionsType], given: Mapping[str, Any]) -> OptionsType:
    """Make options of what a configuration and the command line gave.

    Raises
    ------
    InvalidArgumentError
        If one that has no default is missing.
    """
    for one in fields(kind):
        if one.name not in given and one.default is MISSING:
            raise InvalidArgumentError(
                f"{one.name} is missing: give it, or a configuration with it"
            )
    return kind(**given)


def parsed(value: Any, hint: Any, where: str) -> Any:
    """Bring a value of TOML to an option's type.

    Raises
    ------
    InvalidArgumentError
        If it is none of that type.
    """
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        kinds = [one for one in get_args(hint) if one is not NoneType]
        literal = [one for one in kinds if get_origin(one) is Literal]
        if literal and isinstance(value, str):
            return parsed(value, literal[0], where)
        return parsed(value, kinds[0], where)
    if origin is Literal:
        if value in get_args(hint):
            return value
        raise InvalidArgumentError(
            f"{where} must be {get_args(hint)[0]!r} or a number, not {value!r}"
        )
    if origin is tuple:
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
        raise InvalidArgumentError(f"{where} must be a list of strings, not {value!r}")
    if issubclass(hint, Enum):
        return _member(value, hint, where)
    return _plain(value, hint, where)


def _member(value: Any, kind: type[Enum], where: str) -> Enum:
    names = [str(one.value) for one in kind]
    if value not in names:
        raise InvalidArgumentError(f"{where} must be one of {', '.join(names)}, not {value!r}")
    return kind.parse(value) if issubclass(kind, NamedChoice) else kind(value)


_PLAIN: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "an integer"),
    float: ((int, float), "a number"),
    str: ((str,), "a string"),
    Path: ((str,), "a path"),
}


def _plain(value: Any, kind: type, where: str) -> Any:
    wanted, expected = _PLAIN[kind]
    if not isinstance(value, wanted) or (isinstance(value, bool) and kind is not bool):
        raise InvalidArgumentError(f"{where} must be {expected}, not {value!r}")
    return kind(value)


def _anchored(one: Field[Any], value: Any) -> Any:
    if one.name == "data":
        return [os.path.abspath(path) for path in value]  # noqa: PTH100 - keeps patterns as they are
    return value.absolute() if isinstance(value, Path) else value


def _from_folder(name: str, value: Any, folder: Path) -> Any:
    if name == "data":
        return tuple(str(folder / path) for path in value)
    return folder / value if isinstance(value, Path) else value


def _toml(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, (str, Path)):
        # JSON's strings are TOML's, but for DEL, which TOML wants escaped.
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value)
