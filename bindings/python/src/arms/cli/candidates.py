"""``arms candidates``: list and edit the pool of a model file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.table import Table
from rich.text import Text

from arms import Candidate, CandidateInfo, Router
from arms._printable import printable
from arms.candidate_file import read_candidates
from arms.cli.tables import console, cost, latency, print_json

_Model: TypeAlias = Annotated[
    Path, typer.Argument(metavar="MODEL", help="The model file.", show_default=False)
]
_Names: TypeAlias = Annotated[
    list[str], typer.Argument(metavar="NAME", help="Names of candidates.", show_default=False)
]
_Output: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="Write here; default: change MODEL itself.", show_default=False
    ),
]
_UNKNOWN = "unknown"
_ANY = "any"
group = typer.Typer(no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the group of commands."""
    app.add_typer(group, name="candidates", help="List and edit the candidates of a model file.")


@contextmanager
def _edited(model: Path, output: Path | None) -> Iterator[Router]:
    """Open a model file and save it when the block succeeds, in one step."""
    with Router(model) as router:
        yield router
        router.save(output or model)


@group.command("list")
def list_candidates(
    model: _Model,
    json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON a candidate.")
    ] = False,
) -> None:
    """List the candidates of a model file, disabled ones included."""
    with Router(model) as router:
        infos = router.candidates.list()
        profiles = [router.candidates.profile(info.name) for info in infos]
    if json:
        for info, profile in zip(infos, profiles, strict=True):
            print_json(asdict(info) | {"profile": profile})
    else:
        console().print(_table(infos, profiles))


def _table(infos: list[CandidateInfo], profiles: list[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("candidate")
    table.add_column("state")
    table.add_column("cost", justify="right")
    table.add_column("latency", justify="right")
    table.add_column("pool")
    table.add_column("profile")
    for info, profile in zip(infos, profiles, strict=True):
        table.add_row(
            Text(printable(info.name)),
            "enabled" if info.enabled else "disabled",
            cost(info.cost),
            latency(info.latency),
            "second" if info.router else "first",
            Text(printable(profile)),
            style=None if info.enabled else "dim",
        )
    return table


@group.command("add")
def add(
    model: _Model,
    name: Annotated[
        str | None, typer.Option(help="Unique in its router.", show_default=False)
    ] = None,
    parameters: Annotated[str | None, typer.Option(help='"7B"', show_default=False)] = None,
    architecture: Annotated[
        str | None, typer.Option(help='"ViT, MLP projector, decoder"', show_default=False)
    ] = None,
    language_model: Annotated[
        str | None, typer.Option(help='"Qwen2-7B"', show_default=False)
    ] = None,
    vision_model: Annotated[str | None, typer.Option(help='"ViT 675M"', show_default=False)] = None,
    profile: Annotated[
        str | None,
        typer.Option(help="The whole sentence, in place of these four.", show_default=False),
    ] = None,
    cost: Annotated[
        float | None, typer.Option(help="US dollars a query.", show_default=False)
    ] = None,
    latency: Annotated[float | None, typer.Option(help="Milliseconds.", show_default=False)] = None,
    max_images: Annotated[
        int | None,
        typer.Option(
            min=0, help="Images it takes at most. Default: any number.", show_default=False
        ),
    ] = None,
    second: Annotated[
        bool, typer.Option("--second", help="Add to the pool of the cascade's second router.")
    ] = False,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="A .json or .yaml file of candidates, in place of --name.",
            show_default=False,
        ),
    ] = None,
    output: _Output = None,
) -> None:
    """Add a candidate, or those of a JSON or YAML file.

    The file is a list of objects, or an object with that list as "candidates".
    Their fields are named like the options, --max-images being "max_images".

      arms candidates add router.gguf --name qwen2-vl-7b --parameters 8.3B --cost 0.00024

      arms candidates add router.gguf --from candidates.json --output larger.gguf
    """
    if (name is None) == (source is None):
        raise typer.BadParameter("give --name or --from, one of them")
    pool = 1 if second else 0
    described: dict[str, Any] = {
        "parameters": parameters,
        "architecture": architecture,
        "language_model": language_model,
        "vision_model": vision_model,
        "profile": profile,
        "cost": cost,
        "latency": latency,
        "max_images": max_images,
    }
    if name is not None:
        added = [Candidate(name=name, router=pool, **described)]
    elif source is not None:
        for field, value in described.items():
            if value is not None:
                option = "--" + field.replace("_", "-")
                raise typer.BadParameter(
                    f'{option} goes with --name; a --from file says "{field}" of each candidate'
                )
        added = read_candidates(source, pool)
    with _edited(model, output) as router:
        router.candidates.add(added)


def _number(text: str) -> float | str:
    if text == _UNKNOWN:
        return text
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"expected a number or {_UNKNOWN}, not {text!r}") from None


def _images(text: str) -> int | str:
    if text == _ANY:
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    raise typer.BadParameter(f"expected a number of images or {_ANY}, not {text!r}")


@group.command("update")
def update(
    model: _Model,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The candidate.", show_default=False)],
    cost: Annotated[
        str | None,
        typer.Option(
            parser=_number,
            metavar=f"NUMBER|{_UNKNOWN}",
            help="US dollars a query.",
            show_default=False,
        ),
    ] = None,
    latency: Annotated[
        str | None,
        typer.Option(
            parser=_number,
            metavar=f"NUMBER|{_UNKNOWN}",
            help="Milliseconds.",
            show_default=False,
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of its calibration.", show_default=False)
    ] = None,
    bias: Annotated[
        float | None, typer.Option(help="Of its calibration.", show_default=False)
    ] = None,
    max_images: Annotated[
        str | None,
        typer.Option(
            parser=_images,
            metavar=f"NUMBER|{_ANY}",
            help="Images it takes at most.",
            show_default=False,
        ),
    ] = None,
    enabled: Annotated[
        bool | None,
        typer.Option("--enable/--disable", help="Whether it can be chosen.", show_default=False),
    ] = None,
    output: _Output = None,
) -> None:
    """Change what is given of one candidate, and keep the rest, what was learned of it included.

    Its profile cannot be changed: a candidate with another one is another.

      arms candidates update router.gguf gpt-4o --cost 0.0025

      arms candidates update router.gguf gpt-4o --latency unknown --max-images any
    """
    given: dict[str, Any] = {
        "cost": cost,
        "latency": latency,
        "temperature": temperature,
        "bias": bias,
        "max_images": max_images,
        "enabled": enabled,
    }
    changes: dict[str, Any] = {
        field: None if value in (_UNKNOWN, _ANY) else value
        for field, value in given.items()
        if value is not None
    }
    if not changes:
        raise typer.BadParameter("nothing to change: give --cost or another option")
    with _edited(model, output) as router:
        router.candidates.update(name, **changes)


@group.command("remove")
def remove(model: _Model, names: _Names, output: _Output = None) -> None:
    """Remove candidates, all or none."""
    with _edited(model, output) as router:
        router.candidates.remove(*names)


@group.command("enable")
def enable(model: _Model, names: _Names, output: _Output = None) -> None:
    """Enable candidates, all or none."""
    with _edited(model, output) as router:
        router.candidates.enable(*names)


@group.command("disable")
def disable(model: _Model, names: _Names, output: _Output = None) -> None:
    """Disable candidates, all or none: they are kept, but never chosen."""
    with _edited(model, output) as router:
        router.candidates.disable(*names)
