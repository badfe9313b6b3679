"""Describes a model file, and the command ``arms inspect``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from gguf import GGUFReader
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from arms._printable import printable
from arms.cli.tables import console as stdout_console
from arms.cli.tables import known
from arms.errors import InvalidModelError
from arms.router import Router

_RECORD_KEYS: Final = ("arms.training.record", "arms.second.training.record")
_TOKEN_KEYS: Final = ("arms.tokenizer.tokens", "arms.second.tokenizer.tokens")


@dataclass(frozen=True)
class TypeUse:
    """The tensors of one type."""

    tensors: int
    values: int
    bytes: int


@dataclass(frozen=True)
class CandidateSummary:
    """A candidate as the file describes it; what is unknown is None."""

    name: str
    profile: str
    router: int
    enabled: bool
    cost: float | None
    latency: float | None
    max_images: int
    beta: float | None
    temperature: float | None
    bias: float | None


@dataclass(frozen=True)
class Inspection:
    """What a model file holds."""

    path: str
    bytes: int
    keys: dict[str, Any]
    """All scalar keys and short arrays; without the vocabulary, the candidates and the record."""
    vocabulary: int
    types: dict[str, TypeUse]
    parts: dict[str, int]
    """Bytes by part of the model: text encoder, image encoder, head, candidates, second router."""
    candidates: list[CandidateSummary]
    training: Any
    """The training record, parsed; None if there is none."""
    second_training: Any
    """The second router's."""


def inspect_model(path: str | Path) -> Inspection:
    """Read what a model file holds. The weights are mapped, not read.

    Parameters
    ----------
    path
        An ARMS model file.

    Raises
    ------
    ArmsError
        If it cannot be opened as a router: the library's error.
    InvalidModelError
        If what a router ignores in it is damaged.
    """
    path = Path(path)
    # GGUFReader believes what a file says of itself, as the length of an array, and would read on
    # without end. The library checks every count before it reads.
    Router(path).close()
    try:
        reader = GGUFReader(path)
        keys = {name: field.contents() for name, field in reader.fields.items()}
    except (ValueError, IndexError, KeyError, OverflowError, TypeError) as error:
        raise InvalidModelError(f"{path}: damaged: {type(error).__name__}: {error}") from error
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    types: dict[str, TypeUse] = {}
    parts: dict[str, int] = {}
    for name, tensor in tensors.items():
        kind, size, values = tensor.tensor_type.name, int(tensor.n_bytes), int(tensor.n_elements)
        use = types.get(kind, TypeUse(0, 0, 0))
        types[kind] = TypeUse(use.tensors + 1, use.values + values, use.bytes + size)
        parts[_part(name)] = parts.get(_part(name), 0) + size
    try:
        candidates = [
            candidate for router in (0, 1) for candidate in _candidates(keys, tensors, router)
        ]
        training, second_training = (
            json.loads(keys[key]) if key in keys else None for key in _RECORD_KEYS
        )
    except RecursionError:
        raise InvalidModelError(f"{path}: the training record is nested too deep") from None
    except (IndexError, ValueError, TypeError, AttributeError) as error:
        raise InvalidModelError(
            f"{path}: candidates or training record are damaged: {error}"
        ) from error
    vocabulary = keys.get("arms.tokenizer.tokens", [])
    hidden = (*_TOKEN_KEYS, *_RECORD_KEYS)
    shown = {
        name: value
        for name, value in keys.items()
        if name not in hidden and ".candidate." not in name and not name.startswith("GGUF.")
    }
    return Inspection(
        path=str(path),
        bytes=path.stat().st_size,
        keys=shown,
        vocabulary=len(vocabulary),
        types=dict(sorted(types.items())),
        parts=parts,
        candidates=candidates,
        training=training,
        second_training=second_training,
    )


def _part(tensor: str) -> str:
    match tensor.split(".")[0]:
        case "t":
            return "text encoder"
        case "v":
            return "image encoder"
        case "candidate":
            return "candidates"
        case "second":
            return "second router"
    return "head"


