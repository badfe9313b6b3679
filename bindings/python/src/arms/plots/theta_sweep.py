"""The threshold cascade of independent training (Fig. 7b)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from arms.evaluation.bootstrap import Estimate
from arms.evaluation.cascade import ThetaPoint
from arms.plots.style import COLOURS, MARKERS, figure, styled

__all__ = ["theta_sweep"]


@styled
def theta_sweep(points: Sequence[ThetaPoint]) -> Figure:
    """Draw exact match as bars and the label metrics as lines over theta.

    Parameters
    ----------
    points
        Of `arms.evaluation.theta_sweep`. Under each theta stands the share of the queries for
        which the second router was asked. The best value of each metric is annotated.
    """
    drawn, axes = figure(6.2, 4)
    places = np.arange(len(points))
    em, errors = (np.array(v) for v in zip(*(_percent(p.em) for p in points), strict=True))
    axes.bar(
        places, em, 0.62, yerr=errors, color="#c9dcea", edgecolor=COLOURS[0], capsize=2, label="EM"
    )
    best = int(np.nanargmax(em)) if np.isfinite(em).any() else None
    if best is not None:
        axes.annotate(
            f"{em[best]:.1f}",
            (places[best], em[best] + errors[best]),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontweight="bold",
            fontsize=8,
        )
    for number, name in enumerate(("accuracy", "precision", "recall", "f1")):
        values = np.array([_percent(getattr(point.labels, name))[0] for point in points])
        colour = COLOURS[number + 1]
        marker = MARKERS[number]
        axes.plot(places, values, marker=marker, color=colour, label=_LABELS[name], markersize=5)
        if np.isfinite(values).any():
            top = int(np.nanargmax(values))
            axes.annotate(
                f"{values[top]:.1f}",
                (places[top], values[top]),
                (0, -7),
                textcoords="offset points",
                ha="center",
                va="top",
                fontsize=8,
                bbox={"facecolor": "white", "edgecolor": colour, "linewidth": 0.8, "pad": 1.2},
            )
    axes.set_xticks(places, [f"{point.theta:g}\n{100 * point.second:.0f} %" for point in points])
    axes.set_xlabel("θ, and below it the queries that ask the second router")
    axes.set_ylabel("%")
    axes.set_ylim(0, 100)
    axes.grid(visible=False, axis="x")
    drawn.legend(loc="outside upper center", ncols=5)
    return drawn


_LABELS = {"accuracy": "accuracy", "precision": "precision", "recall": "recall", "f1": "F1"}


def _percent(estimate: Estimate) -> tuple[float, float]:
    if estimate.value is None:
        return np.nan, 0.0
    return 100 * estimate.value, 100 * (estimate.error or 0.0)
