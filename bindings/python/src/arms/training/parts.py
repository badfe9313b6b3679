"""The parts of a run's data: what is trained on, measured on, and kept out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from arms._output import check_output
from arms.data import OutcomeTable
from arms.data.files import find_files
from arms.errors import InvalidArgumentError
from arms.router import Router
from arms.training.configuration import configuration_path
from arms.training.images import with_images
from arms.training.options import RunOptions

if TYPE_CHECKING:
    from arms.data.reading import ReadReport


@dataclass(frozen=True, slots=True)
class Parts:
    """Outcomes by their use; no group is in two.

    Attributes
    ----------
    training
        What is trained on.
    validation
        What is measured after every epoch, and calibrated on; `None` if nothing is.
    held_out
        What is measured in the end alone; `None` if nothing is.
    """

    training: OutcomeTable
    validation: OutcomeTable | None
    held_out: OutcomeTable | None

    def with_images(self, router: Router, *, lenient: bool) -> tuple[Parts, list[str]]:
        """Return the parts without the queries whose images are no files, and what to say of these.

        Raises
        ------
        DataError
            If there is one, unless `lenient`.
        InvalidArgumentError
            If nothing is left to train on.
        """
        notes: list[str] = []

        def part(table: OutcomeTable) -> OutcomeTable:
            table, said = with_images(router, table, lenient=lenient)
            notes.extend(said)
            return table

        parts = self._each(part)
        return replace(parts, training=_filled(parts.training)), notes

    def of_trained_models(self) -> tuple[Parts, list[str]]:
        """Return the parts without the models of which nothing can be learned, and these models.

        A router that knew such a model would route to it by its profile alone.
        """
        left = without_outcome(self.training, self.training.models)
        models = [name for name in self.training.models if name not in left]
        return self._each(lambda table: table.select(models=models)), left

    def _each(self, change: Callable[[OutcomeTable], OutcomeTable]) -> Parts:
        return Parts(
            change(self.training),
            None if self.validation is None else change(self.validation),
            None if self.held_out is None else change(self.held_out),
        )


def read_parts(options: RunOptions, report: ReadReport | None = None) -> Parts:
    """Read the data of a run and part it by group.

    Raises
    ------
    DataError
        If a row cannot be used, or there is none.
    InvalidArgumentError
        If a split or an outcome of one of the models asked for is missing or a part is empty, or
        one group is in two of them, or if the run would write over a file that it reads.
    OSError
        If the run could not write its files.
    """
    _check_outputs(options)
    table = OutcomeTable.read(
        list(options.data), strict=not options.lenient, models=options.models, report=report
    )
    absent = without_outcome(table, options.models or ())
    if absent:
        raise InvalidArgumentError(
            f"the data has no outcome of {', '.join(absent)}: look at models"
        )
    held_out = None
    if options.held_out is not None:
        mask = in_listed_groups(table, options.held_out)
        table, held_out = table.take(~mask), table.take(mask)
    wanted = usual_split(table, options.split, "train")
    training = table if wanted is None else table.take(of_split(table, wanted))
    if options.validation_split is not None:
        validation = table.take(of_split(table, options.validation_split))
    elif options.validation > 0:
        training, validation = training.split_by_group(options.validation, options.seed)
        if not len(validation):
            raise InvalidArgumentError(
                f"validation is {options.validation}, which of so few groups is none: set it to 0, "
                "or give more data"
            )
    else:
        return Parts(_filled(training), None, held_out)
    shared = set(training.groups) & set(validation.groups)
    if shared:
        raise InvalidArgumentError(
            f"group {min(shared)!r} is among training and validation queries: what is measured "
            "would be known by heart"
        )
    return Parts(_filled(training), validation, held_out)


def without_outcome(table: OutcomeTable, models: Iterable[str]) -> list[str]:
    """Return those of a table's models of which no outcome is known."""
    return [name for name in models if not table.known[:, table.index_of(name)].any()]


