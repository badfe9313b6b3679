"""A new candidate with k outcomes: its own weights alone are fitted, in a router that never saw it.

Each model in turn is the new one. The default `strength` is chosen by routers that were trained on four fifths of the
training groups, with outcomes of these, and measured on the last fifth: no test group has a say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from bench import BUDGETS, Bench
from paired import standard_error

import arms
from arms.evaluation.outcomes import Booleans, Floats

STRENGTHS = (2.0, 8.0, 32.0, 128.0)
DEFAULT_STRENGTH = 8.0
CHOOSING_BUDGETS = BUDGETS[:-1]
CHOOSING_SPLITS = (0,)
MEASURED_SPLITS = (0,)


def run(bench: Bench) -> dict[str, Any]:
    """Measure: EM of the pool and log-loss of the new candidate, by k."""
    chosen = _choose(bench)
    strengths = sorted({DEFAULT_STRENGTH, chosen["best"]})
    rows: dict[str, list[tuple[float, float]]] = {}
    by_model: dict[str, dict[str, list[float]]] = {}
    for place in MEASURED_SPLITS:
        test = bench.tests[place]
        with bench.train(~test) as full:
            logits = bench.logits(full)
        for column, name in enumerate(bench.names):
            wanted = _measured(bench, logits, test, column)
            rows.setdefault("full retraining", []).append(wanted)
            found = _fits(bench, ~test, test, name, strengths)
            for what, value in found.items():
                rows.setdefault(what, []).append(value)
            for what, value in {**found, "full retraining": wanted}.items():
                by_model.setdefault(name, {}).setdefault(what, []).append(value[0])
            print(
                place,
                name,
                {what: tuple(np.round(value, 3)) for what, value in found.items()},
                wanted,
                flush=True,
            )
        bench.forget()
    return {
        "choice of strength": chosen,
        "splits": len(MEASURED_SPLITS),
        "mean over models": {
            what: {
                "em": round(100 * float(np.mean([value[0] for value in values])), 2),
                "log_loss": round(float(np.mean([value[1] for value in values])), 4),
                "gain": _paired(values, rows["k = 0"], 0, 100),
                "log_loss_gain": _paired(values, rows["k = 0"], 1, 1),
            }
            for what, values in rows.items()
        },
        "em by model": {
            name: {what: round(100 * float(np.mean(v)), 1) for what, v in values.items()}
            for name, values in by_model.items()
        },
    }


def _paired(
    values: list[tuple[float, float]], others: list[tuple[float, float]], which: int, scale: float
) -> list[float | None]:
    """Return the mean difference, and its standard error over models and splits."""
    differences = scale * np.array([a[which] - b[which] for a, b in zip(values, others, strict=True)])
    error = standard_error(differences)
    return [round(float(differences.mean()), 4), None if error is None else round(error, 4)]


def _choose(bench: Bench) -> dict[str, Any]:
    """Find the strength of the lowest log-loss, over all models and k."""
    losses: dict[str, list[float]] = {}
    exact: dict[str, list[float]] = {}
    for place in CHOOSING_SPLITS:
        training = ~bench.tests[place]
        held_out = bench.folds(training, 5, seed=place)[0]
        known = training & ~held_out
        for name in bench.names:
            for what, (em, loss) in _fits(bench, known, held_out, name, STRENGTHS, CHOOSING_BUDGETS).items():
                losses.setdefault(what, []).append(loss)
                exact.setdefault(what, []).append(em)
        bench.forget()
    mean = {what: float(np.mean(values)) for what, values in losses.items()}
    total = {s: sum(mean[_named(k, s)] for k in CHOOSING_BUDGETS) for s in STRENGTHS}
    best = min(total, key=lambda strength: total[strength])
    print("strengths:", {s: round(v / len(CHOOSING_BUDGETS), 4) for s, v in total.items()}, flush=True)
    return {
        "best": best,
        "log_loss": {what: round(value, 4) for what, value in mean.items()},
        "em": {what: round(100 * float(np.mean(values)), 2) for what, values in exact.items()},
    }


def _named(budget: int, strength: float) -> str:
    return f"k = {budget}, strength {strength:g}"


def _fits(
    bench: Bench,
    training: Booleans,
    measured: Booleans,
    name: str,
    strengths: Sequence[float],
    budgets: Sequence[int] = BUDGETS,
) -> dict[str, tuple[float, float]]:
    """Train without a model, then fit it on more and more outcomes; the larger draws hold the smaller ones."""
    column = bench.names.index(name)
    others = tuple(other for other in bench.names if other != name)
    drawn = np.random.default_rng(column).permutation(np.flatnonzero(training))
    found: dict[str, tuple[float, float]] = {}
    with bench.train(training, names=others) as router:
        router.candidates.add([one for one in bench.candidates if one.name == name])
        found["k = 0"] = _measured(bench, bench.logits(router), measured, column)
        for budget in budgets:
            part = bench.outcomes.select(drawn[:budget])
            data = arms.DataSet()
            data.add_table(part.images, part.questions, [name], part.labels[:, [column]])
            for strength in strengths:
                router.fit(name, data, strength=strength)
                found[_named(budget, strength)] = _measured(bench, bench.logits(router), measured, column)
    return found


def _measured(bench: Bench, logits: Floats, queries: Booleans, column: int) -> tuple[float, float]:
    """Return EM of the pool, and the log-loss of a candidate."""
    values, labels = logits[queries, column], bench.labels[queries, column]
    loss = np.logaddexp(0, values) - values * labels
    return float(bench.correct(logits)[queries].mean()), float(loss.mean())
