"""Put the figures of dynamath.py into RESULTS.md, as tables.

usage: python report.py [tables.json [RESULTS.md]]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from few_shot import CHOOSING_BUDGETS

Rows = list[list[str]]

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- tables.json, by report.py -->\n", "<!-- end -->"


def table(head: list[str], rows: Rows) -> str:
    """Return a Markdown table."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def signed(value: float, error: float | None = None) -> str:
    """Return a difference with its standard error."""
    return f"{value:+.2f}" + ("" if error is None else f" ± {error:.2f}")


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
                f"{row['em']:.2f} ± {row['error']:.2f}",
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
        figures = [f"{value:.1f}" for value in (*row["tasks"],)]
        rows.append(
            [
                name,
                *figures,
                f"{row['macro']:.2f}",
                f"{row['micro']:.2f}",
                signed(row["gain"]),
                interval(row["interval"]),
            ]
        )
    return table(["router", *part["tasks"], "macro", "micro", "ARMS gains", "95 %, groups"], rows)


def few_shot(part: dict[str, Any]) -> str:
    """Return what k outcomes give, and the choice of strength."""
    rows: Rows = [
        [
            what,
            f"{row['em']:.2f}",
            signed(*row["gain"]),
            f"{row['log_loss']:.4f}",
            "{:+.4f} ± {:.4f}".format(*row["log_loss_gain"]),
        ]
        for what, row in part["mean over models"].items()
    ]
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
    from extension import RETRAINED

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


def update(figures: Path, document: Path) -> None:
    """Replace the tables of a document by those of the figures."""
    text = document.read_text()
    before, rest = text.split(BEGIN, 1)
    _old, after = rest.split(END, 1)
    document.write_text(before + BEGIN + made(json.loads(figures.read_text())) + END + after)


if __name__ == "__main__":
    given = [Path(path) for path in sys.argv[1:]]
    update(*given, *(FOLDER / name for name in ("tables.json", "RESULTS.md")[len(given) :]))
