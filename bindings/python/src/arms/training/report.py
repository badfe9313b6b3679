"""What a run tells in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from arms.adaptation import HeldOutMetrics
from arms.progress import Metrics


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What a run did.

    Attributes
    ----------
    output
        The model file; `None` if none was written.
    configuration
        The file that runs it again; `None` if no model file was written, or it took the place of
        the one from which the run began.
    queries, outcomes
        What was trained on.
    epochs
        What the validation gave after each epoch, of the weights as they are trained: neither
        calibrated nor rounded to the output's type.
    held_out
        What the output gives on the groups that were kept out of everything, by its calibrated
        confidences; of an independent extension the new router, on the new candidates.
    calibrated
        Whether the run calibrated the output.
    accepted
        Incremental extension: whether the new weights were kept.
    before, after
        Incremental extension: the old candidates on the validation queries, before and after.
    notes
        What else there is to know of the output, a sentence each.
    """

    output: Path | None
    configuration: Path | None
    queries: int
    outcomes: int
    epochs: list[Metrics] = field(default_factory=list)
    held_out: Metrics | None = None
    calibrated: bool = False
    accepted: bool = True
    before: HeldOutMetrics | None = None
    after: HeldOutMetrics | None = None
    notes: list[str] = field(default_factory=list)
