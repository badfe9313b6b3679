"""What accuracy costs under each router."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from arms.evaluation.cost_quality import pareto_points
from arms.evaluation.curve_summary import CurveSummary
from arms.evaluation.view import ModelResult
from arms.plots.style import COLOURS, OWN, figure, short, styled

__all__ = ["cost_quality_frontier"]

_LINES = ("-", "--", ":", "-.")


@styled
def cost_quality_frontier(curves: Sequence[CurveSummary], models: Sequence[ModelResult]) -> Figure:
    """Draw the Pareto points of each router's curve over lambda, and the single models.

    Parameters
    ----------
    curves
        The evaluated router first, of `arms.evaluation.curve_summaries`.
    models
        Those whose cost is known are drawn; only those that no other model beats are named.
    """
    drawn, axes = figure(7.2, 4.4)
    drawn_costs: list[float] = []
    for place, curve in enumerate(curves):
        cost, accuracy = pareto_points(np.array(curve.cost), np.array(curve.accuracy))
        drawn_costs += (1000 * cost).tolist()
        axes.plot(
            1000 * cost,
            100 * accuracy,
            _LINES[place % len(_LINES)],
            # There is no line through one point.
            marker="D" if len(cost) == 1 else None,
            color=OWN if place == 0 else [c for c in COLOURS if c != OWN][(place - 1) % 6],
            linewidth=2.4 if place == 0 else 1.3,
            label=short(curve.router),
            zorder=3 if place == 0 else 2,
        )
    known = [
        (model.name, 1000 * model.cost, 100 * model.em.value)
        for model in models
        if model.cost is not None and model.em.value is not None
    ]
    if known:
        _, costs, values = zip(*known, strict=True)
        axes.plot(costs, values, "o", color="#333333", markersize=4, label="single model", zorder=4)
        best = set(zip(*pareto_points(np.array(costs), np.array(values)), strict=True))
        for name, x, y in known:
            if (x, y) in best:
                axes.annotate(
                    short(name, 22),
                    (x, y),
                    (5, -5),
                    textcoords="offset points",
                    va="top",
                    fontsize=7.5,
                    annotation_clip=False,
                    zorder=5,
                    path_effects=[withStroke(linewidth=2.5, foreground="white")],
                )
        # What is free has no place on a logarithmic axis.
        if min(*costs, *drawn_costs) > 0 and max(costs) > 4 * min(costs):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.set_minor_formatter(_two_and_five)
    axes.margins(x=0.12, y=0.08)
    axes.set_xlabel("cost (US dollars a thousand queries)")
    axes.set_ylabel("exact match (%)")
    drawn.legend(loc="outside right upper")
    return drawn


def _two_and_five(value: float, _place: float) -> str:
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""
