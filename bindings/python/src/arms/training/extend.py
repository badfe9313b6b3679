"""Extending a router to new candidates, by the paper's two strategies."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from arms._output import beside, check_output
from arms.data import OutcomeTable
from arms.errors import InvalidArgumentError
from arms.progress import Metrics, Report
from arms.router import Router
from arms.trainer import Trainer
from arms.training.measuring import measured
from arms.training.options import ExtendOptions, Strategy
from arms.training.parts import Parts, read_parts, without_outcome
from arms.training.pool import add_missing, profiled
from arms.training.report import RunReport
from arms.training.result import (
    calibrate,
    dataset,
    keep_configuration,
    kept_calibration,
    with_threads,
)

if TYPE_CHECKING:
    from arms.data.reading import ReadReport


def extend(
    options: ExtendOptions, *, progress: Report = False, report: ReadReport | None = None
) -> RunReport:
    """Extend a router to new candidates, and write it and its configuration.

    The same options, files and machine give the same bytes of weights. Unless the run calibrates,
    an incremental extension keeps the old candidates' calibration, with which it was checked.

    Parameters
    ----------
    options
        Whom to learn from what, and how. Of the models in the data that are neither new nor of the
        router nothing is used.
    progress
        As of `arms.Trainer.run`.
    report
        Is told what was left out of the data.

    Returns
    -------
    RunReport
        Where the old candidates did worse than the tolerance allows, nothing is written, and
        `accepted` is false.

    Raises
    ------
    ArmsError, OSError
        If the data or a model file cannot be used; the output is then as it was.
    """
    check_output(options.output)
    parts = read_parts(options, report)
    with Router(options.model, threads=options.threads) as router:
        options = with_threads(options, router)
        parts, notes = parts.with_images(router, lenient=options.lenient)
        data = _shares(parts, router, options)
        run = _incremental if options.strategy is Strategy.INCREMENTAL else _independent
        made = run(router, data, options, progress)
        return replace(made, notes=notes + made.notes)


@dataclass(frozen=True, slots=True)
class _Shares:
    """The outcomes of new and old candidates."""

    new: OutcomeTable
    old: OutcomeTable
    validation: OutcomeTable | None
    held_out: OutcomeTable | None


def _shares(parts: Parts, router: Router, options: ExtendOptions) -> _Shares:
    new = parts.training.select(models=options.new)
    absent = without_outcome(new, options.new)
    if absent:
        raise InvalidArgumentError(f"the data to train on has no outcome of {', '.join(absent)}")
    old = [
        name
        for name in parts.training.models
        if name in router.candidates and name not in options.new
    ]
    if options.replay and not old:
        raise InvalidArgumentError("the data has no outcome of an old candidate to replay")
    everybody = [*old, *options.new]

    def of_everybody(table: OutcomeTable | None) -> OutcomeTable | None:
        return None if table is None else table.select(models=everybody)

    return _Shares(
        new,
        parts.training.select(models=old),
        of_everybody(parts.validation),
        of_everybody(parts.held_out),
    )


def _incremental(
    router: Router, data: _Shares, options: ExtendOptions, progress: Report
) -> RunReport:
    add_missing(router, options.new, candidates=options.candidates, name_only=options.name_only)
    training = dataset(data.new, options)
    validation = None if data.validation is None else dataset(data.validation, options)
    # Their outcomes of new candidates are left aside by the library.
    checks = options.check and validation is not None and bool(data.old.models)
    extension = router.extend(
        options.new,
        training,
        replayed=dataset(data.old, options) if options.replay else None,
        replay_share=options.replay or None,
        distillation=options.distill,
        held_out=validation if checks else None,
        tolerance=options.tolerance,
        validation=validation,
        progress=progress,
        **options.training,
    )
    held_out, calibrated = None, False
    if extension.accepted:
        calibrated = calibrate(router, options, data.validation)
        held_out = measured(router, data.held_out, exact=options.exact)
        router.save(options.output)
    return RunReport(
        output=options.output if extension.accepted else None,
        configuration=keep_configuration("extend", options) if extension.accepted else None,
        queries=len(training),
        outcomes=training.outcome_count,
        epochs=list(extension.validation),
        held_out=held_out,
        calibrated=calibrated,
        accepted=extension.accepted,
        before=extension.before,
        after=extension.after,
        notes=[] if calibrated else kept_calibration(router, options.new),
    )


def _independent(
    router: Router, data: _Shares, options: ExtendOptions, progress: Report
) -> RunReport:
    known = [name for name in options.new if name in router.candidates]
    if known:
        raise InvalidArgumentError(
            f"{options.model}: has {', '.join(known)} in its pool already: remove what is to get "
            "a router of its own"
        )
    training = dataset(data.new, options)
    validation = data.validation and data.validation.select(models=options.new)
    # The second router begins with the first one's weights, and a pool of its own.
    with Router(options.model, threads=options.threads) as second:
        second.candidates.remove(*second.candidates)
        second.candidates.add(
            profiled(options.new, candidates=options.candidates, name_only=options.name_only)
        )
        with Trainer(second, **options.training) as trainer:
            epochs = trainer.run(
                training,
                None if validation is None else dataset(validation, options),
                progress=progress,
            )
            with beside(options.output) as trained:
                trainer.save(trained, weights=options.type)
                calibrated, held_out = _join(router, trained, data, options)
    return RunReport(
        output=options.output,
        configuration=keep_configuration("extend", options),
        queries=len(training),
        outcomes=training.outcome_count,
        epochs=epochs,
        held_out=held_out,
        calibrated=calibrated,
    )


def _join(
    first: Router, trained: Path, data: _Shares, options: ExtendOptions
) -> tuple[bool, Metrics | None]:
    """Write the cascade; say whether it is calibrated, and what its new part gives."""
    left = data.held_out and data.held_out.select(models=options.new)
    with (
        Router(trained, threads=options.threads) as second,
        beside(options.output) as joined,
    ):
        first.join(second, joined, theta=options.theta)
        with Router(joined, threads=options.threads) as both:
            calibrated = calibrate(both, options, data.validation)
            held_out = measured(both, left, exact=options.exact)
            both.save(options.output)
    return calibrated, held_out
