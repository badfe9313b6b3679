"""Training a router from a data set's files to a model file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arms._output import beside
from arms.dataset import DataSet
from arms.errors import InvalidArgumentError
from arms.progress import Metrics, Report
from arms.router import Router
from arms.trainer import Trainer
from arms.training.measuring import measured
from arms.training.options import TrainOptions
from arms.training.parts import Parts, read_parts
from arms.training.pool import add_missing
from arms.training.report import RunReport
from arms.training.result import (
    calibrate,
    dataset,
    drop_calibration,
    keep_configuration,
    with_threads,
)

if TYPE_CHECKING:
    from arms.data.reading import ReadReport


def train(
    options: TrainOptions,
    *,
    resume: bool = False,
    progress: Report = False,
    report: ReadReport | None = None,
) -> RunReport:
    """Train a router on records, and write it and its configuration (Eq. 1).

    The same options, files and machine give the same bytes of weights. A calibration that the model
    has is dropped, as it was fitted to other weights. Models of which the data to train on has no
    outcome are left out.

    Parameters
    ----------
    options
        What to train on what, and how.
    resume
        Go on from the checkpoint, if it is there.
    progress
        As of `arms.Trainer.run`.
    report
        Is told what was left out of the data.

    Raises
    ------
    ArmsError, OSError
        If the data or a model file cannot be used; the output is then as it was.
    """
    if resume and options.checkpoint is None:
        raise InvalidArgumentError("resume needs a checkpoint to go on from: give its path")
    read = read_parts(options, report)
    with Router(options.model, threads=options.threads) as router:
        options = with_threads(options, router)
        read, notes = read.with_images(router, lenient=options.lenient)
        parts, unknown = read.of_trained_models()
        dropped = drop_calibration(router)
        add_missing(
            router,
            parts.training.models,
            candidates=options.candidates,
            name_only=options.name_only,
        )
        with (
            Trainer(router, **options.training) as trainer,
            dataset(parts.training, options) as data,
        ):
            if resume and options.checkpoint is not None and options.checkpoint.exists():
                trainer.resume(options.checkpoint)
            epochs = _run(trainer, data, parts, options, progress)
            calibrated, held_out = _write(trainer, parts, options)
            return RunReport(
                output=options.output,
                configuration=keep_configuration("train", options),
                queries=len(data),
                outcomes=data.outcome_count,
                epochs=epochs,
                held_out=held_out,
                calibrated=calibrated,
                notes=notes + _left_out(unknown) + ([] if calibrated else dropped),
            )


def _left_out(models: list[str]) -> list[str]:
    said = f"left out, as the data to train on has no outcome of theirs: {', '.join(models)}"
    return [said] if models else []


def _run(
    trainer: Trainer, data: DataSet, parts: Parts, options: TrainOptions, progress: Report
) -> list[Metrics]:
    validation = None if parts.validation is None else dataset(parts.validation, options)
    return trainer.run(
        data,
        validation,
        checkpoint=options.checkpoint,
        checkpoint_interval=options.checkpoint_interval,
        progress=progress,
    )


def _write(trainer: Trainer, parts: Parts, options: TrainOptions) -> tuple[bool, Metrics | None]:
    """Write the output; say whether it is calibrated, and what it gives on what was kept out."""
    if options.adapter is not None:
        trainer.save_adapter(options.adapter)
    # What is calibrated and measured are the weights as they are saved, which may be of fewer bits.
    with beside(options.output) as trained:
        trainer.save(trained, weights=options.type)
        with Router(trained, threads=options.threads) as router:
            calibrated = calibrate(router, options, parts.validation)
            held_out = measured(router, parts.held_out, exact=options.exact)
            router.save(options.output)
    return calibrated, held_out
