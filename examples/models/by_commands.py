"""Train and measure the recipe on the five splits by the command line alone, and put the table into the card.

usage: python by_commands.py DATA TEXT [--threads N]

For each split of ``splits.json``: ``arms train`` without its test groups, ``arms evaluate`` on them, beside every
baseline that the command fits. Nothing is calibrated, which moves the choice by 0.15 points. Takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from recipe import described

CARD = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- by_commands.py -->\n", "<!-- end of by_commands.py -->"
ARMS = Path(sys.executable).with_name("arms")
HEAD = (
    *("--fusion", "concat", "--experts", "4", "--attention-heads", "1", "--attention-width", "8"),
    *("--feed-forward", "64", "--expert-output", "32", "--shared-width", "32"),
)
RECIPE = (
    *("--validation", "0", "--epochs", "40", "--batch-size", "1003", "--learning-rate", "3e-3"),
    *("--schedule", "cosine", "--weight-decay", "3", "--routing-weight", "2"),
    *("--teacher-weight", "0.7", "--base-rates", "--type", "int8"),
)


def arms(*arguments: object) -> str:
    """Run a command and return what it prints."""
    command = [str(ARMS), *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def evaluation(work: Path, data: Path, fresh: Path, groups: list[str], threads: int) -> dict[str, Any]:
    """Return what ``arms evaluate`` says of a router that was trained without these groups."""
    records, held_out, trained = data / "m2.jsonl.gz", work / "groups.txt", work / "split.gguf"
    held_out.write_text("\n".join(groups) + "\n")
    split = ("--held-out", held_out, "--threads", threads)
    arms("train", fresh, records, "-o", trained, "--candidates", described(data), *split, *RECIPE)
    measured: dict[str, Any] = json.loads(arms("evaluate", trained, records, *split, "--json"))
    return measured


def table(evaluations: list[dict[str, Any]]) -> str:
    """Return the EM of every router on every split, in percent, best in the mean first."""
    found: dict[str, list[float]] = {}
    for one in evaluations:
        for router in one["all"]["routers"]:
            name = "**ARMS**" if router["kind"] == "router" else router["name"]
            if router["kind"] == "reference":
                # The strongest model may be another on another split.
                name = name.split(" (")[0]
            found.setdefault(name, []).append(100 * router["em"]["value"])
    splits = range(len(evaluations))
    lines = [
        "| router | EM | " + " | ".join(f"split {number}" for number in splits) + " |",
        "| --- | --- | " + " | ".join("---" for _ in splits) + " |",
    ]
    for name, ems in sorted(found.items(), key=lambda item: -mean(item[1])):
        error = stdev(ems) / len(ems) ** 0.5
        each = " | ".join(f"{em:.1f}" for em in ems)
        lines.append(f"| {name} | {mean(ems):.1f} ± {error:.1f} | {each} |")
    return "\n".join(lines)


def main() -> None:
    """Measure all splits and rewrite the card's part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    splits = json.loads((options.data / "splits.json").read_text())["test_groups"]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        fresh = work / "fresh.gguf"
        arms("convert", "--text", options.text, "--type", "int8", "-o", fresh, *HEAD)
        evaluations = []
        for number, groups in enumerate(splits):
            evaluations.append(evaluation(work, options.data, fresh, groups, options.threads))
            print(f"split {number}: {evaluations[-1]['verdict']['sentence']}", flush=True)
    before, rest = CARD.read_text().split(BEGIN)
    after = rest.split(END)[1]
    CARD.write_text(f"{before}{BEGIN}\n{table(evaluations)}\n{END}{after}")


if __name__ == "__main__":
    main()
