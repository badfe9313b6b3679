"""Whether confidences hold what they promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from arms.evaluation.calibration import Calibration
from arms.plots.style import COLOURS, OWN, styled

__all__ = ["reliability_diagram"]


@styled
def reliability_diagram(calibration: Calibration) -> Figure:
    """Draw accuracy over confidence with standard errors, and how many pairs each bin holds.

    Parameters
    ----------
    calibration
        Of `arms.evaluation.calibration`.
    """
    drawn = Figure(figsize=(4.4, 5.3))
    FigureCanvasAgg(drawn)
    upper, lower = drawn.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    filled = [
        (entry.confidence, entry.accuracy.value, entry.accuracy.error or 0.0)
        for entry in calibration.bins
        if entry.confidence is not None and entry.accuracy.value is not None
    ]
    upper.plot([0, 1], [0, 1], "--", color="#777777", linewidth=1, label="perfect")
    if filled:
        x, y, errors = zip(*filled, strict=True)
        # Points at the very edge are drawn whole.
        look: dict[str, Any] = {"color": OWN, "capsize": 2, "markersize": 4.5, "clip_on": False}
        upper.errorbar(x, y, _inside(y, errors), fmt="-o", label="router", zorder=3, **look)
    upper.set_xlim(0, 1)
    upper.set_ylim(0, 1)
    upper.set_ylabel("share that is right")
    upper.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    upper.legend(loc="upper left")
    told = [
        f"{name} {estimate.value:.3f}"
        + ("" if estimate.error is None else f" ± {estimate.error:.3f}")
        for name, estimate in (("ECE", calibration.ece), ("Brier", calibration.brier))
        if estimate.value is not None
    ]
    upper.text(0.97, 0.05, "\n".join(told), ha="right", transform=upper.transAxes)
    edges = [entry.low for entry in calibration.bins]
    widths = [entry.high - entry.low for entry in calibration.bins]
    counts = [entry.count for entry in calibration.bins]
    lower.bar(edges, counts, widths, align="edge", color=COLOURS[0], edgecolor="white")
    lower.set_ylabel("pairs")
    lower.set_xlabel("confidence")
    lower.xaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    return drawn


def _inside(values: Sequence[float], errors: Sequence[float]) -> list[list[float]]:
    """Return the errors below and above, cut where a share would leave 0 to 1."""
    below = [min(error, value) for value, error in zip(values, errors, strict=True)]
    above = [min(error, 1 - value) for value, error in zip(values, errors, strict=True)]
    return [below, above]
