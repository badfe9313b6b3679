"""The paper's setting: a pool of four free models, extended by three paid ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bench import RECIPE, Bench, Settings
from paired import Correct, add, paired_table, tell

import arms
from arms.evaluation import cascade_choices
from arms.evaluation.outcomes import Booleans

THETAS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
FURTHER: Settings = {**RECIPE, "epochs": RECIPE["epochs"] // 2}
"""Incremental training begins from what is learned already: half the epochs."""

WAYS: dict[str, dict[str, Any]] = {
    "incremental": {},
    "incremental, replay": {"replay": True},
    "incremental, distillation": {"distillation": 1.0},
    "incremental, replay and distillation": {"replay": True, "distillation": 1.0},
}
RETRAINED = "retrained on all seven"


@dataclass
class Found:
    """What all splits and seeds gave.

    Parameters
    ----------
    correct
        Choosing among all seven models.
    old
        Choosing among the old models alone.
    shares
        By theta, the shares of queries that the first pool answers.
    """

    correct: Correct = field(default_factory=dict)
    old: Correct = field(default_factory=dict)
    shares: dict[str, list[float]] = field(default_factory=dict)


def run(bench: Bench) -> dict[str, Any]:
    """Measure; EM is over the seven models, and over the four old ones to see what is forgotten."""
    free, paid = bench.pool("free4"), bench.pool("paid3")
    found = Found()
    for place, test in enumerate(bench.tests):
        for seed in range(bench.seeds):
            _measure(bench, free, paid, test, seed, found)
        bench.forget()
        tell(f"split {place}", found.correct, test)
    groups = bench.outcomes.groups
    return {
        "strategies": paired_table(found.correct, bench.tests, groups),
        "old pool": paired_table(found.old, bench.tests, groups),
        "share of the free pool": {name: round(float(np.mean(v)), 3) for name, v in found.shares.items()},
    }


def _measure(
    bench: Bench, free: tuple[str, ...], paid: tuple[str, ...], test: Booleans, seed: int, found: Found
) -> None:
    seven = (*free, *paid)
    means = bench.labels[~test].mean(axis=0)[bench.columns(seven)]
    best = bench.columns([seven[int(means.argmax())]])[0]
    add(found.correct, "best single of the seven", seed, bench.labels[:, best])
    add(found.correct, "oracle of the seven", seed, bench.labels[:, bench.columns(seven)].max(axis=1))

    def both(name: str, router: arms.Router) -> None:
        add(found.correct, name, seed, bench.correct(bench.logits(router, seven), seven))
        add(found.old, name, seed, bench.correct(bench.logits(router, free), free))

    with bench.train(~test, names=seven, seed=seed) as router:
        both(RETRAINED, router)
    with bench.train(~test, names=free, seed=seed) as first:
        path = bench.work / "free.gguf"
        first.save(path)
        alone = bench.correct(bench.logits(first, free), free)
        add(found.correct, "free pool alone", seed, alone)
        add(found.old, "before", seed, alone)
        with bench.train(~test, names=paid, seed=seed) as second:
            add(found.correct, "paid pool alone", seed, bench.correct(bench.logits(second, paid), paid))
            _join(bench, first, second, seven, len(free), test, seed, found)
    for name, way in WAYS.items():
        with arms.Router(path, threads=1) as router:
            router.candidates.add([one for one in bench.candidates if one.name in paid])
            if not way:
                both("new profiles alone", router)
            router.extend(
                paid,
                bench.data(~test, paid),
                replayed=bench.data(~test, free) if way.get("replay") else None,
                distillation=way.get("distillation", 0.0),
                seed=seed,
                threads=1,
                **FURTHER,
            )
            both(name, router)


def _join(
    bench: Bench,
    first: arms.Router,
    second: arms.Router,
    seven: tuple[str, ...],
    free: int,
    test: Booleans,
    seed: int,
    found: Found,
) -> None:
    """Join two routers in one file, and sweep theta over what it says."""
    path: Path = bench.work / "joined.gguf"
    first.join(second, path)
    with arms.Router(path, threads=1) as joined:
        confidences = bench.confidences(joined, seven)
    seconds = np.arange(len(seven)) >= free
    labels = bench.labels[:, bench.columns(seven)]
    rows = np.arange(len(labels))
    for theta in THETAS:
        chosen, _asked = cascade_choices(confidences, seconds, theta)
        name = f"independent, theta {theta}"
        add(found.correct, name, seed, labels[rows, chosen])
        found.shares.setdefault(name, []).append(float((chosen < free)[test].mean()))
