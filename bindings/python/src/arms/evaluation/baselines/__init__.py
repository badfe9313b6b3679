"""Routers that anybody can have in an afternoon: what ARMS must beat.

Each is fitted on embeddings of the training queries and predicts, from an embedding, the
probability that each model is right. kNN needs numpy alone, the others scikit-learn.
"""

from arms.evaluation.baselines.baseline import Baseline, default_baselines, fit_predict
from arms.evaluation.baselines.knn import KNNRouter
from arms.evaluation.baselines.logistic import LogisticRouter
from arms.evaluation.baselines.mlp import MLPRouter

__all__ = [
    "Baseline",
    "KNNRouter",
    "LogisticRouter",
    "MLPRouter",
    "default_baselines",
    "fit_predict",
]
