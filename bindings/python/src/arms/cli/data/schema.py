"""``arms data schema``."""

from __future__ import annotations

from typing import Any

import typer
from rich.table import Table
from rich.text import Text

from arms.cli.data.options import SCHEMA, need_packages
from arms.cli.tables import Json, console, print_json


def show_schema(json: Json = False) -> None:
    """Show the fields of a record; with --json, as a JSON Schema.

    A file has a record a line (JSON Lines) or a row (Parquet). Fields that
    are not required may be null or absent.

      arms data schema
    """
    need_packages(SCHEMA)
    from arms.data import Record

    schema = Record.model_json_schema()
    if json:
        print_json(schema)
        return
    table = Table(box=None, pad_edge=False)
    for column in ("field", "type", "meaning"):
        table.add_column(column)
    for name, field in schema["properties"].items():
        required = name in schema["required"]
        table.add_row(
            Text(f"{name} (required)" if required else name, style="bold" if required else ""),
            _type(field),
            Text(field["description"]),
        )
    console().print(table)


def _type(field: dict[str, Any]) -> str:
    choices = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
    names = [
        " or ".join(map(str, one["enum"]))
        if "enum" in one
        else f"list of {one['items']['type']}s"
        if one["type"] == "array"
        else str(one["type"])
        for one in choices
    ]
    return " or ".join(names)


def register(group: typer.Typer) -> None:
    """Add the command to the group."""
    group.command("schema")(show_schema)
