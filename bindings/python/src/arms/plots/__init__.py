"""The paper's figures and what else shows a router at work: one function a plot.

Each returns a `matplotlib.figure.Figure` of its own; `save` writes it as PNG, PDF or SVG. No
display and no global state of matplotlib is touched. Needs ``pip install 'arms[evaluation]'``.
"""

from arms.plots.cost_quality_frontier import cost_quality_frontier
from arms.plots.em_bars import em_bars
from arms.plots.expert_load import expert_load
from arms.plots.paradox_matrix import paradox_matrix
from arms.plots.projection import project, projection
from arms.plots.reliability_diagram import reliability_diagram
from arms.plots.style import png, save, svg
from arms.plots.theta_sweep import theta_sweep
from arms.plots.training_curve import data_amount, epochs
from arms.plots.training_strategies import training_strategies

__all__ = [
    "cost_quality_frontier",
    "data_amount",
    "em_bars",
    "epochs",
    "expert_load",
    "paradox_matrix",
    "png",
    "project",
    "projection",
    "reliability_diagram",
    "save",
    "svg",
    "theta_sweep",
    "training_strategies",
]
