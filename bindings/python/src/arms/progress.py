"""What training tells of itself, step by step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from arms import _ffi
from arms._interrupts import Interrupts
from arms.errors import ArmsError, CancelledError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["Metrics", "Progress", "Report"]


@dataclass(frozen=True, slots=True)
class Metrics:
    """How well a router does on a data set.

    Parameters
    ----------
    loss
        The mean binary cross-entropy, weighted by the outcomes' weights alone.
    accuracy
        Share of the outcomes that the sign of the logit predicts.
    exact_match
        EM: share of the queries whose candidate of the highest logit, among those with a known
        outcome, answered correctly.
    query_count, outcome_count
        What was measured.
    """

    loss: float
    accuracy: float
    exact_match: float
    query_count: int
    outcome_count: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, after a step.

    Parameters
    ----------
    epoch
        From 0.
    step, step_count
        Steps made, and of the whole run.
    loss
        Of the last batch.
    learning_rate
        Of the last step.
    validation
        At the end of an epoch, if there is validation data.
    """

    epoch: int
    step: int
    step_count: int
    loss: float
    learning_rate: float
    validation: Metrics | None


Report: TypeAlias = bool | Callable[[Progress], object]
"""True for a progress bar on the terminal, or a function that is called after every step."""


def run_steps(train: Callable[[Any], None], progress: Report) -> list[Metrics]:
    """Make a call of the library that trains, and tell of its steps.

    Parameters
    ----------
    train
        Makes the call with the callback that it is given.
    progress
        What is told. A function may raise to end the run; an interrupt (Ctrl-C), or another signal
        whose handler raises, ends it after the present step.

    Returns
    -------
    list
        What each validation gave.

    Raises
    ------
    BaseException
        What the handler of a signal or `progress` raised, in place of `CancelledError`.
    """
    raised: list[BaseException] = []
    validations: list[Metrics] = []
    with _reporting(progress) as report, Interrupts() as interrupts:

        def after_step(step: Any, _user_data: Any) -> int:
            try:
                made = _progress(step.contents)
                if made.validation is not None:
                    validations.append(made.validation)
                report(made)
            except BaseException as error:  # noqa: BLE001 - raised again below
                raised.append(error)
            return int(bool(raised) or interrupts.pending is not None)

        try:
            train(_ffi.ProgressCallback(after_step))
        except ArmsError as error:
            for reason in raised:
                raise reason from None if isinstance(error, CancelledError) else error
            raise
    return validations


def metrics_of(metrics: _ffi.Metrics) -> Metrics:
    """Read what the library measured."""
    return Metrics(
        loss=metrics.loss,
        accuracy=metrics.accuracy,
        exact_match=metrics.exact_match,
        query_count=metrics.query_count,
        outcome_count=metrics.outcome_count,
    )


def _progress(progress: _ffi.Progress) -> Progress:
    validation = progress.validation
    return Progress(
        epoch=progress.epoch,
        step=progress.step,
        step_count=progress.step_count,
        loss=progress.loss,
        learning_rate=progress.learning_rate,
        validation=(
            None if validation is None else metrics_of(_ffi.Metrics.from_address(validation))
        ),
    )


def _reporting(progress: Report) -> AbstractContextManager[Callable[[Progress], object]]:
    if callable(progress):
        return nullcontext(progress)
    if not isinstance(progress, bool):
        raise TypeError(
            f"progress is a {type(progress).__name__}: expected True, False or a function"
        )
    if not progress:
        return nullcontext(_ignore)
    from arms._progress_bar import ProgressBar

    return ProgressBar()


def _ignore(_progress: Progress) -> None:
    pass
