"""Running a collection: every query to every model, once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from arms._output import check_output
from arms.data.collecting.config import CollectConfig, ModelConfig
from arms.data.collecting.endpoint import AskError, Endpoint, EndpointError, Reply
from arms.data.collecting.journal import Journal, fingerprint
from arms.data.collecting.prompt import prompt_of
from arms.data.errors import DataError
from arms.data.files import Source, find_files
from arms.data.images import data_url
from arms.data.reading import read_queries
from arms.data.schema import QueryRow, Row, as_dict, images_of
from arms.data.writing import rebase_images

FAILURES_IN_A_ROW = 20


@dataclass(slots=True)
class ModelReport:
    """What became of the questions to one model.

    Attributes
    ----------
    done
        Answers of this run.
    before
        Answers that the file had.
    failed
        Questions without an answer; the next run asks them again.
    retried
        Attempts that failed and were made again.
    cost
        US dollars of this run's answers, as far as known.
    reasons
        Why questions failed, by message.
    stopped
        Why the model was given up, or `None`.
    """

    done: int = 0
    before: int = 0
    failed: int = 0
    retried: int = 0
    cost: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    stopped: str | None = None


@dataclass(slots=True)
class CollectReport:
    """What became of a collection.

    Attributes
    ----------
    models
        Each model's report.
    torn
        Bytes of an unfinished last line, left by a run that was killed, that were cut off.
    """

    models: dict[str, ModelReport] = field(default_factory=dict)
    torn: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether every model has answered every query."""
        return not any(model.failed or model.stopped for model in self.models.values())


Progress = Callable[[str, ModelReport], None]


def collect(
    source: Source,
    output: str | Path,
    config: CollectConfig,
    *,
    progress: Progress | None = None,
) -> CollectReport:
    """Ask every model every query that the output lacks, and append the answers to it.

    May be killed at any time and run again: what is in the file is not asked again. Rows come as
    the answers come, so their order is not that of the queries.

    Parameters
    ----------
    source
        Files of queries; a data set will do, and is asked its queries again.
    output
        The ``.jsonl`` file to append to.
    config
        Whom to ask.
    progress
        Told a model's name and report after each of its answers and failures.

    Raises
    ------
    DataError
        Before anything is asked: if a query cannot be used, a key is not set, the output is
        damaged or in use, or an id names two queries, here or in the output.
    InvalidArgumentError
        If the output is a file of queries.
    """
    source = find_files(source)
    check_output(Path(output), source)
    queries = _queries(source)
    for model in config.models:
        model.key()
    with Journal(output) as journal:
        _require_same(queries, journal)
        report = CollectReport(
            models={model.name: ModelReport() for model in config.models}, torn=journal.torn
        )
        collection = _Collection(source, config, journal, report, progress)
        try:
            asyncio.run(collection.run())
        except ExceptionGroup as errors:
            raise _first_of(errors) from errors
    return report


def count_queries(source: Source) -> int:
    """Return how many queries files have; those of the same id are one.

    Raises
    ------
    BadRowError
        If a query cannot be used, or an image of it does not exist.
    DataError
        If an id names two queries.
    """
    return len(_queries(source))


def _queries(source: Source) -> dict[str, int]:
    """Return the fingerprint of each query by id."""
    queries: dict[str, int] = {}
    for batch in read_queries(source, images=True):
        folder = batch.folder.resolve()
        for index, row in enumerate(batch.rows):
            found = fingerprint(row, folder)
            if queries.setdefault(row.id, found) != found:
                raise DataError(
                    f"{batch.place(index)}: the id {row.id!r} names another question or image "
                    "before: give each query an id of its own"
                )
    return queries


def _require_same(queries: dict[str, int], journal: Journal) -> None:
    """Refuse queries that changed since they were asked: their answers would be the old ones."""
    for name, found in queries.items():
        if journal.asked.get(name, found) != found:
            raise DataError(
                f"{journal.path}: holds answers to another question or image of the id {name!r}: "
                "name another output, or give the query another id"
            )