def _check_outputs(options: RunOptions) -> None:
    written: set[Path] = set()
    for number, path in enumerate([*options.outputs, configuration_path(options.output)]):
        # The output, which is the first, alone may take the place of the model.
        check_output(path, _inputs(options, model=number > 0))
        if path.resolve() in written:
            raise InvalidArgumentError(
                f"{path}: is written twice by this run, and one of both would be lost: "
                "name another file"
            )
        written.add(path.resolve())


def _inputs(options: RunOptions, *, model: bool) -> Iterator[Path]:
    """Yield the files that a run reads; the data are looked for when they are asked for."""
    yield from (path for path in (options.held_out, options.candidates) if path is not None)
    if model:
        yield options.model
    yield from find_files(options.data)


def usual_split(
    table: OutcomeTable, asked: str | None, usual: Literal["train", "test"]
) -> str | None:
    """Return the split to use, or `None` for all queries, where records have no splits.

    Parameters
    ----------
    table
        The records.
    asked
        The split that was asked for, if one was.
    usual
        The one to use where none was.

    Raises
    ------
    InvalidArgumentError
        If none was asked for, and the records have splits but not the usual one: to use all would
        mix training and test queries.
    """
    known = _splits(table)
    if asked is not None or not known:
        return asked
    if usual in known:
        return usual
    unmarked = (
        f"; `arms data build --keep-splits --test {int(usual == 'test')}` makes those without a "
        f"split {usual}"
        if None in table.splits
        else ""
    )
    raise InvalidArgumentError(
        f"the records have the splits {', '.join(known)}, and no {usual}: say with --split which "
        f"of them to use{unmarked}"
    )


def select(table: OutcomeTable, split: str | None, groups: Path | None) -> OutcomeTable:
    """Return what a router that is trained already learns from, as a calibration.

    Raises
    ------
    InvalidArgumentError
        If neither is given though the records have splits, which training may have seen.
    """
    if groups is not None:
        table = table.take(in_listed_groups(table, groups))
    if split is not None:
        return table.take(of_split(table, split))
    known = _splits(table)
    if known and groups is None:
        raise InvalidArgumentError(
            f"the records have the splits {', '.join(known)}: say with --split which of them to "
            "learn from; a calibration wants one that no training has seen"
        )
    return table


def in_listed_groups(table: OutcomeTable, path: Path) -> NDArray[np.bool_]:
    """Tell which queries are of the groups that a file lists, one a line ``[Q]``.

    Raises
    ------
    InvalidArgumentError
        If none is, or all are, or the file lists a group that the queries do not have: a misspelt
        one would stay among them.
    """
    # Only at line feeds, as a group may have a carriage return in it; editors may put a mark of the
    # encoding before the first.
    with path.open(encoding="utf-8-sig", newline="\n") as lines:
        listed = dict.fromkeys(line.removesuffix("\n").removesuffix("\r") for line in lines)
    mask = np.fromiter((group in listed for group in table.groups), np.bool_, len(table))
    if not mask.any() or mask.all():
        raise InvalidArgumentError(
            f"{path}: names {'all' if mask.any() else 'none'} of the groups of the data"
        )
    there = set(table.groups)
    absent = [group for group in listed if group and group not in there]
    if absent:
        raise InvalidArgumentError(
            f"{path}: {len(absent):,} of the groups listed are not in the data, {absent[0]!r} "
            "first: mend the name, or leave them out of the list"
        )
    return mask


def of_split(table: OutcomeTable, split: str) -> NDArray[np.bool_]:
    """Tell which queries are of a split ``[Q]``.

    Raises
    ------
    InvalidArgumentError
        If none is.
    """
    mask = np.equal(table.splits, split).astype(np.bool_)
    if not mask.any():
        raise InvalidArgumentError(
            f"the data has no split {split!r}: it has {', '.join(_splits(table)) or 'none'}"
        )
    return mask


def _splits(table: OutcomeTable) -> list[str]:
    return sorted({name for name in table.splits if name is not None})


def _filled(table: OutcomeTable) -> OutcomeTable:
    if not table.known.any():
        raise InvalidArgumentError(
            "no outcome is left to train on: look at split, models, held-out"
        )
    return table
