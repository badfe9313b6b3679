"""The threshold cascade of independent training (Fig. 7b)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from arms.evaluation.bootstrap import Estimate
from arms.evaluation.cascade import ThetaPoint
from arms.evaluation.outcomes import Floats
from arms.plots.style import COLOURS, MARKERS, figure, styled

__all__ = ["theta_sweep"]


@styled
def theta_sweep(points: Sequence[ThetaPoint]) -> Figure:
    """Draw exact match as bars and the label metrics as lines over theta.

    Parameters
    ----------
    points
        Of `arms.evaluation.theta_sweep`. Under each theta stands the share of the queries for
        which the second router was asked. The legend tells the best value of each metric.
    """
    drawn, axes = figure(6.2, 4)
    places = np.arange(len(points))
    em, errors = (np.array(v) for v in zip(*(_percent(p.em) for p in points), strict=True))
    look: dict[str, Any] = {"color": "#c9dcea", "edgecolor": COLOURS[0], "capsize": 2}
    axes.bar(places, em, 0.62, yerr=errors, label=_best("EM", em), **look)
    for number, (field, name) in enumerate(_LABELS.items()):
        values = np.array([_percent(getattr(point.labels, field))[0] for point in points])
        colour, marker = COLOURS[number + 1], MARKERS[number]
        axes.plot(
            places, values, marker=marker, color=colour, label=_best(name, values), markersize=5
        )
    axes.set_xticks(places, [f"{point.theta:g}\n{100 * point.second:.0f} %" for point in points])
    axes.set_xlabel("θ, and below it the queries that ask the second router")
    axes.set_ylabel("%")
    axes.set_ylim(0, 100)
    axes.grid(visible=False, axis="x")
    drawn.legend(loc="outside upper center", ncols=3)
    return drawn


_LABELS = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1"}


def _best(name: str, values: Floats) -> str:
    return f"{name}, best {np.nanmax(values):.1f}" if np.isfinite(values).any() else name


def _percent(estimate: Estimate) -> tuple[float, float]:
    if estimate.value is None:
        return np.nan, 0.0
    return 100 * estimate.value, 100 * (estimate.error or 0.0)
