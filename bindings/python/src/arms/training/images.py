"""Looking for the images of queries before the work that they would stop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arms.data import DataError, OutcomeTable
from arms.encoded import embedding_width
from arms.router import Router


def with_images(
    router: Router, table: OutcomeTable, *, lenient: bool
) -> tuple[OutcomeTable, list[str]]:
    """Leave out the queries with a label whose images are no files, or refuse them.

    Returns
    -------
    tuple
        The other queries, and what to say of those left out.

    Raises
    ------
    DataError
        As `images_found`.
    """
    labelled = np.asarray(table.known.any(axis=1))
    images = [paths if known else () for paths, known in zip(table.images, labelled, strict=True)]
    found = images_found(router, table.ids, images, lenient=lenient)
    if found.all():
        return table, []
    return table.take(found), [left_out(table.ids, found)]


def images_found(
    router: Router,
    ids: NDArray[Any],
    images: Iterable[Sequence[str]],
    *,
    lenient: bool,
) -> NDArray[np.bool_]:
    """Tell which queries have images that are files ``[Q]``; all, where a router sees none.

    Parameters
    ----------
    router
        It opens them.
    ids
        Names of the queries.
    images
        Paths of each query's images.
    lenient
        Whether queries whose images are no files are to be left out.

    Raises
    ------
    DataError
        If one is none, unless `lenient`; it names the query.
    """
    if not embedding_width(router):
        return np.ones(len(ids), np.bool_)
    known: dict[str, bool] = {}
    found = []
    for name, paths in zip(ids, images, strict=True):
        for path in paths:
            if path not in known:
                known[path] = Path(path).is_file()
        absent = [path for path in paths if not known[path]]
        if absent and not lenient:
            what = "is a URL, not a file" if "://" in absent[0] else "does not exist"
            raise DataError(
                f"query {str(name)!r}: image {absent[0]} {what}: mend it, or leave out what cannot "
                "be used with --lenient"
            )
        found.append(not absent)
    return np.array(found, np.bool_)


def left_out(ids: NDArray[Any], found: NDArray[np.bool_]) -> str:
    """Say how many queries were left out for lack of an image, and name the first."""
    first = str(ids[~found][0])
    return (
        f"left out, for an image that does not exist: {(~found).sum():,} of {len(found):,} "
        f"queries, {first!r} first"
    )
