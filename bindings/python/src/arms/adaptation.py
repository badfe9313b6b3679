"""What a live router learns: calibration, new candidates, a second pool."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, SupportsFloat, Unpack

from arms import _ffi
from arms._handle import Handle
from arms._library import call, library
from arms._marshal import ABOVE_ZERO, c_path, c_strings, real, vanishes
from arms._training_options import TrainingOptions, nonnegative, trainer_options
from arms.dataset import DataSet
from arms.errors import InvalidArgumentError
from arms.progress import Metrics, Report, run_steps

if TYPE_CHECKING:
    from arms.router import Router

__all__ = ["AdaptableRouter", "ExtensionReport", "HeldOutMetrics"]


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOutMetrics:
    """How well old candidates are told on held-out queries, by calibrated confidences.

    The fields are those of `Metrics`.
    """

    loss: float
    accuracy: float
    exact_match: float
    query_count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ExtensionReport:
    """What became of an extension.

    Parameters
    ----------
    accepted
        Whether the new weights went live; else the old ones stay.
    generation
        Of the router.
    before, after
        The old candidates on the held-out queries, with the old weights and with the new ones,
        measured as they are routed to: by calibrated confidences, of which those above 0.5 say yes,
        and by the weights as they are stored. `None` without held-out data.
    validation
        What the validation gave after each epoch.
    """

    accepted: bool
    generation: int
    before: HeldOutMetrics | None
    after: HeldOutMetrics | None
    validation: tuple[Metrics, ...]


class AdaptableRouter(Handle):
    """The methods of `arms.Router` by which it learns while it routes.

    What they learn goes live as one new generation: calls in flight finish on the old one, and
    after an error the router is as it was.
    """

    def calibrate(self, data: DataSet, *, strength: SupportsFloat = 256) -> int:
        """Fit the calibration of all candidates, T_j and b_j, to outcomes that no training saw.

        An interrupt (Ctrl-C) is raised when the call ends; what it changed stays.

        Parameters
        ----------
        data
            The outcomes, of some candidates or all.
        strength
            Each candidate's calibration is drawn towards that of all candidates of its router
            together as if these were so many outcomes; one without outcomes takes the common one.
            A router of a cascade none of whose candidates has an outcome keeps its calibrations.

        Returns
        -------
        int
            The router's new generation.

        Raises
        ------
        CandidateNotFoundError
            If there is an outcome of an unknown candidate.
        InvalidArgumentError
            If there are no samples, or `strength` is not above 0.
        ConflictError
            If the router's weights or a candidate were replaced meanwhile, or a candidate was
            fitted.
        ImageError, FileError, LimitExceededError
            If an image cannot be used.
        """
        generation = ctypes.c_uint64()
        call(
            library().arms_router_calibrate,
            self._pointer(),
            DataSet._given(data, "data"),
            _positive(strength, "strength"),
            ctypes.byref(generation),
        )
        return generation.value

    def fit(self, names: str | Iterable[str], data: DataSet, *, strength: SupportsFloat = 8) -> int:
        """Learn some candidates' own weights, delta_j and beta_j, from few outcomes.

        8 to some 1,000 are enough, as everything that candidates share stays as it is. What was
        learned of these candidates before is forgotten.

        An interrupt (Ctrl-C) is raised when the call ends; what it changed stays.

        Parameters
        ----------
        names
            The candidates, of the pool already; one, or several.
        data
            Outcomes of each of them. Those of others are not used.
        strength
            The profile and the mean offset of the other candidates count as much as so many
            outcomes.

        Returns
        -------
        int
            The router's new generation.

        Raises
        ------
        InvalidArgumentError
            If no candidate is named, or one has no outcome; and as `calibrate`.
        ConflictError
            If the router's weights or a named candidate were replaced meanwhile.
        ArmsError
            As `calibrate`.
        """
        generation = ctypes.c_uint64()
        call(
            library().arms_candidates_fit,
            self._pointer(),
            *_names(names),
            DataSet._given(data, "data"),
            _positive(strength, "strength"),
            ctypes.byref(generation),
        )
        return generation.value

    def extend(
        self,
        names: str | Iterable[str],
        data: DataSet,
        *,
        replayed: DataSet | None = None,
        replay_share: float | None = None,
        distillation: float = 0.0,
        held_out: DataSet | None = None,
        tolerance: float = 0.01,
        validation: DataSet | None = None,
        progress: Report = False,
        **training: Unpack[TrainingOptions],
    ) -> ExtensionReport:
        """Go on with training on outcomes of new candidates: incremental training (Eq. 7).

        The new candidates were added before, and are routed to by their profiles alone meanwhile.
        Like `Trainer.commit` it forgets a `fit` that is made while it runs.

        Parameters
        ----------
        names
            The new candidates; one, or several.
        data
            Their outcomes.
        replayed
            Outcomes of old candidates to train on as well, so that less is forgotten; `None` or an
            empty one for none.
        replay_share
            Share of replayed queries among those of the run, below 1; they are drawn by the seed.
            By default a half where there are any.
        distillation
            What an old candidate's former confidence counts, of an outcome, wherever no outcome
            of it is known; 0 for nothing.
        held_out
            Outcomes of old candidates that no training saw. The new weights go live only if these
            are told as well as before; without them they always do.
        tolerance
            By how much exact match and accuracy of the old candidates may fall there, as shares:
            0.01 is a point.
        validation
            Measured after every epoch; `None` or an empty one for nothing.
        progress
            True for a progress bar on the terminal; or a function that is called after every step,
            and may raise to end the run. An interrupt (Ctrl-C) ends it after the present step.
        **training
            The options of `arms.Trainer`; a dictionary of them is `arms.TrainingOptions`.

        Returns
        -------
        ExtensionReport
            Whether the new weights went live, and how the old candidates fare.

        Raises
        ------
        CandidateNotFoundError
            If a name is no candidate, or an outcome of an unknown one.
        InvalidArgumentError
            If an option makes no sense, `data` has no outcome of a new candidate, or `held_out`
            none of an old one.
        ArmsError
            As `arms.Trainer` and `arms.Trainer.run`.
        """
        described = trainer_options(**training)
        options = _ffi.new(
            _ffi.ExtensionOptions,
            training=ctypes.addressof(described),
            replayed=_address(replayed, "replayed"),
            held_out=_address(held_out, "held_out"),
            validation=_address(validation, "validation"),
            replay_share=_share(replay_share, replayed),
            distillation=nonnegative(distillation, "distillation"),
            tolerance=nonnegative(tolerance, "tolerance") or -1.0,
        )
        report = _ffi.new(_ffi.ExtensionReport)
        pointer, outcomes = self._pointer(), DataSet._given(data, "data")
        several = _names(names)

        def train(callback: Any) -> None:
            call(
                library().arms_router_extend,
                pointer,
                *several,
                outcomes,
                ctypes.byref(options),
                callback,
                None,
                ctypes.byref(report),
            )

        return _report(report, run_steps(train, progress), checked=held_out is not None)

    def join(
        self, second: Router, path: str | os.PathLike[str], *, theta: SupportsFloat | None = None
    ) -> None:
        """Write this router and another as one model file, a cascade (Algorithm 1).

        This router's candidates are asked first, the other's when none of them is good enough.
        Encoders that both share are written once. Both routers stay as they are.

        Parameters
        ----------
        second
            The other router. No candidate may be in both.
        path
            Replaced in one step, or left as it is.
        theta
            The file's default: the confidence above which the first pool's best is taken, above 0
            and at most 1. By default this router's.

        Raises
        ------
        CandidateExistsError
            If a candidate is in both.
        InvalidArgumentError
            If one of them is a cascade already, or `theta` is out of range.
        FileError
            If the file cannot be written.
        """
        from arms.router import Router

        encoded = c_path(path, "the model's path")
        call(
            library().arms_router_join,
            self._pointer(),
            Router._given(second, "second"),
            encoded,
            0.0 if theta is None else _theta(theta),
        )


def _names(names: str | Iterable[str]) -> tuple[Any, int]:
    return c_strings([names] if isinstance(names, str) else [*names], "name")


def _address(data: DataSet | None, what: str) -> int | None:
    return None if data is None else DataSet._given(data, what)


def _positive(value: SupportsFloat, what: str) -> float:
    number = real(value, what)
    if not number > 0:  # C takes 0 for the default; this refuses NaN too.
        raise InvalidArgumentError(f"{what} is {value}: expected a number above 0")
    return number


def _theta(value: SupportsFloat) -> float:
    number = real(value, "theta")
    if not number > 0 or vanishes(number):
        raise InvalidArgumentError(f"theta is {value}: {ABOVE_ZERO}")
    return number


def _share(share: float | None, replayed: DataSet | None) -> float:
    if share is None:
        return 0.0  # A half where there is data, nothing else.
    if real(share, "replay_share") == 0 and replayed is not None:
        raise InvalidArgumentError(
            "replay_share is 0 but there is data to replay: give one or none"
        )
    return share


def _report(
    report: _ffi.ExtensionReport, validation: list[Metrics], *, checked: bool
) -> ExtensionReport:
    def metrics(which: str) -> HeldOutMetrics | None:
        if not checked:
            return None
        return HeldOutMetrics(
            loss=getattr(report, f"loss_{which}"),
            accuracy=getattr(report, f"accuracy_{which}"),
            exact_match=getattr(report, f"exact_match_{which}"),
            query_count=report.held_out_count,
        )

    return ExtensionReport(
        accepted=bool(report.accepted),
        generation=report.generation,
        before=metrics("before"),
        after=metrics("after"),
        validation=tuple(validation),
    )
