"""Measure the default router's recipe on queries that it was not trained on, and write ``figures.json``.

usage: python held_out.py DATA TEXT [--seeds N] [--output FILE]

For each of the five splits: train and calibrate on the training groups alone, test on the others, beside
everything that a router should beat, fitted on the same groups and the same embeddings. Lambdas are chosen on the
training groups, by routers that had not seen the query. ``card.py`` makes the card's tables of the figures.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from document import standard_error
from recipe import Calibration, Data, Floats, logits, out_of_fold_logits, read, trained, untrained

import arms
from arms.convert import ConversionError, WeightType
from arms.evaluation import (
    Bootstrap,
    Outcomes,
    calibration,
    choose,
    compare,
    cost_quality_curve,
    lambda_for_cost,
    lambda_grid,
    mean_per_task,
    oracle,
    quality_neutral_cost,
    random_choice,
    routed,
    single_model,
    strongest_model,
)
from arms.evaluation.baselines import default_baselines, fit_predict

ROUTER = "default router"
SINGLE = "best single model"


@dataclass
class Measured:
    """What all splits and seeds gave.

    Parameters
    ----------
    correct
        By name of the router, one array a run: 1 where it chose a model that was right.
    groups
        Of the queries of each run.
    rows
        Other figures, one object a run.
    """

    correct: dict[str, list[Floats]] = field(default_factory=dict)
    groups: list[Any] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)


def embeddings(model: Path, outcomes: Outcomes) -> Floats:
    """Return the unit sentence embeddings that the router's own text encoder makes."""
    texts, rows = np.unique(np.array(outcomes.questions), return_inverse=True)
    with arms.Router(model) as router:
        vectors = np.stack([router.encode_question(str(text)).embedding for text in texts]).astype(np.float64)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True))[rows]


def without_quantisation(quantised: arms.Trainer, start: Path, output: Path) -> Path:
    """Write what a trainer has learned into a router whose encoder is in float32."""
    with arms.Router(start) as router:
        twin = arms.Trainer(router)
    twin.parameters[:] = quantised.parameters
    twin.save(output)
    return output


def cheapest_as_good(scores: Floats, training: Outcomes, strongest: int) -> float:
    """Return the largest lambda at which the training queries are answered as well as by the strongest model."""
    curve = cost_quality_curve(training, scores, lambda_grid(training.prices)[:-1])
    good = curve.accuracy >= training.labels[:, strongest].mean()
    return float(curve.lambdas[np.where(good, curve.cost, np.inf).argmin()]) if good.any() else 0.0


def cost_quality(
    confidences: Floats, tested: Outcomes, known: Floats, training: Outcomes, strongest: int
) -> dict[str, Any]:
    """Measure what money buys, at lambdas that were chosen on the training queries."""
    price = float(tested.costs[:, strongest].mean())
    single = float(tested.labels[:, strongest].mean())

    def at(lambda_: float) -> dict[str, float]:
        result = routed(tested, choose(confidences, training.prices, lambda_=lambda_))
        em = float(result.correct.mean())
        cost = float(result.cost.mean()) / price
        return {"lambda": lambda_, "em": em, "cost": cost, "gain": em - single}

    curve = cost_quality_curve(tested, confidences, prices=training.prices)
    return {
        "strongest": tested.models[strongest],
        "best answers": at(0.0),
        "as good in training": at(cheapest_as_good(known, training, strongest)),
        "half the cost in training": at(lambda_for_cost(known, training.prices, price / 2)),
        "qnc": quality_neutral_cost(curve.cost, curve.accuracy, single, price),
    }


