"""What every experiment works with: the outcomes, fresh routers, data sets, training, scores."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

import arms
from arms.convert import Fusion, Head, HeadConfig, WeightType, assemble, save
from arms.convert.model_file import Kind
from arms.evaluation.outcomes import Booleans, Floats

# The scripts of the default router, which has the same head and learns from the same data.
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "models"))

from recipe import HEAD as RECIPE_HEAD
from recipe import TRAINING, described, read

Settings: TypeAlias = Mapping[str, Any]
"""Options of `arms.Trainer`."""

RECIPE: Settings = {**TRAINING, "epochs": 36, "batch_size": 912}
EXPERT_SCALE = 0.3
"""The last layers of the recipe's experts begin that much smaller than PyTorch's linear layers."""

PAPER_HEAD = HeadConfig(fusion=Fusion.POOLED, head=Head.PAPER)
PAPER: Settings = {
    "epochs": 2,
    "batch_size": 64,
    "learning_rate": 8e-5,
    "schedule": "constant",
    "weight_decay": 1e-2,
    # What the paper does not have.
    "routing_weight": 0.0,
    "teacher_weight": 0.0,
    "base_rates": False,
}

BUDGETS = (8, 32, 128, 512, 1024)
"""Outcomes of a new candidate."""


@dataclass
class Bench:
    """The data, and what is made of it once and used often.

    Parameters
    ----------
    folder
        With ``m2.jsonl.gz``, ``splits.json`` and, there or one above, ``candidates.json``.
    checkpoint
        The text encoder's, in Hugging Face's layout.
    work
        A folder for model files.
    seeds
        How often what depends on chance is repeated.
    splits
        How many of the splits are measured.
    """

    folder: Path
    checkpoint: Path
    work: Path
    seeds: int = 3
    splits: int = 5
    _sets: dict[tuple[bytes, tuple[str, ...]], arms.DataSet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        data = read(self.folder)
        self.candidates, self.outcomes = data.candidates, data.outcomes
        self.names = self.outcomes.models
        models = json.loads(described(self.folder).read_text())["candidates"]
        self.pools = {one["name"]: one["pool"] for one in models}
        self.tests: list[Booleans] = [
            np.isin(self.outcomes.groups, sorted(groups)) for groups in data.test_groups[: self.splits]
        ]
        texts, self._rows = np.unique(np.array(self.outcomes.questions), return_inverse=True)
        with self.router(self.start(RECIPE_HEAD), ()) as router:
            self._encoded = [router.encode_question(str(text)) for text in texts]
        vectors = np.stack([one.embedding for one in self._encoded]).astype(np.float64)
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self.embeddings: Floats = unit[self._rows]

    @property
    def labels(self) -> Floats:
        """``[queries, models]``."""
        return self.outcomes.labels

    def columns(self, names: Sequence[str]) -> list[int]:
        """Return the columns of models."""
        return [self.names.index(name) for name in names]

    def pool(self, name: str) -> tuple[str, ...]:
        """Return the names of a pool."""
        return tuple(model for model in self.names if self.pools[model] == name)

    def folds(self, queries: Booleans, count: int, seed: int = 0) -> list[Booleans]:
        """Divide queries into folds of whole groups."""
        groups = np.unique(self.outcomes.groups[queries])
        shuffled = np.random.default_rng(seed).permutation(groups)
        return [np.isin(self.outcomes.groups, fold) & queries for fold in np.array_split(shuffled, count)]

    def start(
        self,
        head: HeadConfig,
        seed: int = 0,
        *,
        scale: float = EXPERT_SCALE,
        tower: Path | None = None,
    ) -> Path:
        """Write a router with a fresh head and no candidate; what was written is used again.

        The text encoder is in int8, as routers are shipped; the rest in float32, so that what is
        compared is training and not the rounding of its result. `tower` is the checkpoint of an
        image encoder.
        """
        path = self.work / f"{abs(hash((head, seed, scale, tower))):x}.gguf"
        if path.exists():
            return path
        part = assemble(self.checkpoint, tower, head, seed=seed)
        for name, parameter in list(part.parameters.items()):
            if name.startswith("t."):
                continue
            # Linear layers begin uniform in +-1 / sqrt(inputs).
            is_last = name.startswith("expert.") and ".ffn_down." in name
            part.add(name, parameter.values * np.float32(scale if is_last else 1), Kind.FLOAT)
        save(part, path, "experiment", WeightType.INT8)
        return path

    def router(self, start: Path, names: Sequence[str], *, named_only: bool = False) -> arms.Router:
        """Open a router with some candidates; `named_only` leaves a name as all of their profile."""
        router = arms.Router(start, threads=1)
        wanted = [candidate for candidate in self.candidates if candidate.name in names]
        if named_only:
            wanted = [arms.Candidate(name=candidate.name) for candidate in wanted]
        if wanted:
            router.candidates.add(wanted)
        return router

    def data(self, queries: Booleans, names: Sequence[str] | None = None) -> arms.DataSet:
        """Return the outcomes of some queries and models; the same ones again give the same set.

        So that the encodings that it keeps are used again too.
        """
        chosen = self.names if names is None else tuple(names)
        key = (np.packbits(queries).tobytes(), chosen)
        if key not in self._sets:
            part = self.outcomes.select(queries)
            data = arms.DataSet()
            labels = part.labels[:, self.columns(chosen)]
            data.add_table(part.images, part.questions, chosen, labels)
            self._sets[key] = data
        return self._sets[key]

    def forget(self) -> None:
        """Free the data sets."""
        self._sets.clear()

    def train(
        self,
        queries: Booleans,
        *,
        head: HeadConfig = RECIPE_HEAD,
        settings: Settings = RECIPE,
        seed: int = 0,
        names: Sequence[str] | None = None,
        scale: float = EXPERT_SCALE,
        named_only: bool = False,
        tower: Path | None = None,
    ) -> arms.Router:
        """Return a router that was trained on some queries."""
        chosen = self.names if names is None else tuple(names)
        start = self.start(head, seed, scale=scale, tower=tower)
        router = self.router(start, chosen, named_only=named_only)
        trainer = arms.Trainer(router, seed=seed, threads=1, **settings)
        trainer.run(self.data(queries, chosen))
        trainer.commit()
        return router

    def logits(self, router: arms.Router, names: Sequence[str] | None = None) -> Floats:
        """Return t_ij of all queries, ``[queries, models]``."""
        return self._scores(router, names, "logit")

    def own_logits(self, router: arms.Router, queries: Booleans, *, images: bool = False) -> Floats:
        """Return t_ij of some queries by a router whose encoders are its own, the rest 0."""
        logits = np.zeros(self.labels.shape)
        asked = self.outcomes.select(queries)
        shown = asked.images if images else [None] * len(asked)
        logits[queries] = router.score(
            list(zip(shown, asked.questions, strict=True)), self.names, output="logit"
        )
        return logits

    def confidences(self, router: arms.Router, names: Sequence[str] | None = None) -> Floats:
        """Return c_ij of all queries."""
        return self._scores(router, names, "confidence")

    def _scores(self, router: arms.Router, names: Sequence[str] | None, output: str) -> Floats:
        chosen = self.names if names is None else tuple(names)
        queries = [(None, one) for one in self._encoded]
        return router.score(queries, chosen, output=output)[self._rows].astype(np.float64)

    def correct(self, scores: Floats, names: Sequence[str] | None = None) -> Floats:
        """Return, for each query, whether the model of the highest score is right."""
        chosen = self.names if names is None else names
        labels = self.labels[:, self.columns(chosen)]
        return labels[np.arange(len(labels)), scores.argmax(axis=1)]
