"""Put the figures of dynamath.py into RESULTS.md, as tables."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from extension import RETRAINED
from few_shot import CHOOSING_BUDGETS

# The scripts of the default router, which write their card in the same way.
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "models"))

import document

Rows = list[list[str]]

TABLES, RESULTS = (Path(__file__).with_name(name) for name in ("tables.json", "RESULTS.md"))
BEGIN, END = "<!-- tables.json, by report.py -->\n", "<!-- end -->"


def table(head: list[str], rows: Rows) -> str:
    """Return a Markdown table of numbers."""
    return document.table(head, rows, rule="--:")


def signed(value: float, error: float | None = None) -> str:
    """Return a difference with its standard error."""
    return document.with_error(f"{value:+.2f}", error, digits=2)


def interval(values: list[float] | None) -> str:
    """Return a 95 % interval."""
    return "" if values is None else f"{values[0]:+.1f} to {values[1]:+.1f}"


def paired(routers: dict[str, Any], reference: str) -> str:
    """Return EM of all, and what the reference gains on each."""
    rows: Rows = []
    for name, row in sorted(routers.items(), key=lambda item: -item[1]["em"]):
        gain = routers[reference]["gain"].get(name)
        deviation = row["seed_deviation"]
        rows.append(
            [
                f"**{name}**" if name == reference else name,
                document.with_error(f"{row['em']:.2f}", row["error"], digits=2),
                "" if deviation is None else f"{deviation:.2f} ({row['seeds']})",
                " ".join(f"{value:.1f}" for value in row["splits"]),
                "" if gain is None else signed(gain["points"], gain["error"]),
                "" if gain is None else interval(gain["interval"]),
            ]
        )
    head = ["router", "EM", "deviation over seeds", "by split", f"{reference} gains", "95 %, groups"]
    return table(head, rows)


def left_out(part: dict[str, Any]) -> str:
    """Return EM by task that was left out."""
    rows: Rows = []
    for name, row in sorted(part["routers"].items(), key=lambda item: -item[1]["micro"]):
        rows.append(
            [
                name,
                *(f"{value:.1f}" for value in row["tasks"]),
                f"{row['macro']:.2f}",
                f"{row['micro']:.2f}",
                signed(row["gain"]),
                interval(row["interval"]),
            ]
        )
    return table(["router", *part["tasks"], "macro", "micro", "ARMS gains", "95 %, groups"], rows)


def few_shot(part: dict[str, Any]) -> str:
    """Return what k outcomes give, and the choice of strength."""
    rows: Rows = []
    for what, row in part["mean over models"].items():
        gain, error = row["log_loss_gain"]
        log_loss = [f"{row['log_loss']:.4f}", document.with_error(f"{gain:+.4f}", error, digits=4)]
        rows.append([what, f"{row['em']:.2f}", signed(*row["gain"]), *log_loss])
    given = table(["new candidate", "EM of the pool", "against k = 0", "its log-loss", "against k = 0"], rows)
    loss, em = part["choice of strength"]["log_loss"], part["choice of strength"]["em"]
    strengths = sorted({float(what.split("strength ")[1]) for what in loss if "strength" in what})
    rows = [
        [
            f"{s:g}",
            *(
                f"{loss[f'k = {k}, strength {s:g}']:.4f} / {em[f'k = {k}, strength {s:g}']:.2f}"
                for k in CHOOSING_BUDGETS
            ),
        ]
        for s in strengths
    ]
    head = ["strength", *(f"k = {k}" for k in CHOOSING_BUDGETS)]
    zero = f"k = 0: {loss['k = 0']:.4f} / {em['k = 0']:.2f}"
    chosen = f"Inside the training part, log-loss / EM ({zero}):\n\n{table(head, rows)}"
    return f"{given}\n\n{chosen}"


def calibrating(part: dict[str, Any]) -> str:
    """Return what each calibration gives, on the test part and inside the training part."""
    rows: Rows = [
        [
            name,
            f"{row['ece']:.4f}",
            f"{row['brier']:.4f}",
            f"{row['log_loss']:.4f}",
            f"{row['em']:.2f}",
            signed(row["gain"], row["gain_error"]),
            *(f"{part['held-out halves'][name][key]:.4f}" for key in ("log_loss", "brier")),
            f"{part['held-out halves'][name]['em']:.2f}",
        ]
        for name, row in part["test"].items()
    ]
    head = [
        "calibration",
        "ECE",
        "Brier",
        "log-loss",
        "EM",
        "EM against none",
        "log-loss, halves",
        "Brier, halves",
        "EM, halves",
    ]
    return table(head, rows)


def shares(values: dict[str, float]) -> str:
    """Return how many queries the free pool answers, by theta."""
    return table(
        ["cascade", "share of the free pool"], [[name, f"{share:.2f}"] for name, share in values.items()]
    )


def made(tables: dict[str, Any]) -> str:
    """Return all tables that there are."""
    makers = {
        "fixed_splits": lambda part: paired(part["routers"], "ARMS"),
        "left_out_task": left_out,
        "architectures": lambda part: paired(part["routers"], "recipe: concat, scaled head"),
        "image_tower": lambda part: paired(part["routers"], "patches, image tower trained"),
        "text_encoder": lambda part: paired(part["routers"], "recipe"),
        "extension": lambda part: "\n\n".join(
            [
                paired(part["strategies"], RETRAINED),
                shares(part["share of the free pool"]),
                "EM among the four old models:",
                paired(part["old pool"], "before"),
            ]
        ),
        "few_shot": few_shot,
        "calibrating": calibrating,
    }
    parts = [f"\n### {name}\n\n{make(tables[name])}\n" for name, make in makers.items() if name in tables]
    return "".join(parts)


def filled(text: str, tables: dict[str, Any]) -> str:
    """Return a document with its tables made anew."""
    return document.replaced(text, BEGIN, END, made(tables))


def update(figures: Path, results: Path) -> None:
    """Replace the tables of a document by those of the figures."""
    tables = json.loads(figures.read_text(encoding="utf-8"))
    results.write_text(filled(results.read_text(encoding="utf-8"), tables), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="?", type=Path, default=TABLES, help="tables.json if not given")
    parser.add_argument("results", nargs="?", type=Path, default=RESULTS, help="RESULTS.md if not given")
    arguments = parser.parse_args()
    try:
        update(arguments.tables, arguments.results)
    except OSError as error:
        parser.exit(1, f"report.py: {error}\n")
