"""From records to the data sets that routers train on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from arms._marshal import refuse_text
from arms.data.errors import DataError
from arms.dataset import DataSet, Outcome
from arms.errors import ArmsError, CandidateExistsError

if TYPE_CHECKING:
    from arms.data.outcomes import OutcomeTable


def to_dataset(
    table: OutcomeTable, *, models: Sequence[str] | None = None, exact: bool = False
) -> DataSet:
    """Make the data set of a table; see `OutcomeTable.to_dataset`."""
    refuse_text(models, "models")
    columns = table.index_of(*(table.models if models is None else models))
    data = DataSet()
    for row in np.flatnonzero(table.known[:, columns].any(axis=1)).tolist():
        outcomes = {
            table.models[column]: Outcome(
                table.labels[row, column],
                cost=None if np.isnan(table.costs[row, column]) else table.costs[row, column],
            )
            for column in columns
            if not np.isnan(table.labels[row, column])
        }
        try:
            data.add(table.images[row], table.questions[row], outcomes, exact=exact)
        except CandidateExistsError as error:
            raise DataError(
                f"query {table.ids[row]!r} has the question and images of another query: keep one"
            ) from error
        except ArmsError as error:
            raise DataError(f"query {table.ids[row]!r}: {error}") from error
    return data
