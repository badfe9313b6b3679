"""How the default router is made of outcomes: sizes, training, calibration. Used by train.py and held_out.py."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import arms
from arms.candidate_file import read_candidates
from arms.convert import Fusion, Head, HeadConfig, WeightType, convert_checkpoints
from arms.data import OutcomeTable
from arms.evaluation import Outcomes

Floats = NDArray[np.float64]

NAME = "ARMS default router, text only"

# A thousandth of the text encoder's size: larger heads know the 400 training groups by heart.
HEAD = HeadConfig(
    fusion=Fusion.CONCAT,
    head=Head.SCALED,
    experts=4,
    attention_heads=1,
    attention_width=8,
    feed_forward=64,
    expert_output=32,
    shared_width=32,
)

STEPS_AN_EPOCH = 4
TRAINING = {
    "epochs": 40,
    "learning_rate": 3e-3,
    "schedule": "cosine",
    "weight_decay": 3.0,
    "routing_weight": 2.0,
    "routing_sharpness": 2.0,
    "teacher_weight": 0.7,
    "teacher_ridge": 10.0,
    "base_rates": True,
}

FOLDS = 3


@dataclass(frozen=True)
class Data:
    """What is trained on.

    Parameters
    ----------
    outcomes
        Of all queries and all models, in the order of `candidates`.
    candidates
        The models with profiles and costs.
    test_groups
        The groups of each split's test part.
    """

    outcomes: Outcomes
    candidates: list[arms.Candidate]
    test_groups: list[set[str]]

    def splits(self) -> Iterator[tuple[Outcomes, Outcomes]]:
        """Yield the training and the test part of each split."""
        for groups in self.test_groups:
            tested = np.isin(self.outcomes.groups, sorted(groups))
            yield self.outcomes.select(~tested), self.outcomes.select(tested)


def described(folder: Path) -> Path:
    """Return the file with the models' profiles and costs: in a folder of data, or one above for several."""
    folder = folder.resolve()
    for place in (folder, folder.parent):
        if (place / "candidates.json").is_file():
            return place / "candidates.json"
    raise FileNotFoundError(f"candidates.json lies neither in {folder} nor above: it describes the models")


def read(folder: Path) -> Data:
    """Read a folder with ``m2.jsonl.gz``, ``splits.json`` and, there or one above, ``candidates.json``."""
    candidates = read_candidates(described(folder), router=0)
    names = [candidate.name for candidate in candidates]
    costs = np.array([candidate.cost for candidate in candidates], np.float64)
    table = OutcomeTable.read(folder / "m2.jsonl.gz", models=names)
    outcomes = Outcomes.of(table).replaced(
        costs=np.broadcast_to(costs, table.labels.shape), latencies=np.full(table.labels.shape, np.nan)
    )
    splits = json.loads((folder / "splits.json").read_text())
    return Data(outcomes, candidates, [set(groups) for groups in splits["test_groups"]])


def untrained(
    text: Path, candidates: list[arms.Candidate], output: Path, weight_type: WeightType, seed: int = 0
) -> Path:
    """Write a router of a text checkpoint, with a fresh head and all candidates."""
    convert_checkpoints(text, None, output, HEAD, weight_type=weight_type, seed=seed, name=NAME)
    with arms.Router(output) as router:
        router.candidates.add(candidates)
        router.save(output)
    return output


def trained(start: Path, outcomes: Outcomes, seed: int = 0) -> arms.Trainer:
    """Train the head of a router on all the outcomes given."""
    with arms.Router(start) as router:
        trainer = arms.Trainer(router, batch_size=-(-len(outcomes) // STEPS_AN_EPOCH), seed=seed, **TRAINING)
    data = arms.DataSet()
    data.add_table(outcomes.images, outcomes.questions, outcomes.models, outcomes.labels)
    trainer.evaluate(data)  # Encodes every query, once for the teacher and for the epochs.
    trainer.run(data)
    return trainer


def logits(model: Path, outcomes: Outcomes) -> Floats:
    """Return t_ij, ``[queries, models]``. The router sees no images: equal questions are scored once."""
    texts, rows = np.unique(np.array(outcomes.questions), return_inverse=True)
    with arms.Router(model) as router:
        scored = router.score([(None, str(text)) for text in texts], outcomes.models, output="logit")
    return scored[rows].astype(np.float64)


def out_of_fold_logits(start: Path, outcomes: Outcomes, seed: int = 0) -> Floats:
    """Return t_ij of routers that were trained without the query's fold; folds are of whole groups."""
    groups = np.random.default_rng(seed).permutation(np.unique(outcomes.groups))
    scores = np.empty(outcomes.scores_shape)
    for fold in np.array_split(groups, FOLDS):
        held_out = np.isin(outcomes.groups, fold)
        with tempfile.TemporaryDirectory() as folder:
            model = Path(folder) / "fold.gguf"
            trained(start, outcomes.select(~held_out), seed).save(model)
            scores[held_out] = logits(model, outcomes.select(held_out))
    return scores


@dataclass(frozen=True)
class Calibration:
    """One temperature for all candidates and a bias for each: ``c = sigmoid(t / T + b_j)``.

    A temperature for each candidate as well gives better confidences and worse decisions.
    """

    temperature: float
    biases: Floats

    @classmethod
    def fit(cls, scores: Floats, labels: Floats) -> Calibration:
        """Fit by maximum likelihood, on logits of routers that have not seen the labels."""
        from sklearn.linear_model import LogisticRegression

        count = scores.shape[1]
        inputs = np.column_stack([scores.reshape(-1), np.tile(np.eye(count), (len(scores), 1))])
        fitted = LogisticRegression(C=1e3, fit_intercept=False, max_iter=1000).fit(inputs, labels.reshape(-1))
        slope, *biases = fitted.coef_[0]
        return cls(float(1 / slope), np.array(biases))

    def confidences(self, scores: Floats) -> Floats:
        """Return c_ij of t_ij."""
        return 1 / (1 + np.exp(-(scores / self.temperature + self.biases)))

    def write(self, model: Path) -> None:
        """Put the calibration into a model file."""
        with arms.Router(model) as router:
            infos = zip(router.candidates.list(), self.biases, strict=True)
            router.candidates.update_all(
                replace(info, temperature=self.temperature, bias=float(bias)) for info, bias in infos
            )
            router.save(model)