def measure(
    starts: dict[str, Path],
    split: tuple[Outcomes, Outcomes],
    strongest: int,
    seed: int,
    measured: Measured,
) -> None:
    """Train on one split with one seed, and add what it reaches."""
    training, tested = split
    start = starts["int8"]
    known = out_of_fold_logits(start, training, seed)
    fitted = Calibration.fit(known, training.labels)
    with tempfile.TemporaryDirectory() as folder:
        trainer = trained(start, training, seed)
        int8, float32 = Path(folder) / "int8.gguf", Path(folder) / "float32.gguf"
        trainer.save(int8)
        without_quantisation(trainer, starts["f32"], float32)
        raw, exact = logits(int8, tested), fitted.confidences(logits(float32, tested))
        fitted.write(int8)
    confidences = fitted.confidences(raw)

    scores = fit_predict(
        default_baselines(seed), training, embeddings(start, training), embeddings(start, tested)
    )
    scores["mean per task"] = mean_per_task(training, tested)
    scores |= {ROUTER: confidences, f"{ROUTER}, not calibrated": raw, f"{ROUTER}, float32": exact}
    prices = training.prices
    results = {name: routed(tested, choose(values, prices)) for name, values in scores.items()}
    results |= {
        SINGLE: single_model(tested, strongest),
        "oracle": oracle(tested),
        "random": random_choice(tested),
    }
    for name, result in results.items():
        measured.correct.setdefault(name, []).append(result.correct)
    measured.groups.append(tested.groups)

    bootstrap = Bootstrap(tested.groups)

    def calibrated(values: Floats) -> dict[str, float | None]:
        of = calibration(values, tested.labels, bootstrap)
        return {"ece": of.ece.value, "brier": of.brier.value}

    measured.rows.append(
        {
            "queries": len(tested),
            "groups": bootstrap.group_count,
            "em": {name: float(result.correct.mean()) for name, result in results.items()},
            "calibration": {
                ROUTER: calibrated(confidences),
                f"{ROUTER}, not calibrated": calibrated(1 / (1 + np.exp(-raw))),
                **{name: calibrated(scores[name].clip(0, 1)) for name in ("kNN (k=200)", "logistic (C=0.1)")},
            },
            "cost": cost_quality(confidences, tested, fitted.confidences(known), training, strongest),
            "int8": {
                "same decision": float((confidences.argmax(axis=1) == exact.argmax(axis=1)).mean()),
                "em gain": float(
                    results[ROUTER].correct.mean() - results[f"{ROUTER}, float32"].correct.mean()
                ),
            },
        }
    )


def summary(measured: Measured, seeds: int) -> dict[str, Any]:
    """Compare the router with each of the others, paired, over all splits."""
    splits = len(measured.rows) // seeds
    # A query's mean over the seeds: the training's chance is no new query.
    mean = {
        name: np.concatenate([np.mean(runs[place::splits], axis=0) for place in range(splits)])
        for name, runs in measured.correct.items()
    }
    bootstrap = Bootstrap(np.concatenate(measured.groups[:splits]))
    ems = {name: np.array([row["em"][name] for row in measured.rows]).reshape(seeds, splits) for name in mean}
    table = {}
    for name, correct in mean.items():
        em, gains = ems[name], (ems[ROUTER] - ems[name]).mean(axis=0)
        paired = compare((ROUTER, mean[ROUTER]), (name, correct), bootstrap)
        table[name] = {
            "em": em.mean(),
            "error over splits": standard_error(em.mean(axis=0)),
            "gain": gains.mean(),
            "gain error over splits": standard_error(gains),
            "gain interval": None if paired.interval is None else [paired.interval.low, paired.interval.high],
            "deviation over seeds": float(em.mean(axis=1).std(ddof=1)) if seeds > 1 else None,
        }
    return table


def main(folder: Path, text: Path, seeds: int, output: Path) -> None:
    """Measure all splits, and write the figures."""
    data: Data = read(folder)
    # Over all queries, in hindsight: two models are level on the training groups of one split.
    strongest = strongest_model(data.outcomes)
    measured, began = Measured(), time.monotonic()
    with tempfile.TemporaryDirectory() as work:
        for seed in range(seeds):
            starts = {
                name: untrained(
                    text, data.candidates, Path(work) / f"{name}-{seed}.gguf", WeightType(name), seed
                )
                for name in ("int8", "f32")
            }
            for place, split in enumerate(data.splits()):
                measure(starts, split, strongest, seed, measured)
                row = measured.rows[-1]
                seconds = time.monotonic() - began
                print(f"{seconds:.0f} s, seed {seed}, split {place}:", json.dumps(row["em"]), flush=True)
            figures = {"seeds": seed + 1, "runs": measured.rows, "routers": summary(measured, seed + 1)}
            output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with m2.jsonl.gz, splits.json and candidates.json")
    parser.add_argument("text", type=Path, help="folder of the MiniLM-L6 checkpoint")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("figures.json"))
    arguments = parser.parse_args()
    try:
        main(arguments.data, arguments.text, arguments.seeds, arguments.output)
    except (arms.ArmsError, ConversionError, OSError) as error:
        parser.exit(1, f"held_out.py: {error}\n")
