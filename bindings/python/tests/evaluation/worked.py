"""Small sets of outcomes that the tests of the evaluation share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arms.evaluation import Bootstrap, Outcomes

MODELS = ("cheap", "middle", "dear")
COSTS = (0.001, 0.004, 0.016)


def drawn(
    queries: int = 120, *, seed: int = 0, unknown: float = 0.0, first: int = 0
) -> tuple[Outcomes, NDArray[np.float64]]:
    """Outcomes of three models in groups of two, and confidences that know something of them."""
    generator = np.random.default_rng(seed)
    truth = generator.uniform(0.1, 0.9, (queries, 3)) * [0.7, 1, 1.1]
    labels = (generator.uniform(size=truth.shape) < truth).astype(np.float64)
    confidences = np.clip(truth + generator.normal(0, 0.15, truth.shape), 0.01, 0.99)
    if unknown:
        labels[generator.uniform(size=labels.shape) < unknown] = np.nan
    numbers = np.arange(first, first + queries)
    outcomes = Outcomes(
        models=MODELS,
        labels=labels,
        costs=np.array(COSTS),
        groups=np.array([f"g{number // 2}" for number in numbers]),
        tasks=np.array([("chart", "map")[number // 2 % 2] for number in numbers]),
        languages=np.array([("en", "de", "zh")[number // 2 % 3] for number in numbers]),
    )
    return outcomes, confidences


def bootstrap_of(outcomes: Outcomes, replicates: int = 200) -> Bootstrap:
    """Return a bootstrap over the groups of outcomes."""
    return Bootstrap(outcomes.groups, replicates=replicates)
