"""What other programs say of an output, as a label."""

from __future__ import annotations

from typing import Any

from arms.data.errors import DataError
from arms.data.importing.cells import as_bool, as_number
from arms.data.importing.options import ImportOptions


def verdict_fields(verdict: Any, options: ImportOptions, place: str) -> dict[str, Any] | None:
    """Return the fields that a verdict gives: the label, and the judge for a score between 0 and 1.

    Parameters
    ----------
    verdict
        A score, a truth value, or the text of one.
    options
        The threshold of scores.
    place
        Where it lies, for the error: ``results.csv:7``.

    Returns
    -------
    dict or None
        `None` if it is no verdict.

    Raises
    ------
    DataError
        If a score lies above 1 and no threshold was given: of a scale to 5 or 100, nobody but the
        user knows what is right.
    """
    score = None if isinstance(verdict, bool) else as_number(verdict)
    if score is None:
        right = as_bool(verdict)
        return {"label": right} if isinstance(right, bool) else None
    if options.threshold is None and score > 1:
        raise DataError(
            f"{place}: a score of {score:g}, above 1: say from which score on an output "
            "counts as right, with --threshold or ImportOptions(threshold=...)"
        )
    threshold = 1.0 if options.threshold is None else options.threshold
    fields: dict[str, Any] = {"label": score >= threshold}
    if 0 < score < 1:
        fields["judge"] = score
    return fields
