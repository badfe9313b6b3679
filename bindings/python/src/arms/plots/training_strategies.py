"""Incremental against independent training (Fig. 7a)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from arms.evaluation.bootstrap import Estimate
from arms.evaluation.classification import LabelMetrics
from arms.plots.style import COLOURS, HATCHES, MARKERS, check_shares, styled

__all__ = ["training_strategies"]


@styled
def training_strategies(
    shares: Sequence[float],
    em: Mapping[str, Sequence[Estimate]],
    labels: Mapping[str, Sequence[LabelMetrics]],
) -> Figure:
    """Draw exact match, and below it the label metrics, over the share of the initial data.

    Parameters
    ----------
    shares
        Of the first pool's training data, from 0 to 1.
    em, labels
        By the name of the strategy, one a share.

    Raises
    ------
    InvalidArgumentError
        If a share is not from 0 to 1.
    """
    check_shares(shares)
    drawn = Figure(figsize=(6.4, 5.4))
    FigureCanvasAgg(drawn)
    upper, lower = drawn.subplots(2, 1, sharex=True)
    places, width = np.arange(len(shares)), 0.8 / len(em)
    for number, (name, estimates) in enumerate(em.items()):
        values = [np.nan if e.value is None else 100 * e.value for e in estimates]
        errors = [100 * (e.error or 0.0) for e in estimates]
        bars = upper.bar(
            places + (number - (len(em) - 1) / 2) * width,
            values,
            width * 0.94,
            yerr=errors,
            capsize=2,
            label=name,
            color=COLOURS[number],
            hatch=HATCHES[number],
            edgecolor="white",
        )
        if np.isfinite(values).any():
            best = int(np.nanargmax(values))
            x = bars[best].get_x() + bars[best].get_width() / 2
            upper.annotate(
                f"{values[best]:.1f}",
                (x, values[best] + errors[best]),
                (0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
    for number, (name, metrics) in enumerate(labels.items()):
        for kind, field in enumerate(("accuracy", "precision", "recall", "f1")):
            found = [getattr(metric, field).value for metric in metrics]
            lower.plot(
                places,
                [np.nan if value is None else 100 * value for value in found],
                "--" if number else "-",
                marker=MARKERS[kind],
                markerfacecolor="white" if number else COLOURS[kind],
                color=COLOURS[kind],
                markersize=5,
                label=f"{'F1' if field == 'f1' else field}, {name}",
            )
    upper.margins(y=0.14)
    upper.set_ylabel("exact match (%)")
    drawn.legend(*upper.get_legend_handles_labels(), loc="outside upper center", ncols=len(em))
    lower.set_ylabel("label metrics (%)")
    lower.set_xlabel("initial training data used (%)")
    lower.set_xticks(places, [f"{100 * share:g}" for share in shares])
    for axes in (upper, lower):
        axes.grid(visible=False, axis="x")
    drawn.legend(*lower.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return drawn
