"""How the gate spreads queries over the fusion experts."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from arms.evaluation.experts import ExpertLoad
from arms.plots.style import COLOURS, HATCHES, figure, short, styled

__all__ = ["expert_load"]


@styled
def expert_load(load: ExpertLoad) -> Figure:
    """Draw the mean gate of each expert, over all queries and by task; each bar sums to 100 %.

    Parameters
    ----------
    load
        Of `arms.evaluation.expert_load`.
    """
    rows = {"all queries": load.mean}
    if len(load.by_task) > 1:
        rows |= {short(task) or "(none)": values for task, values in load.by_task.items()}
    shares = 100 * np.array(list(rows.values()))
    drawn, axes = figure(6.4, 1.5 + 0.32 * len(rows))
    left = np.zeros(len(rows))
    for expert, widths in enumerate(shares.T):
        axes.barh(
            range(len(rows)),
            widths,
            0.74,
            left,
            color=COLOURS[expert % len(COLOURS)],
            hatch=HATCHES[expert % len(HATCHES)],
            edgecolor="white",
            label=f"{expert}",
        )
        for row, width in enumerate(widths):
            if width >= 7:
                axes.text(
                    left[row] + width / 2,
                    row,
                    f"{width:.0f}",
                    ha="center",
                    va="center",
                    fontsize=7.5,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
                )
        left += widths
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlim(0, 100)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"mean gate (%); balance {load.balance:.2f}, 1 is uniform")
    drawn.legend(loc="outside upper center", title="expert", ncols=min(8, shares.shape[1]))
    return drawn
