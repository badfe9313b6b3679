"""What calibration does to confidences, and to the choice.

A router is trained on four fifths of the training groups and calibrated on the last fifth. What `strength` to choose
is told on that fifth alone: calibrated on one half of its groups, measured on the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from bench import Bench
from paired import standard_error

import arms
from arms.evaluation.calibration import expected_calibration_error
from arms.evaluation.outcomes import Booleans, Floats

STRENGTHS = (4.0, 16.0, 64.0, 256.0, 1e6)
Way = Callable[[Bench, arms.Router, Booleans], None]


def run(bench: Bench) -> dict[str, Any]:
    """Measure ECE, Brier score, log-loss and EM of each way, and what each strength would have given."""
    ways: dict[str, Way] = {"none": _nothing}
    ways |= {f"strength {strength:g}": partial(_each, strength) for strength in STRENGTHS}
    ways["one temperature, a bias each"] = _shared
    found: dict[str, list[list[float]]] = {}
    chosen: dict[str, list[list[float]]] = {}
    path = bench.work / "to-calibrate.gguf"
    for place, test in enumerate(bench.tests):
        held_out = bench.folds(~test, 5, seed=place)[0]
        halves = bench.folds(held_out, 2, seed=place)
        with bench.train(~test & ~held_out) as router:
            router.save(path)
        for name, way in ways.items():
            found.setdefault(name, []).append(_applied(bench, way, path, held_out, test))
            crossed = [_applied(bench, way, path, a, b) for a, b in (halves, halves[::-1])]
            chosen.setdefault(name, []).append(np.mean(crossed, axis=0).tolist())
        bench.forget()
        print(place, {name: np.round(runs[-1], 4).tolist() for name, runs in found.items()}, flush=True)
    return {"test": _table(found), "held-out halves": _table(chosen)}


def _nothing(bench: Bench, router: arms.Router, queries: Booleans) -> None:
    """Leave the confidences as they are."""


def _each(strength: float, bench: Bench, router: arms.Router, queries: Booleans) -> None:
    """Calibrate as the library does."""
    router.calibrate(bench.data(queries), strength=strength)


def _shared(bench: Bench, router: arms.Router, queries: Booleans) -> None:
    """Fit one temperature for all candidates and a bias each, by maximum likelihood (Newton's method)."""
    logits, labels = bench.logits(router)[queries], bench.labels[queries]
    count = logits.shape[1]
    slope, biases = 1.0, np.zeros(count)
    for _ in range(30):
        p = 1 / (1 + np.exp(-(slope * logits + biases)))
        w, r = p * (1 - p), p - labels
        gradient = np.array([(r * logits).sum(), *r.sum(axis=0)])
        hessian = np.diag([(w * logits**2).sum(), *(w.sum(axis=0) + 1e-6)])
        hessian[0, 1:] = hessian[1:, 0] = (w * logits).sum(axis=0)
        step = np.linalg.solve(hessian, gradient)
        slope, biases = slope - step[0], biases - step[1:]
    infos = zip(router.candidates.list(), biases, strict=True)
    router.candidates.update_all(
        replace(info, temperature=1 / slope, bias=float(bias)) for info, bias in infos
    )


def _applied(bench: Bench, way: Way, path: Any, known: Booleans, measured: Booleans) -> list[float]:
    """Return ECE, Brier score, log-loss and EM of the confidences."""
    with arms.Router(path, threads=1) as router:
        way(bench, router, known)
        c = bench.confidences(router)
    p, y = c[measured], bench.labels[measured]
    clipped = p.clip(1e-6, 1 - 1e-6)
    loss = -(y * np.log(clipped) + (1 - y) * np.log(1 - clipped)).mean()
    em = bench.correct(c)[measured].mean()
    return [expected_calibration_error(p, y), float(((p - y) ** 2).mean()), float(loss), float(em)]


def _table(found: dict[str, list[list[float]]]) -> dict[str, Any]:
    none = np.array(found["none"])
    table = {}
    for name, runs in found.items():
        values: Floats = np.array(runs)
        gain = 100 * (values[:, 3] - none[:, 3])
        error = standard_error(gain)
        ece, brier, loss, em = values.mean(axis=0)
        table[name] = {
            "ece": round(float(ece), 4),
            "brier": round(float(brier), 4),
            "log_loss": round(float(loss), 4),
            "em": round(100 * float(em), 2),
            "gain": round(float(gain.mean()), 2),
            "gain_error": None if error is None else round(error, 2),
        }
    return table
