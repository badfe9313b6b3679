"""The recipe and the paper's setting against the rivals, on the five splits."""

from __future__ import annotations

from typing import Any

from bench import PAPER, PAPER_HEAD, Bench
from paired import paired_table
from rivals import rivals

from arms.evaluation.outcomes import Floats

RECIPE_NAME = "ARMS"
PAPER_NAME = "ARMS, the paper's setting"


def run(bench: Bench) -> dict[str, Any]:
    """Measure; ``{"routers": ...}`` of `paired_table`."""
    correct: dict[str, list[list[Floats]]] = {}

    def add(name: str, seed: int, values: Floats) -> None:
        runs = correct.setdefault(name, [])
        while len(runs) <= seed:
            runs.append([])
        runs[seed].append(values)

    for place, test in enumerate(bench.tests):
        for seed in range(bench.seeds):
            with bench.train(~test, seed=seed) as router:
                add(RECIPE_NAME, seed, bench.correct(bench.logits(router)))
        with bench.train(~test, head=PAPER_HEAD, settings=PAPER, scale=1) as router:
            add(PAPER_NAME, 0, bench.correct(bench.logits(router)))
        for name, runs in rivals(bench, ~test, mlp_seeds=bench.seeds).items():
            for seed, values in enumerate(runs):
                add(name, seed, values)
        print(
            f"split {place}:",
            {n: [round(100 * r[-1][test].mean(), 1) for r in v] for n, v in correct.items()},
            flush=True,
        )
    return {"routers": paired_table(correct, bench.tests, bench.outcomes.groups)}
