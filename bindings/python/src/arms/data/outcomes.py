"""The (queries x models) view of a data set, which training and evaluation work on."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from arms._marshal import refuse_text
from arms.data.errors import DataError
from arms.data.images import located, same_images

if TYPE_CHECKING:
    from arms.data.files import Source
    from arms.data.reading import ReadReport
    from arms.data.schema import Record, Row
    from arms.dataset import DataSet

Texts: TypeAlias = NDArray[np.object_]
"""Strings, and `None` where nothing is known."""


@dataclass(frozen=True, slots=True, eq=False)
class OutcomeTable:
    """Which model answers which query right, at what cost and latency.

    Q queries, in the order in which they were first met, by M models.

    Attributes
    ----------
    models
        Names of the models ``[M]``.
    ids
        Names of the queries ``[Q]``.
    groups
        Group of each query ``[Q]``; never `None`.
    questions
        Texts of the questions ``[Q]``.
    images
        Paths of each query's images ``[Q]``, tuples, relative to the working folder or absolute.
    tasks, languages, benchmarks, splits
        What is known of each query ``[Q]``.
    labels
        Float32 ``[Q, M]``: 1 right, 0 wrong, NaN unknown.
    costs
        Float64 ``[Q, M]``, US dollars; NaN unknown.
    latencies
        Float64 ``[Q, M]``, milliseconds; NaN unknown.

    Notes
    -----
    Needs numpy alone. Immutable as long as nobody writes into its arrays; selections copy.
    """

    models: tuple[str, ...]
    ids: Texts
    groups: Texts
    questions: Texts
    images: Texts
    tasks: Texts
    languages: Texts
    benchmarks: Texts
    splits: Texts
    labels: NDArray[np.float32]
    costs: NDArray[np.float64]
    latencies: NDArray[np.float64]

    # Making one.

    @classmethod
    def read(
        cls,
        source: Source,
        *,
        strict: bool = True,
        models: Sequence[str] | None = None,
        report: ReadReport | None = None,
    ) -> Self:
        """Read data files; outputs and answers are not kept.

        Parameters
        ----------
        source, strict, report
            As of `arms.data.read_batches`.
        models
            The models of the table, in this order; rows of others are left out. By default all, in
            the order in which they are first met.

        Raises
        ------
        DataError
            If a row cannot be used and `strict` is set, if a pair of query and model comes twice,
            if rows of one id are of different queries, or if there is no row.
        """
        from arms.data.reading import read_batches

        builder = _Builder(models)
        for batch in read_batches(source, strict=strict, report=report):
            builder.add(batch.rows, str(batch.folder))
        return cls(**builder.columns())

    @classmethod
    def from_records(
        cls,
        records: Iterable[Record | Row],
        *,
        folder: str | Path = "",
        models: Sequence[str] | None = None,
    ) -> Self:
        """Make a table of records.

        Parameters
        ----------
        records
            Records, or anything with their attributes.
        folder
            The folder that images are relative to.
        models
            As of `read`.

        Raises
        ------
        DataError
            If a pair of query and model comes twice, if rows of one id are of different queries, or
            if there is no record.
        """
        builder = _Builder(models)
        builder.add(records, os.fspath(folder))
        return cls(**builder.columns())

    # Looking into it.

    def __len__(self) -> int:
        """Return the number of queries."""
        return len(self.ids)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where a label is known ``[Q, M]``."""
        return ~np.isnan(self.labels)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Which queries some model answers right ``[Q]``."""
        return np.asarray((self.labels == 1).any(axis=1))

    @property
    def group_codes(self) -> NDArray[np.int64]:
        """Number of each query's group ``[Q]``, from 0 in the order of the queries."""
        numbers: dict[str, int] = {}
        codes = [numbers.setdefault(group, len(numbers)) for group in self.groups]
        return np.array(codes, np.int64)

    def index_of(self, *models: str) -> list[int]:
        """Return the columns of models.

        Raises
        ------
        DataError
            If a model is not in the table.
        """
        for name in models:
            if name not in self.models:
                alike = [one for one in self.models if _folded(one) == _folded(name)]
                # What looks the same on a terminal has to be shown by its characters.
                hint = f"; {name!a} is spelt {alike[0]!a} there" if alike else ""
                raise DataError(f"no model {name!r}; there are {', '.join(self.models)}{hint}")
        return [self.models.index(name) for name in models]

    # Taking a part of it.

    def take(self, queries: NDArray[Any] | Sequence[int]) -> Self:
        """Return the table of some queries, by index or mask ``[Q]``."""
        index = np.asarray(queries)
        if index.size == 0:
            index = index.astype(np.int64)
        return replace(self, **{name: getattr(self, name)[index] for name in _BY_QUERY})

    def select(
        self,
        *,
        split: str | None = None,
        task: str | None = None,
        language: str | None = None,
        benchmark: str | None = None,
        groups: Collection[str] | None = None,
        models: Sequence[str] | None = None,
    ) -> Self:
        """Return the queries that match all that is given, for the models that are given.

        Parameters
        ----------
        split, task, language, benchmark
            What the queries must have.
        groups
            The groups that they must be of.
        models
            The models to keep, in this order.

        Raises
        ------
        DataError
            If a model is not in the table.
        """
        chosen = np.ones(len(self), np.bool_)
        for column, value in (
            (self.splits, split),
            (self.tasks, task),
            (self.languages, language),
            (self.benchmarks, benchmark),
        ):
            if value is not None:
                chosen &= np.equal(column, value).astype(np.bool_)
        refuse_text(groups, "groups")
        refuse_text(models, "models")
        if groups is not None:
            wanted = set(groups)
            chosen &= np.fromiter((group in wanted for group in self.groups), np.bool_, len(self))
        table = self.take(chosen)
        if models is None:
            return table
        columns = table.index_of(*models)
        matrices = {name: getattr(table, name)[:, columns] for name in _MATRICES}
        return replace(table, models=tuple(models), **matrices)

    def split_by_group(self, share: float, seed: int = 0) -> tuple[Self, Self]:
        """Part the table in two at random, so that no group is in both.

        Parameters
        ----------
        share
            Share of the groups that the second part gets, from 0 to 1.
        seed
            The same seed parts the same groups in the same way.

        Raises
        ------
        DataError
            If the share is out of range.
        """
        if not 0 <= share <= 1:
            raise DataError(f"the second part's share lies from 0 to 1, not at {share}")
        codes = self.group_codes
        count = int(codes.max(initial=-1)) + 1
        taken = np.random.default_rng(seed).permutation(count)[: round(share * count)]
        second = np.isin(codes, taken)
        return self.take(~second), self.take(second)

    # Training on it.

    def to_dataset(self, *, models: Sequence[str] | None = None, exact: bool = False) -> DataSet:
        """Return the data set to train on; images are read when they are encoded.

        Labels and costs that are not known are left out, and so are queries without any label.

        Parameters
        ----------
        models
            The outcomes of these models only; by default of all.
        exact
            Decode JPEGs at full size.

        Raises
        ------
        DataError
            If a model is not in the table, if two queries have the same question and images, or if
            a query cannot be used; the message names it.
        """
        from arms.data.training import to_dataset

        return to_dataset(self, models=models, exact=exact)


