"""What is wrong with a data set, and what looks odd."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from arms.data.errors import EXAMPLES_KEPT, BadRow
from arms.data.files import Source, find_files
from arms.data.images import digest_of, fault_of, located, same_images
from arms.data.reading import Batch, ReadReport, read_batches
from arms.data.schema import Row, answers_of, group_of


class Severity(StrEnum):
    """How bad a finding is."""

    WRONG = "wrong"
    """Figures made with this data set are not to be trusted."""
    ODD = "odd"
    """Worth a look; may be as it should be."""


@dataclass(slots=True)
class Finding:
    """One thing that is wrong or odd.

    Attributes
    ----------
    kind
        A short name, the same in every report.
    severity
        How bad it is.
    message
        What it means and what to do.
    count
        How often it is so.
    examples
        The first `EXAMPLES_KEPT` of them.
    """

    kind: str
    severity: Severity
    message: str
    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, example: str) -> None:
        """Count one case."""
        self.count += 1
        if len(self.examples) < EXAMPLES_KEPT:
            self.examples.append(example)


@dataclass(slots=True)
class Report:
    """What `check` found.

    Attributes
    ----------
    rows, queries, groups, images
        How many the data set has; rows that cannot be used are not among them.
    models
        Rows of each model.
    findings
        What is wrong, then what is odd.
    """

    rows: int = 0
    queries: int = 0
    groups: int = 0
    images: int = 0
    models: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong; there may be oddities."""
        return all(finding.severity is Severity.ODD for finding in self.findings)


# Every finding there is: its severity, and what it means.
_KINDS: dict[str, tuple[Severity, str]] = {
    "no row": (Severity.WRONG, "the data set is empty"),
    "bad row": (Severity.WRONG, "rows that cannot be used; mend or remove them"),
    "duplicate row": (
        Severity.WRONG,
        "rows whose query and model came before; keep one of each pair",
    ),
    "contradiction": (
        Severity.WRONG,
        "queries whose rows disagree on the question, image, answer, group or split; "
        "an id names one query",
    ),
    "group in several splits": (
        Severity.WRONG,
        "training sees what it is tested on; split by group, as `arms data build` does",
    ),
    "query in several splits": (
        Severity.WRONG,
        "the same question and images under several ids in different splits; "
        "give them one group and split again",
    ),
    "missing image": (Severity.WRONG, "image files that do not exist"),
    "unreadable image": (
        Severity.WRONG,
        "images that the router cannot read; make them JPEG or PNG files within its limits",
    ),
    "repeated query": (
        Severity.ODD,
        "the same question and images under several ids; they count twice, "
        "and leak unless they share a group",
    ),
    "model lacks rows": (Severity.ODD, "models that not every query was put to"),
    "one class": (
        Severity.ODD,
        "models whose labels are all alike; nothing can be learned of when to choose them",
    ),
    "no label": (Severity.ODD, "rows without a label; `arms data label` marks them"),
    "no answer": (Severity.ODD, "queries without a true answer"),
    "nobody right": (
        Severity.ODD,
        "queries that no model answers; `arms data build` marks or drops them",
    ),
    "empty question": (Severity.ODD, "queries whose question is empty"),
    "empty output": (Severity.ODD, "rows whose output is empty; the model may have refused"),
    "partly priced": (Severity.ODD, "models with a cost in some rows only"),
    "partly timed": (Severity.ODD, "models with a latency in some rows only"),
    "unknown field": (
        Severity.ODD,
        "fields that the schema does not have, which are left out; a misspelt name?",
    ),
}


def check(
    source: Source,
    *,
    strict: bool = False,
    models: Collection[str] | None = None,
    images: bool = True,
) -> Report:
    """Look for what is wrong with a data set and for what is odd.

    Parameters
    ----------
    source
        The data files.
    strict
        Whether to stop at the first row that cannot be used, for lack of its image too.
    models
        The models that rows may name; by default any.
    images
        Whether to open every image. Otherwise they are not even looked for.

    Returns
    -------
    Report
        The findings. Memory grows with the queries, not with the rows' texts.

    Raises
    ------
    BadRowError
        At the first bad row, if `strict`.
    DataError
        If there is no such file, or it is damaged as a whole.
    """
    reading = ReadReport()
    checker = _Checker()
    # Unless it is strict, a missing image is a finding of its own, and its row is still checked.
    for batch in read_batches(
        source, strict=strict, models=models, images=images and strict, report=reading
    ):
        checker.add(batch)
    if not reading.rows and not reading.bad:
        checker.found("no row", ", ".join(map(str, find_files(source)[:EXAMPLES_KEPT])))
    return checker.report(reading, images)


