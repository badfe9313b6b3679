"""Making a data set of collected rows: what is kept, and who trains and who tests (section 3.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms._output import check_output
from arms.data.errors import DataError
from arms.data.files import Source, find_files
from arms.data.images import resolved
from arms.data.outcomes import OutcomeTable
from arms.data.reading import ReadReport, read_batches
from arms.data.schema import SPLITS, Split
from arms.data.writing import RecordWriter, rebase_images
from arms.errors import InvalidArgumentError

TRAIN, TEST, OOD = range(3)
DROPPED = -1


class Balance(StrEnum):
    """What the training set is balanced by: queries are dropped at random until it is."""

    NONE = "none"
    LABEL = "label"
    """Right and wrong rows alike, by dropping queries that all models answer, or none."""
    TASK = "task"
    """As many queries of each task as of the rarest."""
    BENCHMARK = "benchmark"
    LANGUAGE = "language"


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How a data set is made.

    Attributes
    ----------
    test
        Share of the groups in distribution that test, from 0 to 1. Each task of each benchmark
        gives its share.
    ood_tasks, ood_benchmarks
        The queries that are the out-of-distribution set: all of these tasks and benchmarks.
    drop_unanswered
        Whether queries that no model answers are dropped, as in the paper; else they are marked.
    balance
        What the training set is balanced by.
    keep_splits
        Whether queries that have a split keep it.
    pools
        Pools of models by name for the statistics, each added to those before it:
        ``{"Free": [...], "Paid": [...]}``. By default one pool of all.
    seed
        The same seed makes the same data set of the same rows.
    """

    test: float = 0.1
    ood_tasks: Sequence[str] = ()
    ood_benchmarks: Sequence[str] = ()
    drop_unanswered: bool = False
    balance: Balance = Balance.NONE
    keep_splits: bool = False
    pools: Mapping[str, Sequence[str]] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.test <= 1:
            raise DataError(f"the test set's share lies from 0 to 1, not at {self.test}")


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """One row of the paper's Table 2.

    Attributes
    ----------
    pool
        Names of the pools together: ``Free+Paid``.
    models
        How many models they have.
    queries
        Queries put to all of them that at least one answers right, by split.
    unanswered
        Queries put to all of them that none answers right, by split.
    """

    pool: str
    models: int
    queries: dict[Split, int]
    unanswered: dict[Split, int]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was made.

    Attributes
    ----------
    rows
        Rows written.
    queries, groups
        Queries and groups written, by split.
    unanswered
        Queries that no model answers; dropped or marked, as asked.
    dropped_unanswered, dropped_to_balance
        Queries that were dropped, by reason.
    statistics
        The paper's Table 2.
    paths
        The files written.
    """

    rows: int
    queries: dict[Split, int]
    groups: dict[Split, int]
    unanswered: int
    dropped_unanswered: int
    dropped_to_balance: int
    statistics: list[PoolStatistics]
    paths: list[Path]


def build(
    source: Source,
    output: str | Path,
    options: BuildOptions | None = None,
    *,
    strict: bool = True,
    report: ReadReport | None = None,
) -> BuildReport:
    """Split, mark and balance the queries of a data set and write it.

    Queries of one group never part, nor do queries with the same question and images. The rows are
    read twice, so that only the table of outcomes is held.

    Parameters
    ----------
    source
        The data files.
    output
        The file to write; ``{split}`` in its name makes a file of each split.
    options
        What to make.
    strict, report
        As of `arms.data.read_batches`.

    Raises
    ------
    DataError
        If a file cannot be read or written, if an option names a task, a benchmark or a model that
        no query has, if a pair of query and model comes twice, or if rows of one id are of
        different queries.
    InvalidArgumentError
        If the output is read, or a file of a split that gets no query is there from before.
    """
    options = options or BuildOptions()
    for path in _paths(Path(output)).values():
        check_output(path, find_files(source))
    table = OutcomeTable.read(source, strict=strict, report=report)
    fates = _assign(table, options)
    answered = table.answered
    unanswered = ~answered & table.known.any(axis=1)
    dropped = (
        unanswered & (fates != DROPPED) if options.drop_unanswered else np.zeros_like(answered)
    )
    fates[dropped] = DROPPED
    surplus = _surplus(table, fates, options)
    fates[surplus] = DROPPED
    statistics = describe(table, fates, options.pools)
    _refuse_leftovers(Path(output), fates)
    rows, paths = _write(source, Path(output), table, fates, strict)
    return BuildReport(
        rows=rows,
        queries={split: int((fates == code).sum()) for code, split in enumerate(SPLITS)},
        groups={split: len(set(table.groups[fates == code])) for code, split in enumerate(SPLITS)},
        unanswered=int(unanswered.sum()),
        dropped_unanswered=int(dropped.sum()),
        dropped_to_balance=len(surplus),
        statistics=statistics,
        paths=paths,
    )


def _assign(table: OutcomeTable, options: BuildOptions) -> NDArray[np.int8]:
    """Return the split of each query ``[Q]``, whole families of queries at a time."""
    families = _families(table)
    fates = np.full(len(table), TRAIN, np.int8)
    count = int(families.max()) + 1
    fixed = np.full(count, DROPPED, np.int8)
    for tasks, column, name in (
        (options.ood_tasks, table.tasks, "task"),
        (options.ood_benchmarks, table.benchmarks, "benchmark"),
    ):
        for value in tasks:
            chosen = np.equal(column, value).astype(np.bool_)
            if not chosen.any():
                there = ", ".join(sorted({str(one) for one in column if one is not None}))
                raise DataError(f"no query has the {name} {value!r}; there are: {there or 'none'}")
            fixed[families[chosen]] = OOD
    if options.keep_splits:
        _keep_splits(table, families, fixed)
    free = [family for family in _by_stratum(table, families, options.seed) if fixed[family] < 0]
    # Every k-th of families that are sorted by stratum: each stratum gives its share, and the whole
    # is within one of it.
    start = np.random.default_rng(options.seed).random()
    for place, family in enumerate(free):
        passed = int(options.test * (place + 1) + start) - int(options.test * place + start)
        fixed[family] = TEST if passed else TRAIN
    fates[:] = fixed[families]
    return fates


def _families(table: OutcomeTable) -> NDArray[np.int64]:
    """Return numbers ``[Q]``, equal for queries of one group or of one question with its images."""
    parents = list(range(len(table)))

    def root(query: int) -> int:
        while parents[query] != query:
            parents[query] = parents[parents[query]]
            query = parents[query]
        return query

    firsts: dict[Any, int] = {}
    for query in range(len(table)):
        images = tuple(map(resolved, table.images[query]))
        same = (("group", table.groups[query]), (table.questions[query], images))
        for key in same:
            first = firsts.setdefault(key, query)
            parents[root(query)] = root(first)
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(root(q), len(numbers)) for q in range(len(table))])


def _by_stratum(table: OutcomeTable, families: NDArray[np.int64], seed: int) -> list[int]:
    """Order the families by benchmark and task, and at random within these."""
    _, firsts = np.unique(families, return_index=True)
    noise = np.random.default_rng(seed).permutation(len(firsts))
    keys = [
        (str(table.benchmarks[first]), str(table.tasks[first]), int(noise[family]), family)
        for family, first in enumerate(firsts)
    ]
    return [key[-1] for key in sorted(keys)]


def _keep_splits(table: OutcomeTable, families: NDArray[np.int64], fixed: NDArray[np.int8]) -> None:
    for query, split in enumerate(table.splits):
        if split is None:
            continue
        family, code = families[query], SPLITS.index(split)
        if fixed[family] not in (DROPPED, code):
            raise DataError(
                f"query {table.ids[query]!r} is to keep the split {split!r}, but its group is in "
                f"{SPLITS[fixed[family]]!r} too"
            )
        fixed[family] = code


def _surplus(
    table: OutcomeTable, fates: NDArray[np.int8], options: BuildOptions
) -> NDArray[np.int64]:
    """Return the training queries to drop, so that the rest is balanced."""
    train = np.flatnonzero(fates == TRAIN)
    order = np.random.default_rng(options.seed + 1).permutation(train)
    if options.balance is Balance.NONE or not len(train):
        return np.array([], np.int64)
    if options.balance is Balance.LABEL:
        return _uniform_surplus(table, order)
    columns = {
        Balance.TASK: table.tasks,
        Balance.BENCHMARK: table.benchmarks,
        Balance.LANGUAGE: table.languages,
    }
    values: dict[str | None, list[int]] = {}
    for query in order:
        values.setdefault(columns[options.balance][query], []).append(int(query))
    rarest = min(map(len, values.values()))
    return np.array([query for queries in values.values() for query in queries[rarest:]], np.int64)


def _uniform_surplus(table: OutcomeTable, order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose queries on which all models agree, of the commoner label, until both are as common."""
    labels = table.labels[order]
    right, wrong = (labels == 1).sum(axis=1), (labels == 0).sum(axis=1)
    excess = int(right.sum() - wrong.sum())
    more, less = (right, wrong) if excess > 0 else (wrong, right)
    uniform = np.flatnonzero((less == 0) & (more > 0))
    enough = np.cumsum(more[uniform]) <= abs(excess)
    return np.asarray(order[uniform[enough]], np.int64)


