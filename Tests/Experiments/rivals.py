"""What a router is to beat, on the same queries and embeddings."""

from __future__ import annotations

from bench import Bench

from arms.evaluation import mean_per_task, oracle
from arms.evaluation.baselines import KNNRouter, LogisticRouter, MLPRouter, fit_predict
from arms.evaluation.outcomes import Booleans, Floats

BEST_SINGLE = "best single model, by training"
STRONGEST = "claude-3.5-sonnet always"
PER_TASK = "mean per task"
ORACLE = "oracle"


def rivals(bench: Bench, queries: Booleans, *, mlp_seeds: int = 0) -> dict[str, list[Floats]]:
    """Fit rivals on some queries.

    Returns
    -------
    dict
        By name, one array a seed: for each query, whether it was answered rightly.
    """
    training, labels = bench.outcomes.select(queries), bench.labels
    known = bench.embeddings[queries]
    best = int(training.labels.mean(axis=0).argmax())
    fitted = fit_predict([KNNRouter(200), LogisticRouter(0.1)], training, known, bench.embeddings)
    found = {
        BEST_SINGLE: [labels[:, best]],
        STRONGEST: [labels[:, bench.names.index("claude-3.5-sonnet")]],
        PER_TASK: [bench.correct(mean_per_task(training, bench.outcomes))],
        **{name: [bench.correct(scores)] for name, scores in fitted.items()},
        ORACLE: [oracle(bench.outcomes).correct],
    }
    for seed in range(mlp_seeds):
        for name, scores in fit_predict([MLPRouter(seed=seed)], training, known, bench.embeddings).items():
            found.setdefault(name, []).append(bench.correct(scores))
    return found
