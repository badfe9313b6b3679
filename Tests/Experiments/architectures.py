"""Fusions, heads, profiles and terms of the loss: the recipe with one thing changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bench import RECIPE, RECIPE_HEAD, Bench
from paired import Correct, add, paired_table, tell

from arms.convert import Fusion, Head

ROWS: dict[str, dict[str, Any]] = {
    "recipe: concat, scaled head": {},
    "pooled, scaled head": {"head": replace(RECIPE_HEAD, fusion=Fusion.POOLED)},
    "concat, paper head": {"head": replace(RECIPE_HEAD, head=Head.PAPER)},
    "pooled, paper head": {"head": replace(RECIPE_HEAD, fusion=Fusion.POOLED, head=Head.PAPER)},
    "profiles are names only": {"named_only": True},
    "one expert": {"head": replace(RECIPE_HEAD, experts=1)},
    "no routing term": {"settings": {**RECIPE, "routing_weight": 0.0}},
    "no teacher": {"settings": {**RECIPE, "teacher_weight": 0.0}},
    "cross-entropy alone": {"settings": {**RECIPE, "routing_weight": 0.0, "teacher_weight": 0.0}},
    "offsets not from base rates": {"settings": {**RECIPE, "base_rates": False}},
    "products in bfloat16": {"settings": {**RECIPE, "bfloat16": True}},
}


def run(bench: Bench) -> dict[str, Any]:
    """Measure; ``{"routers": ...}`` of `paired_table`."""
    correct: Correct = {}
    for place, test in enumerate(bench.tests):
        for name, row in ROWS.items():
            for seed in range(bench.seeds):
                with bench.train(~test, seed=seed, **row) as router:
                    add(correct, name, seed, bench.correct(bench.logits(router)))
        bench.forget()
        tell(f"split {place}", correct, test)
    return {"routers": paired_table(correct, bench.tests, bench.outcomes.groups)}