_TEXTS = (
    "ids",
    "groups",
    "questions",
    "images",
    "tasks",
    "languages",
    "benchmarks",
    "splits",
)
_MATRICES = ("labels", "costs", "latencies")
_BY_QUERY = (*_TEXTS, *_MATRICES)


# What rows say of their query.
_known_of = attrgetter("group", "question", "image", "task", "language", "benchmark", "split")
_GROUP, _QUESTION, _IMAGE, _SPLIT = 0, 1, 2, 6


class _Builder:
    """Collects rows into columns; what one row of a query lacks is taken from the others."""

    def __init__(self, models: Sequence[str] | None) -> None:
        refuse_text(models, "models")
        self._open = models is None
        named = dict.fromkeys(models or ())
        self._models = {name: column for column, name in enumerate(named)}
        self._queries: dict[str, int] = {}
        self._known: list[tuple[Any, ...]] = []
        self._folders: list[str] = []
        self._places: list[NDArray[np.int64]] = []
        self._values: list[NDArray[np.float64]] = []

    def add(self, records: Iterable[Record | Row], folder: str) -> None:
        models = self._models
        rows = list(records)
        if self._open:
            for name in dict.fromkeys(row.model for row in rows):
                models.setdefault(name, len(models))
        else:
            rows = [row for row in rows if row.model in models]
        # A column at a time takes half as long as a row at a time; numpy makes NaN of None.
        places = (self._numbers(rows, folder), [models[row.model] for row in rows])
        values = (
            [row.label for row in rows],
            [row.cost for row in rows],
            [row.latency for row in rows],
        )
        self._places.append(np.array(places, np.int64).T)
        self._values.append(np.array(values, np.float64).T)

    def _numbers(self, rows: list[Record | Row], folder: str) -> list[int]:
        """Return the query of each row."""
        queries, known, folders = self._queries, self._known, self._folders
        numbers = []
        for row in rows:
            number = queries.setdefault(row.id, len(known))
            said = _known_of(row)
            if number == len(known):
                known.append(said)
                folders.append(folder)
            # As texts: to locate each row's images would take half of the time of reading.
            elif known[number] != said or folders[number] != folder:
                self._join(number, row.id, said, folder)
            numbers.append(number)
        return numbers

    def _join(self, number: int, name: str, said: tuple[Any, ...], folder: str) -> None:
        """Add what a further row knows of a query, which must be the same one."""
        first = self._known[number]
        images = located(first[_IMAGE], self._folders[number]), located(said[_IMAGE], folder)
        if all(images) and not same_images(*images):
            raise _contradiction(name, "image", *images)
        for place, what in ((_QUESTION, "question"), (_GROUP, "group"), (_SPLIT, "split")):
            if None not in (first[place], said[place]) and first[place] != said[place]:
                raise _contradiction(name, what, first[place], said[place])
        if not images[0]:
            self._folders[number] = folder
        self._known[number] = tuple(
            one if one or other is None else other for one, other in zip(first, said, strict=True)
        )

    def _texts(self) -> list[tuple[Any, ...]]:
        """Return each query's values in the order of `_TEXTS`."""
        return [
            (name, name if group is None else group, question, located(images, folder), *others)
            for name, folder, (group, question, images, *others) in zip(
                self._queries, self._folders, self._known, strict=True
            )
        ]

    def columns(self) -> dict[str, Any]:
        """Return the fields of a table."""
        if not self._queries:
            raise DataError("no row: the data set is empty, or has none of the models asked for")
        shape = len(self._queries), len(self._models)
        places = np.concatenate(self._places)
        cells = np.ravel_multi_index((places[:, 0], places[:, 1]), shape)
        self._refuse_twice(cells, shape)
        values = np.concatenate(self._values)
        columns: dict[str, Any] = {"models": tuple(self._models)}
        for name, texts in zip(_TEXTS, zip(*self._texts(), strict=True), strict=True):
            # Not np.array(texts): of tuples that would make a matrix.
            columns[name] = np.fromiter(texts, np.object_, shape[0])
        for number, name in enumerate(_MATRICES):
            matrix = np.full(shape, np.nan, np.float32 if name == "labels" else np.float64)
            matrix.flat[cells] = values[:, number]
            columns[name] = matrix
        return columns

    def _refuse_twice(self, cells: NDArray[np.int64], shape: tuple[int, int]) -> None:
        found, counts = np.unique(cells, return_counts=True)
        if (counts > 1).any():
            query, column = divmod(int(found[counts > 1][0]), shape[1])
            raise DataError(
                f"query {list(self._queries)[query]!r} has several rows of model "
                f"{list(self._models)[column]!r}; `arms data check` lists all such pairs"
            )


def _contradiction(name: str, what: str, one: Any, other: Any) -> DataError:
    return DataError(
        f"query {name!r} has rows that differ in the {what}, {_short(one)} and {_short(other)}: an "
        "id names one query; name one of the two anew, or mend its rows (`arms data check` lists "
        "all contradictions)"
    )


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().strip()


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:56]}...{shown[-1]}"
