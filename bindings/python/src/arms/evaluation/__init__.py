"""What a router gains, measured honestly.

>>> from arms.evaluation import Outcomes, evaluate
>>> evaluation = evaluate(outcomes, scores, training=training)  # doctest: +SKIP
>>> print(evaluation.verdict.sentence)  # doctest: +SKIP
ARMS beats everything that it was compared with: ...

All of it works on plain arrays and needs numpy alone, but for the logistic and MLP baselines and
the plots: ``pip install 'arms[evaluation]'``.
"""

from arms.evaluation.bootstrap import Bootstrap, Estimate, Interval
from arms.evaluation.breakdown import Breakdown, breakdowns
from arms.evaluation.calibration import (
    Calibration,
    ReliabilityBin,
    calibration,
    expected_calibration_error,
)
from arms.evaluation.cascade import ThetaPoint, cascade_choices, theta_sweep
from arms.evaluation.classification import LabelMetrics, confusion, label_metrics, label_scores
from arms.evaluation.comparison import Comparison, compare
from arms.evaluation.cost_quality import (
    Curve,
    aiq,
    cost_quality_curve,
    lambda_grid,
    nauc,
    pareto_points,
    peak,
    quality_neutral_cost,
    shared_range,
)
from arms.evaluation.curve_summary import CurveSummary, curve_summaries
from arms.evaluation.evaluation import DataSummary, Evaluation, evaluate
from arms.evaluation.experts import ExpertLoad, expert_load
from arms.evaluation.outcomes import Outcomes
from arms.evaluation.paradox import paradox_matrix
from arms.evaluation.rank_score import rank_score
from arms.evaluation.references import (
    cheapest_model,
    mean_per_task,
    model_accuracies,
    oracle,
    random_choice,
    single_model,
    strongest_model,
)
from arms.evaluation.selection import Routed, choose, lambda_for_cost, routed
from arms.evaluation.serialization import from_json, read_evaluation, to_json
from arms.evaluation.verdict import Verdict
from arms.evaluation.view import ModelResult, RouterResult, View

__all__ = [
    "Bootstrap",
    "Breakdown",
    "Calibration",
    "Comparison",
    "Curve",
    "CurveSummary",
    "DataSummary",
    "Estimate",
    "Evaluation",
    "ExpertLoad",
    "Interval",
    "LabelMetrics",
    "ModelResult",
    "Outcomes",
    "ReliabilityBin",
    "Routed",
    "RouterResult",
    "ThetaPoint",
    "Verdict",
    "View",
    "aiq",
    "breakdowns",
    "calibration",
    "cascade_choices",
    "cheapest_model",
    "choose",
    "compare",
    "confusion",
    "cost_quality_curve",
    "curve_summaries",
    "evaluate",
    "expected_calibration_error",
    "expert_load",
    "from_json",
    "label_metrics",
    "label_scores",
    "lambda_for_cost",
    "lambda_grid",
    "mean_per_task",
    "model_accuracies",
    "nauc",
    "oracle",
    "paradox_matrix",
    "pareto_points",
    "peak",
    "quality_neutral_cost",
    "random_choice",
    "rank_score",
    "read_evaluation",
    "routed",
    "shared_range",
    "single_model",
    "strongest_model",
    "theta_sweep",
    "to_json",
]