def _candidates(
    keys: Mapping[str, Any], tensors: Mapping[str, Any], router: int
) -> list[CandidateSummary]:
    key_prefix = "arms.second.candidate." if router else "arms.candidate."
    tensor_prefix = "second.candidate." if router else "candidate."

    def known(value: float) -> float | None:
        return None if math.isnan(value) else value

    def entry(name: str, row: int, default: Any) -> Any:
        return keys[key_prefix + name][row] if key_prefix + name in keys else default

    def weight(name: str, row: int) -> float | None:
        tensor = tensors.get(tensor_prefix + name)
        return None if tensor is None else float(tensor.data.reshape(-1)[row])

    return [
        CandidateSummary(
            name=name,
            profile=entry("profiles", row, ""),
            router=router,
            enabled=entry("enabled", row, True),
            cost=known(entry("costs", row, math.nan)),
            latency=known(entry("latencies", row, math.nan)),
            max_images=entry("max_images", row, 0),
            beta=weight("beta", row),
            temperature=weight("temperature", row),
            bias=weight("bias", row),
        )
        for row, name in enumerate(keys.get(key_prefix + "names", []))
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(_cell(one) for one in value[:8]) + (", ..." if len(value) > 8 else "")
    return escape(printable(str(value)))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in columns:
        # Numbers keep their width, and texts are broken: nothing is cut.
        if column.startswith(">"):
            table.add_column(column.removeprefix(">"), justify="right", no_wrap=True)
        else:
            table.add_column(column, overflow="fold")
    return table


def print_inspection(inspection: Inspection, console: Console) -> None:
    """Print an inspection as tables."""
    console.print(f"[bold]{escape(printable(inspection.path))}[/bold]: {inspection.bytes:,} bytes")
    keys = _table("Keys", "key", "value")
    for name, value in inspection.keys.items():
        keys.add_row(escape(printable(name)), _cell(value))
    keys.add_row("vocabulary", f"{inspection.vocabulary:,} tokens")
    console.print(keys)
    types = _table("Weights", "type", ">tensors", ">values", ">bytes")
    for kind, use in inspection.types.items():
        types.add_row(kind, _cell(use.tensors), _cell(use.values), _cell(use.bytes))
    console.print(types)
    parts = _table("Parts", "part", ">bytes")
    for part, size in inspection.parts.items():
        parts.add_row(part, _cell(size))
    console.print(parts)
    console.print(_candidate_table(inspection.candidates))
    # Apart, as they are sentences: beside them the numbers would have no room.
    profiles = _table("Profiles", "name", "profile")
    for one in inspection.candidates:
        profiles.add_row(_cell(one.name), _cell(one.profile))
    console.print(profiles)
    for title, record in (
        ("Training record", inspection.training),
        ("Training record of the second router", inspection.second_training),
    ):
        if record is not None:
            console.print(title)
            console.print_json(printable(json.dumps(record, ensure_ascii=False)))


def _candidate_table(candidates: list[CandidateSummary]) -> Table:
    columns = {
        "router": any(one.router for one in candidates),
        "enabled": not all(one.enabled for one in candidates),
        "US$": known(candidates, "cost"),
        "ms": known(candidates, "latency"),
        "images": True,
        "beta": known(candidates, "beta"),
        "T": known(candidates, "temperature"),
        "b": known(candidates, "bias"),
    }
    shown = [column for column, present in columns.items() if present]
    table = _table("Candidates", "name", *(f">{column}" for column in shown))
    table.box, table.pad_edge = None, False

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.4g}"

    for one in candidates:
        cells = {
            "router": str(one.router),
            "enabled": "yes" if one.enabled else "no",
            "US$": number(one.cost),
            "ms": number(one.latency),
            "images": {0: "any", -1: "none"}.get(one.max_images, str(one.max_images)),
            "beta": number(one.beta),
            "T": number(one.temperature),
            "b": number(one.bias),
        }
        table.add_row(_cell(one.name), *(cells[column] for column in shown))
    return table


def inspect(
    model: Annotated[Path, typer.Argument(help="The model file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Say what a model file holds: architecture, sizes, types, candidates, training record."""
    inspection = inspect_model(model)
    if as_json:
        typer.echo(json.dumps(asdict(inspection), indent=2))
    else:
        print_inspection(inspection, stdout_console())


def register(app: typer.Typer) -> None:
    """Add the command to an application."""
    app.command("inspect")(inspect)
