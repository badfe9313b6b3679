"""What the baseline routers have in common."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np

from arms.errors import InvalidArgumentError, UnsupportedError
from arms.evaluation.outcomes import Floats, Outcomes

__all__ = ["Baseline", "default_baselines", "fit_predict"]


class Baseline(Protocol):
    """A router over fixed embeddings."""

    @property
    def name(self) -> str:
        """How tables call it."""
        ...

    def fit(self, embeddings: Floats, labels: Floats) -> None:
        """Learn from ``[queries, d]`` and ``[queries, models]``, NaN where unknown."""
        ...

    def predict(self, embeddings: Floats) -> Floats:
        """Return the probabilities that the models are right, ``[queries, models]``."""
        ...


def default_baselines(seed: int = 0) -> list[Baseline]:
    """Return the baselines that `arms evaluate` fits: kNN of three sizes, logistic, MLP."""
    from arms.evaluation.baselines.knn import KNNRouter
    from arms.evaluation.baselines.logistic import LogisticRouter
    from arms.evaluation.baselines.mlp import MLPRouter

    return [*(KNNRouter(k) for k in (10, 50, 200)), LogisticRouter(), MLPRouter(seed=seed)]


def fit_predict(
    baselines: Iterable[Baseline], training: Outcomes, embeddings: Floats, queries: Floats
) -> dict[str, Floats]:
    """Fit baselines and score queries.

    Parameters
    ----------
    baselines
        To be fitted.
    training, embeddings
        The training outcomes, and ``[training queries, d]``.
    queries
        ``[queries, d]``.

    Returns
    -------
    dict
        ``[queries, models]`` by name.

    Raises
    ------
    InvalidArgumentError
        If the shapes contradict each other, a value is not finite, or two baselines have one name.
    UnsupportedError
        If scikit-learn is not installed.
    """
    if embeddings.ndim != 2 or len(embeddings) != len(training) or not len(training):
        raise InvalidArgumentError(
            f"embeddings has shape {list(embeddings.shape)} for {len(training)} training queries"
        )
    if queries.ndim != 2 or queries.shape[1] != embeddings.shape[1]:
        raise InvalidArgumentError(
            f"queries has shape {list(queries.shape)}: expected [queries, {embeddings.shape[1]}]"
        )
    if not (np.isfinite(embeddings).all() and np.isfinite(queries).all()):
        raise InvalidArgumentError("embeddings must be finite")
    fitted = list(baselines)
    names = [baseline.name for baseline in fitted]
    for name in names:
        if names.count(name) > 1:
            raise InvalidArgumentError(
                f"{names.count(name)} baselines are called {name!r}: fit them one by one, and give "
                "each result a name"
            )
    scores = {}
    for baseline in fitted:
        baseline.fit(embeddings, training.labels)
        scores[baseline.name] = baseline.predict(queries)
    return scores


def scikit_learn(module: str) -> Any:
    """Import a module of scikit-learn, or say how to get it."""
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise UnsupportedError(
            "this baseline needs scikit-learn: pip install 'arms[evaluation]'"
        ) from error


def known_mean(labels: Floats, default: Floats | float = 0.5) -> Floats:
    """Return the mean of each column's known labels, `default` where none is known."""
    known = ~np.isnan(labels)
    counts = known.sum(axis=0)
    means: Floats = np.where(known, labels, 0).sum(axis=0) / np.maximum(counts, 1)
    return np.where(counts > 0, means, default)
