"""Finishing a run: the model file and the configuration beside it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from arms.candidates import CandidateInfo
from arms.data import OutcomeTable
from arms.dataset import DataSet
from arms.router import Router
from arms.training.configuration import OptionsType, configuration_path, write_configuration
from arms.training.options import RunOptions


def with_threads(options: OptionsType, router: Router) -> OptionsType:
    """Say how many threads "all cores" are, as other numbers give other bits."""
    return replace(options, threads=router.info.threads)


def drop_calibration(router: Router) -> list[str]:
    """Take back the calibration of the first router, whose weights are to be trained.

    Returns
    -------
    list
        What to say of it.
    """
    fitted = [one for one in router.candidates.list() if one.router == 0 and _is_calibrated(one)]
    router.candidates.update_all(replace(one, temperature=1.0, bias=0.0) for one in fitted)
    return ["the model's calibration was of other weights, and is dropped"] if fitted else []


def kept_calibration(router: Router, names: Collection[str]) -> list[str]:
    """Say that candidates keep a calibration that was fitted to other weights.

    Parameters
    ----------
    router
        A router that was extended.
    names
        Candidates to say nothing of, as they are new.
    """
    old = [one for one in router.candidates.list() if one.router == 0 and one.name not in names]
    if not any(map(_is_calibrated, old)):
        return []
    return [
        "old candidates keep the model's calibration, which was of other weights, and new ones "
        "have none: calibrate anew"
    ]


def _is_calibrated(one: CandidateInfo) -> bool:
    return (one.temperature, one.bias) != (1.0, 0.0)


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
