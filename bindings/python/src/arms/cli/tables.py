"""How the commands print: tables for people, JSON for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Annotated, TypeAlias

import typer
from rich.console import Console
from rich.text import Text

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one line of JSON.")]

_BAR_WIDTH = 20
_UNBOUNDED = 1_000_000


def console() -> Console:
    """Return a console on the present standard output."""
    # Piped tables are as wide as they need be: a file has no width to wrap at.
    return Console(width=None if sys.stdout.isatty() else _UNBOUNDED, highlight=False)


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    print_json_text(json.dumps(value, ensure_ascii=False, allow_nan=False))


def print_json_text(text: str) -> None:
    """Print what is JSON already, in one line."""
    try:
        # A stream in memory takes any letter, and has no encoding.
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # Escaped, it is the same value; with letters replaced it would be another.
        text = json.dumps(json.loads(text))
    print(text)


def bar(confidence: float) -> Text:
    """Draw a confidence from 0 to 1 as a bar with its number."""
    filled = round(confidence * _BAR_WIDTH)
    colour = "green" if confidence > 0.5 else "yellow"
    return Text.assemble(
        f"{confidence:.3f} ", ("█" * filled, colour), ("░" * (_BAR_WIDTH - filled), "dim")
    )


def cost(dollars: float | None) -> str:
    """Write a cost in US dollars; nothing when unknown."""
    return "" if dollars is None else f"${dollars:.6g}"


def latency(milliseconds: float | None) -> str:
    """Write a latency in milliseconds; nothing when unknown."""
    return "" if milliseconds is None else f"{milliseconds:.6g} ms"


def known(records: Iterable[object], field: str) -> bool:
    """Say whether any of several records knows a field, so that its column is worth its room."""
    return any(getattr(record, field) is not None for record in records)
