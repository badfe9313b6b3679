"""Measuring what a run wrote, as it is routed by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arms.data import OutcomeTable
from arms.options import Output
from arms.progress import Metrics
from arms.router import Router


def measured(router: Router, table: OutcomeTable | None, *, exact: bool = False) -> Metrics | None:
    """Measure a router by its calibrated confidences, of which those above 0.5 say yes.

    A trainer would measure its own weights, before they are rounded and calibrated.

    Parameters
    ----------
    router
        The router.
    table
        The outcomes. Those of models that are none of its candidates are not used.
    exact
        Decode JPEGs at full size.

    Returns
    -------
    Metrics
        `None` if there is no table, or no known outcome in it.
    """
    if table is None:
        return None
    # In the order of the pool: of equals routing takes the first.
    table = table.select(models=[name for name in router.candidates if name in table.models])
    table = table.take(np.flatnonzero(table.known.any(axis=1)))
    if not len(table):
        return None
    logits = _calibrated_logits(router, table, exact)
    chosen = np.where(table.known, logits, -np.inf).argmax(axis=1)
    signs = np.where(table.labels == 1, 1, -1)
    return Metrics(
        loss=float(np.logaddexp(0, -signs * logits)[table.known].mean()),
        accuracy=float(((logits > 0) == (signs > 0))[table.known].mean()),
        exact_match=float((table.labels[np.arange(len(table)), chosen] == 1).mean()),
        query_count=len(table),
        outcome_count=int(table.known.sum()),
    )


def _calibrated_logits(router: Router, table: OutcomeTable, exact: bool) -> NDArray[np.float64]:
    """Return ``[Q, M]``, whose sigmoid are the confidences; of these themselves 1 has no loss."""
    names = list(table.models)
    logits = np.empty(table.labels.shape)
    for row, query in enumerate(zip(table.images, table.questions, strict=True)):
        logits[row] = router.score([query], names, output=Output.LOGIT, exact=exact)[0]
    infos = [router.candidates[name] for name in names]
    return np.asarray(logits / [info.temperature for info in infos] + [info.bias for info in infos])
