"""Data sets of M2's form: who answered which query right, at what cost and latency.

One row is one answer of one vision-language model (VLM) to one query, as in section 3 of the
paper: `Record` documents its fields. Rows lie in JSON Lines or Parquet files and are streamed, so
that a data set may be larger than the memory; images are only ever named.

>>> from arms.data import OutcomeTable
>>> table = OutcomeTable.read("m2.jsonl.gz")  # doctest: +SKIP
>>> table.labels.shape  # doctest: +SKIP
(5010, 14)

A name is imported when it is first used: `OutcomeTable` needs numpy alone, the readers need the
packages of the extra ``arms[data]``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arms.data.building import BuildOptions, build
    from arms.data.checking import Report, check
    from arms.data.errors import BadRow, BadRowError, BadRowKind, BadRows, DataError
    from arms.data.labelling import LabelOptions, is_correct, label
    from arms.data.outcomes import OutcomeTable
    from arms.data.reading import Batch, read_batches, read_queries, read_records
    from arms.data.schema import Query, QueryRow, Record, Row
    from arms.data.writing import RecordWriter, write_records

_HOMES = {
    "BadRow": "errors",
    "BadRowError": "errors",
    "BadRowKind": "errors",
    "BadRows": "errors",
    "Batch": "reading",
    "BuildOptions": "building",
    "DataError": "errors",
    "LabelOptions": "labelling",
    "OutcomeTable": "outcomes",
    "Query": "schema",
    "QueryRow": "schema",
    "Record": "schema",
    "RecordWriter": "writing",
    "Report": "checking",
    "Row": "schema",
    "build": "building",
    "check": "checking",
    "is_correct": "labelling",
    "label": "labelling",
    "read_batches": "reading",
    "read_queries": "reading",
    "read_records": "reading",
    "write_records": "writing",
}

__all__ = [
    "BadRow",
    "BadRowError",
    "BadRowKind",
    "BadRows",
    "Batch",
    "BuildOptions",
    "DataError",
    "LabelOptions",
    "OutcomeTable",
    "Query",
    "QueryRow",
    "Record",
    "RecordWriter",
    "Report",
    "Row",
    "build",
    "check",
    "is_correct",
    "label",
    "read_batches",
    "read_queries",
    "read_records",
    "write_records",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
