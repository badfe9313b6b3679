"""Finishing a run: the model file and the configuration beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from arms.data import OutcomeTable
from arms.dataset import DataSet
from arms.router import Router
from arms.training.configuration import OptionsType, configuration_path, write_configuration
from arms.training.options import RunOptions


def with_threads(options: OptionsType, router: Router) -> OptionsType:
    """Say how many threads "all cores" are, as other numbers give other bits."""
    return replace(options, threads=router.info.threads)


def calibrate(router: Router, options: RunOptions, validation: OutcomeTable | None) -> bool:
    """Calibrate a router as the options ask, and say whether it was."""
    if not options.calibrate or validation is None:
        return False
    with dataset(validation, options) as data:
        router.calibrate(data, strength=options.strength)
    return True


def dataset(table: OutcomeTable, options: RunOptions) -> DataSet:
    """Make a part's data set as the options say."""
    return table.to_dataset(exact=options.exact)


def keep_configuration(command: str, options: RunOptions) -> Path | None:
    """Write the configuration of a run beside its output, and return it if it runs that again.

    It does not where the output took the place of the model, from which the run began.
    """
    path = configuration_path(options.output)
    write_configuration(path, command, options)
    return None if options.output.samefile(options.model) else path
