"""Out of distribution: each task is tested by routers that were trained on the other eight."""

from __future__ import annotations

from typing import Any

import numpy as np
from bench import Bench
from fixed_splits import RECIPE_NAME
from rivals import rivals

from arms.evaluation import Bootstrap
from arms.evaluation.outcomes import Floats


def run(bench: Bench) -> dict[str, Any]:
    """Measure; EM by task, the mean over tasks (macro) and over queries (micro)."""
    tasks = bench.outcomes.tasks
    names = sorted(set(tasks))
    answered: dict[str, Floats] = {}
    for task in names:
        test = tasks == task
        runs: dict[str, list[Floats]] = {RECIPE_NAME: []}
        for seed in range(bench.seeds):
            with bench.train(~test, seed=seed) as router:
                runs[RECIPE_NAME].append(bench.correct(bench.logits(router)))
        runs |= rivals(bench, ~test, mlp_seeds=1)
        for name, values in runs.items():
            answered.setdefault(name, np.zeros(len(tasks)))[test] = np.mean(values, axis=0)[test]
        bench.forget()
        print(task, {n: round(100 * float(v[test].mean()), 1) for n, v in answered.items()}, flush=True)
    bootstrap = Bootstrap(bench.outcomes.groups)
    table = {}
    for name, values in answered.items():
        difference, interval = bootstrap.mean_interval(answered[RECIPE_NAME] - values)
        by_task = [100 * float(values[tasks == task].mean()) for task in names]
        table[name] = {
            "tasks": [round(value, 1) for value in by_task],
            "macro": round(float(np.mean(by_task)), 2),
            "micro": round(100 * float(values.mean()), 2),
            "gain": round(100 * (difference.value or 0), 2),
            "interval": None
            if interval is None
            else [round(100 * interval.low, 2), round(100 * interval.high, 2)],
        }
    return {"tasks": names, "routers": table}
