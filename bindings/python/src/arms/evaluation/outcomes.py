"""What is known of a set of queries: who answered which of them, and at what price."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arms._marshal import real_array, refuse_text
from arms.errors import InvalidArgumentError
from arms.evaluation.frames import in_order

__all__ = ["Booleans", "Choices", "Floats", "Outcomes", "Texts"]

Floats: TypeAlias = NDArray[np.float64]
Booleans: TypeAlias = NDArray[np.bool_]
Choices: TypeAlias = NDArray[np.intp]
"""A column of `Outcomes.models` for each query, ``[queries]``."""
Texts: TypeAlias = NDArray[np.str_]

_BY_QUERY = ("ids", "groups", "tasks", "languages", "benchmarks")
_BY_MODEL = ("labels", "costs", "latencies")


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcomes:
    """Queries, and what each model made of them.

    Parameters
    ----------
    models
        Names, one a column.
    labels
        ``[queries, models]``: 1 where the model was right, 0 where it was wrong, NaN where unknown.
        A pandas frame's columns are told by their names, here and in what follows; its rows, as
        those of a series, are taken in their order, whatever their index.
    groups
        ``[queries]``. Queries of a group are variants of one another: they are never torn apart,
        neither by a split nor by a bootstrap. By default, or where it is `None` or NaN, each query
        is a group of its own, called by its id.
    costs
        US dollars a query, ``[models]`` or ``[queries, models]``, NaN where unknown: what the
        answers did cost. An unknown cost of one query is taken to be the mean of the model's known
        ones. A choice reckons with `prices`, as nobody knows before the answer what it costs.
    latencies
        Milliseconds, of the same shapes.
    ids, tasks, languages, benchmarks
        ``[queries]``; `None` or NaN where unknown, which becomes "". Ids are by default the numbers
        of the rows.
    questions, images
        What was asked, for a router to score: ``[queries]`` texts, and whatever
        `arms.Router.score` takes as images.

    Raises
    ------
    InvalidArgumentError
        If the shapes contradict each other, or a label is neither 0, 1 nor NaN.
    TypeError
        If a model's name is no text.
    """

    models: tuple[str, ...]
    labels: Floats
    groups: Texts = field(default_factory=lambda: np.empty(0, np.str_))
    costs: Floats = field(default_factory=lambda: np.empty(0))
    latencies: Floats = field(default_factory=lambda: np.empty(0))
    ids: Texts = field(default_factory=lambda: np.empty(0, np.str_))
    tasks: Texts = field(default_factory=lambda: np.empty(0, np.str_))
    languages: Texts = field(default_factory=lambda: np.empty(0, np.str_))
    benchmarks: Texts = field(default_factory=lambda: np.empty(0, np.str_))
    questions: Sequence[str] = ()
    images: Sequence[Any] = ()
    unnamed: Booleans = field(init=False, repr=False)
    """Which queries have neither id nor group, ``[queries]``: a number of theirs says nothing of
    whether they are in another set of queries, too."""

    def __post_init__(self) -> None:
        refuse_text(self.models, "models")
        self._set("models", tuple(self.models))
        for place, model in enumerate(self.models):
            if not isinstance(model, str):
                raise TypeError(f"models[{place}] is a {type(model).__name__}: expected a str")
        if len(set(self.models)) != len(self.models):
            raise InvalidArgumentError("models has a name twice: a model has one column")
        labels = real_array(in_order(self.labels, self.models, "labels"), "labels")
        if labels.ndim != 2 or labels.shape[1] != len(self.models):
            raise InvalidArgumentError(
                f"labels has shape {list(labels.shape)}: expected [queries, {len(self.models)}], "
                "one column a model"
            )
        if not np.all(np.isnan(labels) | (labels == 0) | (labels == 1)):
            raise InvalidArgumentError("labels must be 0, 1, or NaN where unknown")
        self._set("labels", labels)
        self._set_ids_and_groups()
        for name in ("tasks", "languages", "benchmarks"):
            self._set(name, np.array([text or "" for text in self._texts(name)], np.str_))
        for name in ("costs", "latencies"):
            self._set(name, self._filled(name))
        refuse_text(self.questions, "questions")
        for name in ("questions", "images"):
            # A list: the rows of a series would be looked up by its index.
            self._set(name, list(getattr(self, name)))
            if len(getattr(self, name)) not in (0, len(labels)):
                raise InvalidArgumentError(
                    f"{name} has {len(getattr(self, name))} entries for {len(labels)} queries"
                )

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _set_ids_and_groups(self) -> None:
        numbers = [str(row) for row in range(len(self.labels))]
        ids, groups = self._texts("ids"), self._texts("groups")
        unnamed = [not own and group is None for own, group in zip(ids, groups, strict=True)]
        own = [text or number for text, number in zip(ids, numbers, strict=True)]
        names = [name if group is None else group for name, group in zip(own, groups, strict=True)]
        shown = [text or "" for text in ids] if len(self.ids) else numbers
        self._set("ids", np.array(shown, np.str_))
        self._set("groups", np.array(names, np.str_))
        self._set("unnamed", np.array(unnamed, np.bool_))

    def _texts(self, name: str) -> list[str | None]:
        given = getattr(self, name)
        texts = [_text(value) for value in (given if len(given) else [None] * len(self.labels))]
        if len(texts) != len(self.labels):
            raise InvalidArgumentError(
                f"{name} has {len(texts)} entries for {len(self.labels)} queries"
            )
        return texts

    def _filled(self, name: str) -> Floats:
        """Bring costs or latencies to [queries, models], and unknown ones to the model's mean."""
        given = real_array(in_order(getattr(self, name), self.models, name), name)
        if given.size == 0:
            return np.full(self.labels.shape, np.nan)
        if given.shape not in (self.labels.shape, self.labels.shape[1:]):
            raise InvalidArgumentError(
                f"{name} has shape {list(given.shape)}: expected [{len(self.models)}] or "
                f"{list(self.labels.shape)}"
            )
        if np.any(given < 0) or np.any(np.isinf(given)):
            raise InvalidArgumentError(f"{name} must be finite and not negative, or NaN")
        values = np.broadcast_to(given, self.labels.shape).copy()
        known = ~np.isnan(values)
        means = np.full(len(self.models), np.nan)
        some = known.any(axis=0)
        means[some] = np.nansum(values[:, some], axis=0) / known[:, some].sum(axis=0)
        return np.where(known, values, means)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def known(self) -> Booleans:
        """Where the outcome is known, ``[queries, models]``."""
        return ~np.isnan(self.labels)

    @property
    def answerable(self) -> Booleans:
        """Which queries some model answers, ``[queries]``: those that the paper keeps."""
        return np.asarray(np.any(self.labels == 1, axis=1), np.bool_)

    @property
    def priced(self) -> bool:
        """Whether the cost of every model is known."""
        return not bool(np.isnan(self.costs).any())

    @property
    def prices(self) -> Floats:
        """The mean cost of each model, ``[models]``: what a router can know before it chooses."""
        if not len(self):
            return np.full(len(self.models), np.nan)
        # The mean of what lies above the least: a constant cost stays as it is, to the last bit.
        least = self.costs.min(axis=0)
        return np.asarray(least + (self.costs - least).mean(axis=0), np.float64)

    @property
    def scores_shape(self) -> tuple[int, int]:
        """The shape that a router's scores must have."""
        return len(self), len(self.models)

    def select(self, queries: NDArray[Any]) -> Outcomes:
        """Return some of the queries.

        Parameters
        ----------
        queries
            Booleans ``[queries]``, or indices.
        """
        rows = np.arange(len(self))[queries]
        changes: dict[str, Any] = {name: getattr(self, name)[rows] for name in _BY_QUERY}
        changes |= {name: getattr(self, name)[rows] for name in _BY_MODEL}
        for name in ("questions", "images"):
            values = getattr(self, name)
            changes[name] = [values[row] for row in rows] if len(values) else ()
        return self._changed(self.unnamed[rows], **changes)

    def with_models(self, names: Iterable[str]) -> Outcomes:
        """Return the columns of some models, in the order of their names.

        Raises
        ------
        InvalidArgumentError
            If there is none of a name.
        """
        refuse_text(names, "names")
        wanted = tuple(names)
        absent = [name for name in wanted if name not in self.models]
        if absent:
            raise InvalidArgumentError(f"the data has no model {absent[0]!r}")
        columns = [self.models.index(name) for name in wanted]
        changes: dict[str, Any] = {name: getattr(self, name)[:, columns] for name in _BY_MODEL}
        return self._changed(self.unnamed, models=wanted, **changes)

    def replaced(self, *, costs: Floats, latencies: Floats) -> Outcomes:
        """Return the same outcomes at other costs and latencies."""
        return self._changed(self.unnamed, costs=costs, latencies=latencies)

    def _changed(self, unnamed: Booleans, **changes: Any) -> Outcomes:
        """Replace fields; numbers that were given in place of names do not become such."""
        changed = replace(self, **changes)
        changed._set("unnamed", unnamed)
        return changed

    @classmethod
    def of(cls, table: object) -> Outcomes:
        """Take the fields of any object that has those of this class, an `OutcomeTable` say.

        Parameters
        ----------
        table
            Has ``models`` and ``labels``; what else it lacks stays unknown.
        """
        given = {
            entry.name: getattr(table, entry.name, None) for entry in fields(cls) if entry.init
        }
        return cls(**{name: value for name, value in given.items() if value is not None})


def _text(value: object) -> str | None:
    """Return a value as text, `None` for what is missing."""
    if isinstance(value, str):
        return str(value)
    # Beside NaN, what pandas has for it; it is no package that is needed here.
    if value is None or str(value) in ("nan", "NaT", "<NA>"):
        return None
    # pandas makes floats of whole numbers beside one that is missing.
    if isinstance(value, (float, np.floating)) and value.is_integer():
        value = int(value)
    return str(value)


def checked_scores(scores: ArrayLike, outcomes: Outcomes, name: str = "scores") -> Floats:
    """Return scores as float64, or say what is wrong with them.

    Raises
    ------
    InvalidArgumentError
        If they have another shape than the labels, or are not finite, or are a frame of other
        models.
    """
    values = real_array(in_order(scores, outcomes.models, name), name)
    if values.shape != outcomes.scores_shape:
        raise InvalidArgumentError(
            f"{name} has shape {list(values.shape)}: expected {list(outcomes.scores_shape)}, "
            "[queries, models]"
        )
    if not np.isfinite(values).all():
        raise InvalidArgumentError(f"{name} must be finite")
    return values