def _first_of(errors: ExceptionGroup[Exception]) -> Exception:
    first = errors.exceptions[0]
    return _first_of(first) if isinstance(first, ExceptionGroup) else first


class _Collection:
    def __init__(
        self,
        source: Source,
        config: CollectConfig,
        journal: Journal,
        report: CollectReport,
        progress: Progress | None,
    ) -> None:
        self._source = source
        self._config = config
        self._journal = journal
        self._report = report
        self._progress = progress
        self._in_a_row: Counter[str] = Counter()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as models:
            for model in self._config.models:
                models.create_task(self._ask_model(model))

    async def _ask_model(self, model: ModelConfig) -> None:
        report = self._report.models[model.name]
        waiting: asyncio.Queue[tuple[QueryRow, Path] | None]
        waiting = asyncio.Queue(2 * model.concurrency)
        async with Endpoint(model) as endpoint, asyncio.TaskGroup() as workers:
            for _ in range(model.concurrency):
                workers.create_task(self._work(model, endpoint, waiting, report))
            async for item in self._missing(model.name, report):
                if report.stopped:
                    break
                await waiting.put(item)
            for _ in range(model.concurrency):
                await waiting.put(None)

    async def _missing(
        self, model: str, report: ModelReport
    ) -> AsyncIterator[tuple[QueryRow, Path]]:
        """Yield the queries that a model has not answered, each with its folder."""
        met: set[str] = set()
        for batch in read_queries(self._source):
            for row in batch.rows:
                if row.id in met:
                    continue
                met.add(row.id)
                if (row.id, model) in self._journal.done:
                    report.before += 1
                else:
                    yield row, batch.folder

    async def _work(
        self,
        model: ModelConfig,
        endpoint: Endpoint,
        waiting: asyncio.Queue[tuple[QueryRow, Path] | None],
        report: ModelReport,
    ) -> None:
        """Ask what waits, until there is no more; once the model is given up, only let it pass."""
        while (item := await waiting.get()) is not None:
            if report.stopped:
                continue
            query, folder = item
            try:
                reply = await self._ask(endpoint, query, folder)
            except EndpointError as error:
                report.stopped = str(error)
            except (AskError, DataError) as error:
                self._in_a_row[model.name] += 1
                report.failed += 1
                report.reasons[str(error)] = report.reasons.get(str(error), 0) + 1
                if self._in_a_row[model.name] >= FAILURES_IN_A_ROW:
                    report.stopped = f"{FAILURES_IN_A_ROW} failures in a row, the last: {error}"
            else:
                self._in_a_row[model.name] = 0
                self._keep(model, query, folder, reply)
                report.done += 1
                report.cost += reply.cost or 0.0
            report.retried = endpoint.retried
            if self._progress is not None:
                self._progress(model.name, report)

    async def _ask(self, endpoint: Endpoint, query: QueryRow, folder: Path) -> Reply:
        urls = [await _url(image, folder) for image in images_of(query)]
        instructions = (self._config.instruction, self._config.choice_instruction)
        return await endpoint.ask(prompt_of(query.question, *instructions), urls)

    def _keep(self, model: ModelConfig, query: QueryRow, folder: Path, reply: Reply) -> None:
        """Append an answer, which is on the disk before the next question is asked."""
        row = Row(
            **as_dict(query),
            model=model.name,
            output=reply.output,
            cost=reply.cost,
            latency=reply.latency,
        )
        rebase_images([row], folder, self._journal.path.parent)
        self._journal.append([row])


async def _url(image: str, folder: Path) -> str:
    if "://" in image:
        return image
    try:
        return await asyncio.to_thread(data_url, folder / image)
    except OSError as error:
        raise AskError(f"{folder / image}: {error.strerror}") from error