class _Query:
    """What is remembered of a query."""

    __slots__ = ("asked", "first", "group", "id", "images", "right", "split", "wrong")

    def __init__(self, row: Row, folder: str, place: str) -> None:
        self.id = row.id
        self.first = place
        self.group = group_of(row)
        self.split = row.split
        self.images = located(row.image, folder)
        self.asked = _asked(row)
        self.right = 0
        self.wrong = 0


def _asked(row: Row) -> tuple[int, int]:
    """Hash the question and the answer, which would fill the memory."""
    return hash(row.question), hash(tuple(answers_of(row)))


class _Model:
    """What is remembered of a model."""

    __slots__ = ("priced", "right", "rows", "timed", "wrong")

    def __init__(self) -> None:
        self.rows = self.right = self.wrong = self.priced = self.timed = 0


class _Checker:
    def __init__(self) -> None:
        self._findings: dict[str, Finding] = {}
        self._queries: dict[str, int] = {}
        self._facts: list[_Query] = []
        self._models: dict[str, _Model] = {}
        self._columns: dict[str, int] = {}
        # One bit a pair of query and model.
        self._seen: list[int] = []

    def found(self, kind: str, example: str) -> None:
        if kind not in self._findings:
            severity, message = _KINDS[kind]
            self._findings[kind] = Finding(kind, severity, message)
        self._findings[kind].add(example)

    def add(self, batch: Batch[Row]) -> None:
        for index, row in enumerate(batch.rows):
            number = self._queries.get(row.id)
            if number is None:
                number = self._first(row, batch, index)
            else:
                self._compare(self._facts[number], row, batch, index)
            self._count(number, row, batch, index)

    def _first(self, row: Row, batch: Batch[Row], index: int) -> int:
        number = self._queries[row.id] = len(self._facts)
        self._facts.append(_Query(row, str(batch.folder), batch.place(index)))
        self._seen.append(0)
        if not row.question.strip():
            self.found("empty question", f"{row.id} ({batch.place(index)})")
        if not answers_of(row):
            self.found("no answer", f"{row.id} ({batch.place(index)})")
        return number

    def _compare(self, query: _Query, row: Row, batch: Batch[Row], index: int) -> None:
        if _asked(row) != query.asked:
            differs = "question or answer"
        elif not same_images(located(row.image, str(batch.folder)), query.images):
            differs = "image"
        elif group_of(row) != query.group:
            differs = "group"
        elif row.split != query.split:
            differs = "split"
        else:
            return
        where = f"{query.first} and {batch.place(index)}"
        self.found("contradiction", f"{row.id}: its {differs} differs between {where}")

    def _count(self, number: int, row: Row, batch: Batch[Row], index: int) -> None:
        model = self._models.get(row.model)
        if model is None:
            model = self._models[row.model] = _Model()
        bit = 1 << self._columns.setdefault(row.model, len(self._columns))
        if self._seen[number] & bit:
            self.found("duplicate row", f"{row.id}, {row.model} ({batch.place(index)})")
            return
        self._seen[number] |= bit
        model.rows += 1
        model.priced += row.cost is not None
        model.timed += row.latency is not None
        query = self._facts[number]
        if row.label is None:
            self.found("no label", f"{row.id}, {row.model} ({batch.place(index)})")
        else:
            model.right += row.label
            model.wrong += not row.label
            query.right += row.label
            query.wrong += not row.label
        if row.output is not None and not row.output.strip():
            self.found("empty output", f"{row.id}, {row.model} ({batch.place(index)})")

    def report(self, reading: ReadReport, images: bool) -> Report:
        self._report_reading(reading)
        names = list(dict.fromkeys(image for query in self._facts for image in query.images))
        digests = self._look_at(names) if images else {}
        self._report_splits()
        self._report_repeated(digests)
        self._report_models()
        for query in self._facts:
            if query.wrong and not query.right:
                self.found("nobody right", query.id)
        order = list(_KINDS)
        return Report(
            rows=reading.rows,
            queries=len(self._facts),
            groups=len({query.group for query in self._facts}),
            images=len(names),
            models={name: model.rows for name, model in self._models.items()},
            findings=sorted(self._findings.values(), key=lambda one: order.index(one.kind)),
        )

    def _report_reading(self, reading: ReadReport) -> None:
        for kind, count in reading.bad.counts.most_common():
            for example in reading.bad.examples[kind]:
                self.found("bad row", _shown(example))
            self._findings["bad row"].count += count - len(reading.bad.examples[kind])
        if reading.bad:
            finding = self._findings["bad row"]
            finding.message = f"{reading.bad.kinds}: {finding.message}"
        for name, place in reading.unknown_fields.items():
            self.found("unknown field", f"{name} ({place})")

    def _look_at(self, names: list[str]) -> dict[str, bytes]:
        """Open each image once; return the hashes of those that can be decoded."""
        from PIL import Image

        digests: dict[str, bytes] = {}
        for name in names:
            if "://" in name:
                self.found("unreadable image", f"{name} is a URL: the router reads files")
        with warnings.catch_warnings():
            # Those beyond the router's limit are found anyway.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            for name, fault, digest in _opened([name for name in names if "://" not in name]):
                if fault == "does not exist":
                    self.found("missing image", name)
                elif fault is not None:
                    self.found("unreadable image", f"{name} {fault}")
                if digest is not None:
                    digests[name] = digest
        return digests

    def _report_splits(self) -> None:
        splits: dict[str, dict[str, None]] = {}
        for query in self._facts:
            if query.split is not None:
                splits.setdefault(query.group, {})[query.split] = None
        for group, several in splits.items():
            if len(several) > 1:
                self.found("group in several splits", f"{group}: {', '.join(several)}")

    def _report_repeated(self, digests: dict[str, bytes]) -> None:
        same: dict[object, _Query] = {}
        # The first query of each split, of those that are repeated.
        several: dict[object, dict[str, _Query]] = {}
        for query in self._facts:
            key = (query.asked[0], *(digests.get(image, image) for image in query.images))
            first = same.setdefault(key, query)
            if first is query:
                continue
            splits = several.setdefault(key, {first.split: first} if first.split else {})
            other = next((one for split, one in splits.items() if split != query.split), None)
            if query.split is not None:
                splits.setdefault(query.split, query)
            if other is not None and query.split is not None:
                both = f"{other.id} ({other.split}) and {query.id} ({query.split})"
                self.found("query in several splits", both)
            else:
                apart = "" if first.group == query.group else ", in different groups"
                self.found("repeated query", f"{first.id} and {query.id}{apart}")

    def _report_models(self) -> None:
        for name, model in self._models.items():
            if model.rows < len(self._facts):
                missing = len(self._facts) - model.rows
                self.found("model lacks rows", f"{name} lacks {missing:,} of {len(self._facts):,}")
            known = model.right + model.wrong
            if known > 1 and known in (model.right, model.wrong):
                side = "right" if model.right else "wrong"
                self.found("one class", f"{name} is always {side} ({known:,} rows)")
            if 0 < model.priced < model.rows:
                self.found("partly priced", f"{name}: {model.priced:,} of {model.rows:,}")
            if 0 < model.timed < model.rows:
                self.found("partly timed", f"{name}: {model.timed:,} of {model.rows:,}")


def _shown(row: BadRow) -> str:
    return f"{row.kind}: {row}"


def _opened(names: list[str]) -> Iterator[tuple[str, str | None, bytes | None]]:
    """Decode and hash images in several threads; Pillow lets go of the interpreter's lock."""

    def look(name: str) -> tuple[str, str | None, bytes | None]:
        try:
            path = Path(name)
            fault = fault_of(path)
            return name, fault, None if fault is not None else digest_of(path)
        except OSError as error:
            return name, str(error.strerror), None

    with ThreadPoolExecutor() as threads:
        # In portions, so that the results of a million images do not wait in a queue.
        for start in range(0, len(names), 256):
            yield from threads.map(look, names[start : start + 256])
