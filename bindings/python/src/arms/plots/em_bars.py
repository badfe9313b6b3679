"""Exact match of models and routers side by side (Fig. 5)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from arms.evaluation.bootstrap import Estimate
from arms.evaluation.view import ORACLE
from arms.plots.style import COLOURS, HATCHES, OWN, figure, short, styled

__all__ = ["em_bars"]


@styled
def em_bars(results: Mapping[str, Mapping[str, Estimate]], own: str | None = None) -> Figure:
    """Draw exact match with standard errors; the best value of each set is bold, the second plain.

    The oracle, which nothing can beat, is not counted among them.

    Parameters
    ----------
    results
        By the name of a test set, "ID" say, by the name of a model or router. What a set lacks
        gets no bar.
    own
        Which of them is the evaluated router.
    """
    names = list(dict.fromkeys(name for values in results.values() for name in values))
    drawn, axes = figure(6.4, 0.9 + (0.09 + 0.15 * len(results)) * len(names))
    height = 0.8 / len(results)
    for place, (label, values) in enumerate(results.items()):
        held = [(row, *_percent(values.get(name))) for row, name in enumerate(names)]
        shown = [bar for bar in held if np.isfinite(bar[1])]
        beatable = (bar[1] for bar in shown if names[bar[0]] != ORACLE)
        ranked = sorted(beatable, reverse=True)[:2]
        for number, (row, value, error) in enumerate(shown):
            y = row + (place - (len(results) - 1) / 2) * height
            axes.barh(
                y,
                value,
                height * 0.92,
                xerr=error,
                color=OWN if names[row] == own else COLOURS[place % 3],
                hatch=HATCHES[place % len(HATCHES)],
                edgecolor="white",
                error_kw={"elinewidth": 0.9, "capsize": 2, "ecolor": "#333333"},
                label=label if number == 0 and len(results) > 1 else None,
            )
            axes.annotate(
                f"{value:.1f}",
                (value + error, y),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
                fontweight="bold" if value in ranked[:1] else None,
                color="black" if value in ranked else "#777777",
            )
    axes.set_yticks(range(len(names)), [short(name, 34) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("exact match (%), with standard error")
    if len(results) > 1:
        drawn.legend(loc="outside upper right", ncols=len(results))
    return drawn


def _percent(estimate: Estimate | None) -> tuple[float, float]:
    if estimate is None or estimate.value is None:
        return np.nan, 0.0
    return 100 * estimate.value, 100 * (estimate.error or 0.0)
