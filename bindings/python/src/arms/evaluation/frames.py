"""Columns of data frames, brought to the order of the models by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from arms.errors import InvalidArgumentError

__all__ = ["in_order"]


def in_order(values: Any, models: Sequence[str], what: str) -> Any:
    """Return values whose columns are in the order of the models.

    Parameters
    ----------
    values
        A pandas frame, or a series of one value a model, is put in order by its columns or its
        index, if they are names. Whatever has no names is returned as it is.
    models
        The names wanted.
    what
        How errors call the values.

    Raises
    ------
    InvalidArgumentError
        If the names are others than the models'.
    """
    if not hasattr(values, "to_numpy"):
        return values
    names = getattr(values, "columns", getattr(values, "index", None))
    # pandas numbers what was given no names; and the index of a list is a method.
    if names is None or callable(names) or list(names) == list(range(len(names))):
        return values
    if len(names) != len(models) or set(names) != set(models):
        raise InvalidArgumentError(
            f"{what} is of {', '.join(str(name) for name in names[:8])}: expected one column a "
            f"model, by name: {', '.join(models[:8])}"
        )
    return values[list(models)]
