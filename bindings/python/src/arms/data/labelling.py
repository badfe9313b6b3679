"""Marking which outputs are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from arms.data.errors import DataError
from arms.data.files import Source
from arms.data.normalize import (
    chosen_letter,
    final_answer,
    normalize,
    options_of,
    parse_number,
    same_number,
    unmarked,
)
from arms.data.reading import ReadReport, read_batches
from arms.data.schema import Row, answers_of
from arms.data.writing import RecordWriter, rebase_images


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """How outputs are marked.

    Attributes
    ----------
    tolerance
        Share of the true value by which a number may be off.
    judge
        Mark by the field `judge`, not by exact match: right from this verdict on.
    relabel
        Mark rows that have a label already too; those that cannot be marked keep it.
    """

    tolerance: float = 0.0
    judge: float | None = None
    relabel: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.tolerance < 1:
            raise DataError(f"the tolerance is a share from 0 to 1, not {self.tolerance}")
        if self.judge is not None and not 0 < self.judge <= 1:
            raise DataError(f"the judge's threshold lies above 0 and up to 1, not {self.judge}")


@dataclass(slots=True)
class ModelLabels:
    """Rows of one model that were marked."""

    right: int = 0
    wrong: int = 0


@dataclass(slots=True)
class LabelReport:
    """What became of the rows.

    Attributes
    ----------
    right, wrong
        Rows that were marked.
    kept
        Rows that had a label and kept it.
    unknown
        Rows without a label that cannot be marked: no output, no answer, or no verdict of a judge.
    models
        Rows of each model that were marked.
    """

    right: int = 0
    wrong: int = 0
    kept: int = 0
    unknown: int = 0
    models: dict[str, ModelLabels] = field(default_factory=dict)


def is_correct(
    output: str, answers: str | Sequence[str], question: str = "", tolerance: float = 0.0
) -> bool:
    r"""Say whether an output matches one of the accepted answers.

    The rules are those of `arms.data.normalize`.

    Parameters
    ----------
    output
        What the model said.
    answers
        The true answer, or several of which any is accepted.
    question
        The question; its options, if it lists any, are what a letter stands for.
    tolerance
        Share of the true value by which a number may be off.

    Examples
    --------
    >>> is_correct("The answer is **1,200**.", "1200")
    True
    >>> is_correct("blue", "B", "Which colour?\nA. red\nB. blue")
    True
    """
    said = final_answer(output)
    options = options_of(question)
    wanted = [answers] if isinstance(answers, str) else answers
    return any(
        output.strip() == answer.strip() or _matches(said, unmarked(answer), options, tolerance)
        for answer in wanted
    )


def _matches(said: str, answer: str, options: dict[str, str], tolerance: float) -> bool:
    letter = answer.strip().strip("().").upper()
    if letter in options:
        return chosen_letter(said, options) == letter
    if normalize(said) == normalize(answer) and normalize(answer):
        return True
    true, found = parse_number(answer), parse_number(said)
    return true is not None and found is not None and same_number(found, true, tolerance)


def label(
    source: Source,
    output: str | Path,
    options: LabelOptions | None = None,
    *,
    strict: bool = True,
    report: ReadReport | None = None,
) -> LabelReport:
    """Write a data set again with its outputs marked.

    Parameters
    ----------
    source
        The data files.
    output
        The file to write. It may be one of the files that are read.
    options
        How to mark.
    strict, report
        As of `arms.data.read_batches`.

    Raises
    ------
    DataError
        If a file cannot be read or written.
    """
    options = options or LabelOptions()
    result = LabelReport()
    target = Path(output)
    with RecordWriter(target) as writer:
        for batch in read_batches(source, strict=strict, report=report):
            for row in batch.rows:
                _mark(row, options, result)
            rebase_images(batch.rows, batch.folder, target.parent)
            writer.write_rows(batch.rows)
    return result


def _mark(row: Row, options: LabelOptions, result: LabelReport) -> None:
    had = row.label is not None
    right = None if had and not options.relabel else _label(row, options)
    if right is None:
        # A label may come from elsewhere than the output: what is known is not forgotten.
        result.kept += had
        result.unknown += not had
        return
    row.label = right
    for counts in (result, result.models.setdefault(row.model, ModelLabels())):
        counts.right += right
        counts.wrong += not right


def _label(row: Row, options: LabelOptions) -> bool | None:
    if options.judge is not None:
        return None if row.judge is None else row.judge >= options.judge
    answers = answers_of(row)
    if row.output is None or not answers:
        return None
    return is_correct(row.output, answers, row.question, options.tolerance)
