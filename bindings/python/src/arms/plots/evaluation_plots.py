"""Which plots an evaluation holds the figures for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure

from arms.evaluation.bootstrap import Estimate
from arms.evaluation.evaluation import Evaluation
from arms.evaluation.view import CHEAPEST, STRONGEST, View
from arms.plots.cost_quality_frontier import cost_quality_frontier
from arms.plots.em_bars import em_bars
from arms.plots.expert_load import expert_load
from arms.plots.paradox_matrix import paradox_matrix
from arms.plots.reliability_diagram import reliability_diagram
from arms.plots.theta_sweep import theta_sweep

__all__ = ["em_of", "evaluation_plots"]


def evaluation_plots(evaluation: Evaluation) -> dict[str, Callable[[], Figure]]:
    """Return, by name, what draws each plot that the evaluation has figures for."""
    view = evaluation.all
    sets = {"all queries": em_of(view)}
    if evaluation.answerable is not None:
        sets["answerable"] = em_of(evaluation.answerable)
    shares = np.array(view.paradox, np.float64)
    plots: dict[str, Callable[[], Figure]] = {
        "em": lambda: em_bars(sets, evaluation.router),
        "paradox": lambda: paradox_matrix(evaluation.data.models, shares),
        "reliability": lambda: reliability_diagram(view.calibration),
    }
    if view.curves:
        plots["frontier"] = lambda: cost_quality_frontier(view.curves, view.models)
    experts, thetas = evaluation.experts, evaluation.thetas
    if experts is not None:
        plots["experts"] = lambda: expert_load(experts)
    if thetas:
        plots["theta"] = lambda: theta_sweep(thetas)
    return plots


def em_of(view: View) -> dict[str, Estimate]:
    """Return the exact match of the single models and then of the routers, by name."""
    # A candidate may be called as a router is.
    taken = {result.name for result in view.routers}
    models = {
        f"{model.name} (model)" if model.name in taken else model.name: model.em
        for model in view.models
    }
    # The strongest and the cheapest model stand among the models already.
    routers = {
        result.name: result.em
        for result in view.routers
        if not result.name.startswith((STRONGEST, CHEAPEST))
    }
    return models | routers
