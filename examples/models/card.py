"""Put the tables of ``figures.json`` into the model card: ``python examples/models/card.py``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from document import replaced, table, with_error

FOLDER = Path(__file__).parent
BEGIN, END = "<!-- figures.json, by card.py -->\n", "<!-- end -->"

ROUTER = "default router"
ROUTERS = (
    ROUTER,
    "best single model",
    "mean per task",
    "kNN (k=10)",
    "kNN (k=50)",
    "kNN (k=200)",
    "logistic (C=0.1)",
    "MLP (128)",
    "random",
    "oracle",
    f"{ROUTER}, not calibrated",
    f"{ROUTER}, float32",
)


def tables(figures: dict[str, Any]) -> str:
    """Return the card's tables."""
    runs, seeds = figures["runs"], figures["seeds"]
    trainings = f"{len(runs)} trainings ({seeds} seeds, {len(runs) // seeds} splits)"
    parts = [
        (f"**Exact match**, in percent; {trainings}", exact_match(figures)),
        ("**Exact match of each split**, in percent, mean of the seeds", by_split(figures)),
        ("**Confidences**, over all pairs of query and model", confidences(runs)),
        ("**Cost and quality**, at lambdas chosen on the training groups", cost_quality(figures)),
        ("**int8 against float32**, the same trained head", quantisation(runs)),
    ]
    return "\n".join(f"\n{title}:\n\n{part}" for title, part in parts) + "\n"


def exact_match(figures: dict[str, Any]) -> str:
    """Compare the router with each of the others."""
    rows = []
    for name in ROUTERS:
        of = figures["routers"][name]
        own = name == ROUTER
        rows.append(
            [
                f"**{name}**" if own else name,
                _with_error(_percent(of["em"]), of["error over splits"]),
                "" if own else _with_error(f"{100 * of['gain']:+.2f}", of["gain error over splits"]),
                "" if own else "{:+.1f} to {:+.1f}".format(*(100 * end for end in of["gain interval"])),
            ]
        )
    return table(["router", "EM", "default router's gain, paired over splits", "95 %, over groups"], rows)


def by_split(figures: dict[str, Any]) -> str:
    """List the routers that matter, a column a split."""
    splits = len(figures["runs"]) // figures["seeds"]
    rows = [
        [
            name,
            *(
                _percent(mean(run["em"][name] for run in figures["runs"][place::splits]))
                for place in range(splits)
            ),
        ]
        for name in (ROUTER, "best single model", "kNN (k=200)", "logistic (C=0.1)", "oracle")
    ]
    return table(["router", *(f"split {place}" for place in range(splits))], rows)


def confidences(runs: Sequence[dict[str, Any]]) -> str:
    """List calibration errors."""
    names = runs[0]["calibration"]
    rows = [
        [name, *(f"{mean(run['calibration'][name][key] for run in runs):.4f}" for key in ("ece", "brier"))]
        for name in names
    ]
    return table(["router", "ECE", "Brier score"], rows)


def cost_quality(figures: dict[str, Any]) -> str:
    """List what each split's router gains and costs, compared with the single model that is best in hindsight."""
    splits = len(figures["runs"]) // figures["seeds"]
    rows = []
    for place in range(splits):
        costs = [run["cost"] for run in figures["runs"][place::splits]]
        rows.append(
            [
                f"{place}",
                costs[0]["strongest"],
                *(_point(cost[key] for cost in costs) for key in POINTS),
                f"{mean(cost['qnc'] for cost in costs):.2f}",
            ]
        )
    every = [run["cost"] for run in figures["runs"]]
    rows.append(
        [
            "mean",
            "",
            *(_point(cost[key] for cost in every) for key in POINTS),
            f"{mean(c['qnc'] for c in every):.2f}",
        ]
    )
    return table(["split", "compared with", *POINTS, "QNC"], rows)


POINTS = ("best answers", "as good in training", "half the cost in training")


def _point(points: Iterable[dict[str, float]]) -> str:
    listed = [*points]
    gain, cost = mean(point["gain"] for point in listed), mean(point["cost"] for point in listed)
    return f"{100 * gain:+.1f} at {cost:.2f}"


def quantisation(runs: Sequence[dict[str, Any]]) -> str:
    """List what int8 changes."""
    same = [run["int8"]["same decision"] for run in runs]
    gains = [100 * run["int8"]["em gain"] for run in runs]
    return table(
        ["", "mean", "the training that differs most"],
        [
            ["same decision", f"{100 * mean(same):.1f} %", f"{100 * min(same):.1f} %"],
            ["EM", f"{mean(gains):+.2f} points", f"{max(gains, key=abs):+.2f} points"],
        ],
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _with_error(value: str, error: float | None) -> str:
    return with_error(value, None if error is None else 100 * error, digits=1)


def filled(card: str, figures: dict[str, Any]) -> str:
    """Return the card with its tables made anew."""
    return replaced(card, BEGIN, END, tables(figures))


if __name__ == "__main__":
    card = FOLDER / "README.md"
    figures = json.loads((FOLDER / "figures.json").read_text(encoding="utf-8"))
    card.write_text(filled(card.read_text(encoding="utf-8"), figures), encoding="utf-8")
