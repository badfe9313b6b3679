"""The recipe and the paper's setting against the rivals, on the five splits."""

from __future__ import annotations

from typing import Any

from bench import PAPER, PAPER_HEAD, Bench
from paired import Correct, add, paired_table, tell
from rivals import rivals

RECIPE_NAME = "ARMS"
PAPER_NAME = "ARMS, the paper's setting"


def run(bench: Bench) -> dict[str, Any]:
    """Measure; ``{"routers": ...}`` of `paired_table`."""
    correct: Correct = {}
    for place, test in enumerate(bench.tests):
        for seed in range(bench.seeds):
            with bench.train(~test, seed=seed) as router:
                add(correct, RECIPE_NAME, seed, bench.correct(bench.logits(router)))
        with bench.train(~test, head=PAPER_HEAD, settings=PAPER, scale=1) as router:
            add(correct, PAPER_NAME, 0, bench.correct(bench.logits(router)))
        for name, runs in rivals(bench, ~test, mlp_seeds=bench.seeds).items():
            for seed, values in enumerate(runs):
                add(correct, name, seed, values)
        tell(f"split {place}", correct, test)
    return {"routers": paired_table(correct, bench.tests, bench.outcomes.groups)}
