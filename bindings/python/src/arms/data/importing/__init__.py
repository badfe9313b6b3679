"""Other people's results as M2 records.

Each format has a module with a function ``read(paths, options, bad)`` that yields rows whose images
are named relative to the working folder; `import_records` writes them as a data set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from arms._output import check_output
from arms.data.errors import BadRow, BadRowError, BadRows, DataError
from arms.data.importing import columns, helm, m2, mmr_bench, vlmevalkit
from arms.data.importing.options import ImportOptions
from arms.data.importing.report import ImportReport
from arms.data.schema import FIELDS, Row
from arms.data.writing import RecordWriter, rebase_images

__all__ = ["ImportFormat", "ImportOptions", "ImportReport", "import_records", "import_rows"]

_Reader: TypeAlias = Callable[[list[Path], ImportOptions, Callable[[BadRow], None]], Iterator[Row]]


class ImportFormat(StrEnum):
    """A format that can be imported."""

    M2 = "m2"
    """Tables with the fields of the paper's Fig. 2."""
    VLMEVALKIT = "vlmevalkit"
    """Result tables of VLMEvalKit, as VL-RouterBench is built from."""
    MMR_BENCH = "mmr-bench"
    """The CSV of MMR-Bench: one row a query, two columns a model."""
    HELM = "helm"
    """Run folders of HELM and VHELM."""
    CSV = "csv"
    """Any table, by a map of its columns."""


_READERS: dict[ImportFormat, _Reader] = {
    ImportFormat.M2: m2.read,
    ImportFormat.VLMEVALKIT: vlmevalkit.read,
    ImportFormat.MMR_BENCH: mmr_bench.read,
    ImportFormat.HELM: helm.read,
    ImportFormat.CSV: columns.read,
}


# The formats that heed ImportOptions.columns.
_MAPPED = (ImportFormat.M2, ImportFormat.CSV)
# Those that heed ImportOptions.metric.
_MEASURED = (ImportFormat.HELM,)


def import_rows(
    kind: ImportFormat | str,
    paths: Iterable[str | Path],
    options: ImportOptions | None = None,
    *,
    strict: bool = True,
    bad: BadRows | None = None,
) -> Iterator[Row]:
    """Read another format row by row.

    Parameters
    ----------
    kind
        The format.
    paths
        Files or folders, as the format has them.
    options
        What the format leaves open.
    strict
        Whether to stop at the first row that cannot be used; else such rows are counted in `bad`.
    bad
        Filled with what could not be used.

    Yields
    ------
    Row
        Rows whose images are named relative to the working folder.

    Raises
    ------
    BadRowError
        At the first bad row, if `strict`.
    DataError
        If a file is not of the format, or an option is given that the format does not heed.
    """
    met = bad if bad is not None else BadRows()

    def refuse(row: BadRow) -> None:
        if strict:
            raise BadRowError(row)
        met.add(row)

    files = [Path(path) for path in paths]
    for path in files:
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
    form, options = ImportFormat(kind), options or ImportOptions()
    for name in (*options.columns, *options.constants):
        if name not in FIELDS:
            raise DataError(f"there is no field {name!r}; there are {', '.join(FIELDS)}")
    if options.columns and form not in _MAPPED:
        raise DataError(f"the format {form} has columns of its own: none can be named for a field")
    if options.metric is not None and form not in _MEASURED:
        raise DataError(f"the format {form} has no metrics, of which one could be the label")
    yield from _READERS[form](files, options, refuse)


def import_records(
    kind: ImportFormat | str,
    paths: Iterable[str | Path],
    output: str | Path,
    options: ImportOptions | None = None,
    *,
    strict: bool = True,
    bad: BadRows | None = None,
    report: ImportReport | None = None,
) -> int:
    """Write another format as a data set and return how many rows it has.

    Parameters are those of `import_rows`; `output` is a file as of `arms.data.RecordWriter`,
    and `report` is filled with what the rows lack.

    Raises
    ------
    InvalidArgumentError
        If the output is one of the files that are read; otherwise as `import_rows`.
    """
    target, files = Path(output), [Path(path) for path in paths]
    check_output(target, files)
    met = bad if bad is not None else BadRows()
    with RecordWriter(target) as writer:
        for row in import_rows(kind, files, options, strict=strict, bad=met):
            if report is not None:
                report.add(row)
            rebase_images([row], Path(), target.parent)
            writer.write(row)
        if not writer.count:
            why = f": {met}" if len(met) else ""
            raise DataError(f"no row of the format {kind} can be used; nothing is written{why}")
    return writer.count
