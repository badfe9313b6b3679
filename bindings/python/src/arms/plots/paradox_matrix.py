"""The performance paradox between models (Fig. 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from arms.plots.style import figure, short, styled

__all__ = ["paradox_matrix"]


@styled
def paradox_matrix(models: Sequence[str], shares: ArrayLike) -> Figure:
    """Draw what share of the row model's errors the column model answers.

    Parameters
    ----------
    models
        Names.
    shares
        ``[models, models]`` from 0 to 1, NaN or `None` where undefined; of
        `arms.evaluation.paradox_matrix`.
    """
    values = 100 * np.asarray(shares, np.float64)
    count = len(models)
    side = max(3.6, 0.5 * count)
    drawn, axes = figure(side + 2.4, side + 1.2)
    axes.grid(visible=False)
    image = axes.imshow(np.ma.masked_invalid(values), cmap="Blues", vmin=0, vmax=100)
    names = [short(name) for name in models]
    axes.set_xticks(range(count), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(count), names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for row, column in np.ndindex(values.shape):
        value = values[row, column]
        if np.isfinite(value):
            colour = "white" if value > 60 else "black"
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", color=colour)
    axes.set_ylabel("wrong: this model")
    axes.set_xlabel("right: this model")
    drawn.colorbar(image, ax=axes, shrink=0.8, label="errors answered (%)")
    return drawn
