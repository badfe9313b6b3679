"""What more data or more epochs bring (Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from arms.plots.style import COLOURS, MARKERS, check_shares, figure, styled

__all__ = ["data_amount", "epochs", "metric_lines"]


@styled
def data_amount(shares: Sequence[float], metrics: Mapping[str, Sequence[float]]) -> Figure:
    """Draw metrics over the share of the training data (Fig. 4a).

    Parameters
    ----------
    shares
        From 0 to 1.
    metrics
        Values from 0 to 1 by name, one a share; the best of each is marked, and told in the legend.

    Raises
    ------
    InvalidArgumentError
        If a share is not from 0 to 1.
    """
    check_shares(shares)
    return metric_lines([100 * share for share in shares], metrics, "training data used (%)")


@styled
def epochs(numbers: Sequence[float], metrics: Mapping[str, Sequence[float]]) -> Figure:
    """Draw metrics over the epochs of training (Fig. 4b and 4c).

    Parameters
    ----------
    numbers
        Of epochs.
    metrics
        As of `data_amount`.
    """
    drawn = metric_lines(numbers, metrics, "epochs")
    drawn.axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    return drawn


def metric_lines(
    places: Sequence[float], metrics: Mapping[str, Sequence[float]], label: str
) -> Figure:
    """Draw one line a metric, in percent, and mark the best point of each."""
    drawn, axes = figure(5.2, 3.6)
    for number, (name, values) in enumerate(metrics.items()):
        percent = 100 * np.asarray(values, np.float64)
        colour = COLOURS[number % len(COLOURS)]
        marker = MARKERS[number % len(MARKERS)]
        axes.plot(places, percent, marker=marker, markersize=5, color=colour, label=name)
        if np.isfinite(percent).any():
            best = int(np.nanargmax(percent))
            axes.lines[-1].set_label(f"{name}, best {percent[best]:.1f}")
            axes.plot(places[best], percent[best], marker, markersize=10, color=colour)
    axes.margins(x=0.08, y=0.1)
    axes.set_xlabel(label)
    axes.set_ylabel("%")
    drawn.legend(loc="outside upper center", ncols=min(3, len(metrics)))
    return drawn
