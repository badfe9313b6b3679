"""Reproduce the tables of RESULTS.md.

usage: python dynamath.py DATA --checkpoint MINILM [-o FILE] [--parts NAME ...] [--seeds N] [--splits N]

Each part's figures replace those in the output file, and the others stay. ``report.py`` makes the tables of
RESULTS.md of tables.json, and is called in the end.
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
import time
from pathlib import Path

import report
from bench import Bench

import arms
from arms.convert import ConversionError

PARTS = (
    "fixed_splits",
    "extension",
    "few_shot",
    "left_out_task",
    "architectures",
    "image_tower",
    "calibrating",
    "text_encoder",
)


def main(bench: Bench, parts: list[str], output: Path) -> None:
    """Run parts, and write what they gave after each."""
    for name in parts:
        began = time.monotonic()
        figures = importlib.import_module(name).run(bench)
        figures["seconds"] = round(time.monotonic() - began)
        # Read again each time: another process may have added its part.
        tables = json.loads(output.read_text(encoding="utf-8")) if output.exists() else {}
        tables[name] = figures
        output.write_text(json.dumps(dict(sorted(tables.items())), indent=1) + "\n")
        print(f"{name}: {figures['seconds']} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with m2.jsonl.gz, splits.json and candidates.json")
    parser.add_argument("--checkpoint", type=Path, required=True, help="folder of the MiniLM-L6 checkpoint")
    parser.add_argument("-o", "--output", type=Path, default=report.TABLES)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seeds", type=int, default=3, help="few_shot, calibrating, text_encoder have one")
    parser.add_argument("--splits", type=int, default=5, help="the first so many; few_shot has one")
    arguments = parser.parse_args()
    if min(arguments.seeds, arguments.splits) < 1:
        parser.error("--seeds and --splits must be at least 1")
    try:
        with tempfile.TemporaryDirectory() as work:
            bench = Bench(arguments.data, arguments.checkpoint, Path(work), arguments.seeds, arguments.splits)
            main(bench, list(arguments.parts), arguments.output)
        if arguments.output == report.TABLES:
            report.update(arguments.output, report.RESULTS)
    except (arms.ArmsError, ConversionError, OSError) as error:
        parser.exit(1, f"dynamath.py: {error}\n")