def describe(
    table: OutcomeTable, fates: NDArray[np.int8], pools: Mapping[str, Sequence[str]]
) -> list[PoolStatistics]:
    """Return the paper's Table 2.

    Parameters
    ----------
    table
        The data set.
    fates
        The split of each query ``[Q]``: its place in `SPLITS`, or -1 if it is left out.
    pools
        Models by pool; each pool is added to those before it.
    """
    named = pools or {"All": table.models}
    models: list[str] = []
    rows = []
    for number, pool in enumerate(named.values(), 1):
        models += pool
        labels = table.labels[:, table.index_of(*models)]
        put = ~np.isnan(labels).any(axis=1)
        right = (labels == 1).any(axis=1)
        rows.append(
            PoolStatistics(
                pool="+".join(list(named)[:number]),
                models=len(models),
                queries=_counted(fates, put & right),
                unanswered=_counted(fates, put & ~right),
            )
        )
    return rows


def _counted(fates: NDArray[np.int8], chosen: NDArray[np.bool_]) -> dict[Split, int]:
    return {split: int(((fates == code) & chosen).sum()) for code, split in enumerate(SPLITS)}


def _write(
    source: Source, output: Path, table: OutcomeTable, fates: NDArray[np.int8], strict: bool
) -> tuple[int, list[Path]]:
    """Write the rows of the queries that are kept; return how many and where."""
    verdicts: list[bool | None] = [
        bool(labels.max() == 1) if labels.size else None
        for labels in (row[~np.isnan(row)] for row in table.labels)
    ]
    queries = {name: number for number, name in enumerate(table.ids)}
    with ExitStack() as stack:
        writers = dict(_writers(output, fates, stack))
        for batch in read_batches(source, strict=strict):
            kept: dict[int, list[Any]] = {code: [] for code in writers}
            for row in batch.rows:
                query = queries[row.id]
                code = int(fates[query])
                if code != DROPPED:
                    row.split, row.answered = SPLITS[code], verdicts[query]
                    kept[code].append(row)
            for code, rows in kept.items():
                rebase_images(rows, batch.folder, output.parent)
                writers[code].write_rows(rows)
    distinct = {id(writer): writer for writer in writers.values()}.values()
    return sum(writer.count for writer in distinct), [writer.path for writer in distinct]


def _paths(output: Path) -> dict[int, Path]:
    """Return the file of each split; the same one unless the name has a place."""
    return {
        code: output.with_name(output.name.replace("{split}", split))
        for code, split in enumerate(SPLITS)
    }


def _refuse_leftovers(output: Path, fates: NDArray[np.int8]) -> None:
    """Refuse to leave a file beside the new ones whose queries may now be in another of them."""
    if "{split}" not in output.name:
        return
    for code, path in _paths(output).items():
        if path.exists() and not (fates == code).any():
            raise InvalidArgumentError(
                f"{path}: is there from before, and no query is in the split {SPLITS[code]} now: "
                "remove it, or name another output"
            )


def _writers(
    output: Path, fates: NDArray[np.int8], stack: ExitStack
) -> Iterator[tuple[int, RecordWriter]]:
    """Open the writer of each split that has queries; one for all unless the name has a place."""
    codes = [code for code in range(len(SPLITS)) if (fates == code).any()]
    if "{split}" in output.name:
        paths = _paths(output)
        for code in codes:
            yield code, stack.enter_context(RecordWriter(paths[code]))
    else:
        writer = stack.enter_context(RecordWriter(output))
        yield from ((code, writer) for code in codes)
