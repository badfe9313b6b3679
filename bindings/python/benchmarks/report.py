"""Prints rows as they come, and writes them as Markdown or JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.comparison import Row

_HEADINGS: Final = (
    "work",
    "ARMS",
    "against",
    "ARMS",
    "peer",
    "ratio",
    "of least",
    "of CPU time",
    "bar",
    "goal",
)


def heading() -> str:
    """Return the first two lines of the table."""
    return "| " + " | ".join(_HEADINGS) + " |\n|" + "---|" * len(_HEADINGS)


def line(row: Row) -> str:
    """Return a row of the table; a ratio within its bar is bold."""
    ratio = f"{row.ratio:.3f}"
    if row.bar is not None:
        ratio = f"**{ratio}**" if row.ratio <= row.bar else f"{ratio} (missed)"
    cells = (
        row.work,
        row.ours,
        row.peer,
        f"{_rounded(row.our_median)} {row.unit}",
        f"{_rounded(row.peer_median)} {row.unit}",
        ratio,
        *("" if value is None else f"{value:.3f}" for value in (row.least_ratio, row.cpu_ratio)),
        *("" if value is None else f"{value:.2f}" for value in (row.bar, row.goal)),
    )
    return "| " + " | ".join(cells) + " |"


def _rounded(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"


def machine() -> dict[str, str]:
    """Say where the rows were measured."""
    cpu = "unknown"
    for entry in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = entry.partition(":")
        if name.strip() in ("model name", "CPU part"):
            cpu = value.strip()
            break
    return {
        "CPU": f"{cpu}, {len(os.sched_getaffinity(0))} cores usable",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "load average": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def as_json(rows: Sequence[Row], versions: Mapping[str, str]) -> str:
    """Return everything as one JSON object."""
    content = {
        "machine": machine(),
        "versions": dict(versions),
        "rows": [asdict(row) for row in rows],
    }
    return json.dumps(content, indent=2)
