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
from statistics import mean
from typing import Any

from document import replaced, standard_error, table, with_error
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


def by_split(evaluations: list[dict[str, Any]]) -> str:
    """Return the EM of every router on every split, in percent, best in the mean first."""
    found: dict[str, list[float]] = {}
    for one in evaluations:
        for router in one["all"]["routers"]:
            name = "**ARMS**" if router["kind"] == "router" else router["name"]
            if router["kind"] == "reference":
                # The strongest model may be another on another split.
                name = name.split(" (")[0]
            found.setdefault(name, []).append(100 * router["em"]["value"])
    rows = []
    for name, ems in sorted(found.items(), key=lambda item: -mean(item[1])):
        em = with_error(f"{mean(ems):.1f}", standard_error(ems), digits=1)
        rows.append([name, em, *(f"{em:.1f}" for em in ems)])
    return table(["router", "EM", *(f"split {number}" for number in range(len(evaluations)))], rows)


def main(data: Path, text: Path, threads: int) -> None:
    """Measure all splits and rewrite the card's part."""
    splits = json.loads((data / "splits.json").read_text())["test_groups"]
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        fresh = work / "fresh.gguf"
        arms("convert", "--text", text, "--type", "int8", "-o", fresh, *HEAD)
        evaluations = []
        for number, groups in enumerate(splits):
            evaluations.append(evaluation(work, data, fresh, groups, threads))
            print(f"split {number}: {evaluations[-1]['verdict']['sentence']}", flush=True)
    card = CARD.read_text(encoding="utf-8")
    CARD.write_text(replaced(card, BEGIN, END, f"\n{by_split(evaluations)}\n"), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with m2.jsonl.gz, splits.json and candidates.json")
    parser.add_argument("text", type=Path, help="folder of the MiniLM-L6 checkpoint")
    parser.add_argument(
        "--threads", type=int, default=0, help="of each command; 0: as many as it takes itself"
    )
    arguments = parser.parse_args()
    try:
        main(arguments.data, arguments.text, arguments.threads)
    except (subprocess.CalledProcessError, OSError, ValueError) as error:
        parser.exit(1, f"by_commands.py: {error}\n")
