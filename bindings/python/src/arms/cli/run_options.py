"""The options of training runs on the command line, made of what `arms.training` declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_type_hints

import typer

from arms.training.configuration import OptionsType, read_configuration, resolved
from arms.training.options import RunOptions

_OWN: dict[str, Any] = {
    "model": Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="The model file to start from.", show_default=False),
    ],
    "data": Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DATA",
            help="Records, as [bold]arms data[/bold] makes them: files, folders or patterns.",
            show_default=False,
        ),
    ],
    "output": Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The model file to write.", show_default=False),
    ],
    "config": Annotated[
        Path | None,
        typer.Option(
            "--config",
            help="Take all options from a file that a run wrote; those given besides go first.",
            show_default=False,
        ),
    ],
}


def with_options_of(kind: type[RunOptions]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command, which takes ``**given``, an option for each field of a run's options.

    What is not said on the command line is not passed, so that a configuration may say it.
    """

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        hints = get_type_hints(command, include_extras=True)
        declared = {one.name: one for one in fields(kind)}
        annotations = _OWN | {
            name: _annotation(one, get_type_hints(kind)[name])
            for name, one in declared.items()
            if name not in _OWN
        }
        parameters = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)
            for name, hint in annotations.items()
        ]

        def run(**arguments: Any) -> None:
            command(**{name: value for name, value in arguments.items() if value is not None})

        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                *parameters,
                *(one.replace(kind=one.KEYWORD_ONLY, annotation=hints[one.name]) for one in own),
            ]
        )
        run.__annotations__ = annotations | {one.name: hints[one.name] for one in own}
        run.__doc__ = command.__doc__
        return run

    return decorated


def options_from(kind: type[OptionsType], command: str, given: Mapping[str, Any]) -> OptionsType:
    """Make a run's options of the command line, and of the configuration that it names.

    Raises
    ------
    typer.BadParameter
        If something without a default is missing.
    InvalidArgumentError
        If the configuration cannot be used.
    """
    said = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in given.items()
        if name != "config" and value != []
    }
    if "config" in given:
        said = read_configuration(given["config"], command, kind) | said
    missing = [one.name for one in fields(kind) if one.name not in said and one.default is MISSING]
    if missing:
        named = {"model": "MODEL", "data": "DATA", "output": "--output"}
        raise typer.BadParameter(f"{named[missing[0]]} is missing: give it, or --config")
    return resolved(kind, said)


def _annotation(one: Field[Any], hint: Any) -> Any:
    """Make the option of a field: its type, and what the help says."""
    flag = "--" + one.name.replace("_", "-")
    common: dict[str, Any] = {
        "help": f"{one.metadata['help']}{_default(one)}",
        "rich_help_panel": one.metadata["panel"],
        "show_default": False,
    }
    if hint is bool:
        return Annotated[bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", **common)]
    if one.name in ("text_layers", "image_layers"):
        return Annotated[
            str | None, typer.Option(flag, parser=_layers, metavar="NUMBER|all", **common)
        ]
    kinds = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    if hint == tuple[str, ...] or kinds[0] == tuple[str, ...]:
        return Annotated[list[str] | None, typer.Option(flag, **common)]
    return Annotated[kinds[0] | None, typer.Option(flag, **common)]


def _default(one: Field[Any]) -> str:
    shown = one.metadata["shown"]
    if shown is None:
        value = one.default
        if isinstance(value, bool):
            return " Default: yes." if value else ""
        shown = f"{value:g}" if isinstance(value, float) else f"{value}"
    return f" Default: {shown}." if shown else ""


def _layers(text: str) -> int | str:
    if text == "all":
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    raise typer.BadParameter(f"expected a number of layers or all, not {text!r}")
