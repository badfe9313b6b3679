"""Samples to train on and to evaluate with."""

from __future__ import annotations

import ctypes
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import NamedTuple, SupportsFloat, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arms import _ffi
from arms._handle import Handle
from arms._library import call, library
from arms._marshal import c_string, parts, real, real_array, utf8
from arms.encoded import EncodedImage
from arms.errors import InvalidArgumentError, NotFiniteError
from arms.images import Images, flattened, image_inputs

__all__ = ["DataSet", "DataSetMemory", "Label", "Outcome", "Sample"]

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a candidate's answer to a query was worth.

    Parameters
    ----------
    label
        True or 1 if it answered correctly, False or 0 if not.
    weight
        How much it counts, 1e-18 to 1e18.
    cost
        US dollars that the answer cost, if known.
    """

    label: SupportsFloat
    weight: float = 1.0
    cost: float | None = None


Label: TypeAlias = SupportsFloat | Outcome
"""Whether a candidate answered correctly: a truth value, 0 or 1, or an `Outcome`."""


class Sample(NamedTuple):
    """A query, and the outcomes that are known of it.

    Parameters
    ----------
    image
        None, one image, or a list or tuple of them; not encoded.
    question
        A text.
    outcomes
        The label of each candidate that is known: ``{"qwen2-vl-7b": True}``.
    """

    image: Images
    question: str
    outcomes: Mapping[str, Label]


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSetMemory:
    """The memory that a data set holds, in bytes.

    Parameters
    ----------
    sample_bytes
        Copies of questions, images and outcomes.
    cache_bytes
        What frozen layers made of them, and prepared images, for the next epoch.
    """

    sample_bytes: int
    cache_bytes: int


SampleLike: TypeAlias = Sample | tuple[Images, str, Mapping[str, Label]]


class DataSet(Handle):
    """Samples to train on and to evaluate with.

    It only grows, holds copies of what it is given, and belongs to no router. Samples of one query,
    which are those with the same question and the same images given in the same way, are joined: a
    log may be added row by row. An image that many samples share is kept once; of an image given as
    a path the path is kept, and the file read when the image is encoded: once, and again when it
    was written anew.

    Every method may be called from any number of threads at once.

    Parameters
    ----------
    samples
        The first samples; see `extend`.

    Examples
    --------
    >>> data = arms.DataSet()  # doctest: +SKIP
    >>> data.add("chart.png", "Which year had the highest sales?", {"small": 0, "large": 1})
    ... # doctest: +SKIP
    >>> len(data), data.outcome_count  # doctest: +SKIP
    (1, 2)
    """

    def __init__(self, samples: Iterable[SampleLike] = ()) -> None:
        super().__init__("arms_dataset_create", free="arms_dataset_free")
        self.extend(samples)

    def add(
        self, image: Images, question: str, outcomes: Mapping[str, Label], *, exact: bool = False
    ) -> None:
        """Add a query and what is known of the candidates' answers.

        Parameters
        ----------
        image
            None, one image, or a list or tuple of them, not encoded; see `arms.images.Image`.
        question
            A text.
        outcomes
            The label of each candidate that is known, at least one.
        exact
            Decode JPEGs at full size, where large ones are otherwise decoded at a reduced scale.

        Raises
        ------
        CandidateExistsError
            If the outcome of a candidate for that query is there already.
        InvalidArgumentError, NotFiniteError
            If a label is not 0 or 1, a weight not from 1e-18 to 1e18, or a cost negative.
        ImageError, TextError, LimitExceededError
            If an image or the question cannot be used. Whether an image can be decoded is found
            when it is encoded.
        """
        sample, _owners = _described(image, question, outcomes, exact=exact)
        call(library().arms_dataset_add, self._pointer(), ctypes.byref(sample), 1)

    def extend(self, samples: Iterable[SampleLike], *, exact: bool = False) -> None:
        """Add samples one by one, as an iterator gives them.

        Parameters
        ----------
        samples
            Samples, or tuples like them.
        exact
            Decode JPEGs at full size.

        Raises
        ------
        ArmsError
            As `add`, with a note that says which sample it was. Those before it stay.
        """
        self._pointer()
        for number, sample in enumerate(samples):
            try:
                image, question, outcomes = parts(sample, Sample._fields, "the sample")
                self.add(image, question, outcomes, exact=exact)
            except Exception as error:
                error.add_note(f"this is sample {number} of those to be added; {number} were")
                raise

    def add_table(
        self,
        images: Iterable[Images],
        questions: Iterable[str],
        candidates: Iterable[str],
        labels: ArrayLike,
        *,
        weights: ArrayLike | None = None,
        costs: ArrayLike | None = None,
    ) -> None:
        """Add a table with a row for each query and a column for each candidate.

        Rows and columns are taken in the order in which they come: an index, as pandas has one, is
        not looked at.

        Parameters
        ----------
        images
            The images of each query.
        questions
            The question of each query.
        candidates
            The names of the columns, each once.
        labels
            ``[queries, candidates]`` of 0 and 1; NaN where nothing is known, and a row without any
            label is left out.
        weights
            The same shape, or one that broadcasts to it; 1 by default.
        costs
            The same; NaN where a cost is not known.

        Raises
        ------
        InvalidArgumentError
            If the shapes do not fit, or a candidate has two columns.
        ArmsError
            As `extend`.
        """
        table = real_array(labels, "labels")
        # Lists, as a pandas series is indexed by labels, which need not be the order of its rows.
        pictures, texts = _several(images, "images"), _several(questions, "questions")
        names = _several(candidates, "candidates")
        shape = (len(texts), len(names))
        if table.shape != shape or len(pictures) != len(texts):
            raise InvalidArgumentError(
                f"labels have shape {list(table.shape)} for {len(pictures)} images, {len(texts)} "
                f"questions and {len(names)} candidates: expected {list(shape)}"
            )
        for name, count in Counter(names).items():
            if count > 1:
                raise InvalidArgumentError(f"candidate {name!r} has {count} columns: give one")
        weight = _broadcast(1.0 if weights is None else weights, shape, "weights")
        cost = _broadcast(np.nan if costs is None else costs, shape, "costs")
        self.extend(
            Sample(
                pictures[row],
                texts[row],
                {
                    names[column]: Outcome(
                        table[row, column],
                        weight[row, column],
                        None if np.isnan(cost[row, column]) else cost[row, column],
                    )
                    for column in np.flatnonzero(~np.isnan(table[row])).tolist()
                },
            )
            for row in np.flatnonzero(~np.isnan(table).all(axis=1)).tolist()
        )

    def __len__(self) -> int:
        """Return the number of queries; samples of one query count once."""
        return self._counts()[0]

    @property
    def outcome_count(self) -> int:
        """Outcomes of all queries."""
        return self._counts()[1]

    @property
    def memory(self) -> DataSetMemory:
        """The memory that the data set holds, as of now."""
        memory = _ffi.new(_ffi.DataSetBytes)
        call(library().arms_dataset_memory, self._pointer(), ctypes.byref(memory))
        return DataSetMemory(sample_bytes=memory.sample_bytes, cache_bytes=memory.cache_bytes)

    def _counts(self) -> tuple[int, int]:
        count, outcomes = ctypes.c_size_t(), ctypes.c_size_t()
        call(
            library().arms_dataset_count,
            self._pointer(),
            ctypes.byref(count),
            ctypes.byref(outcomes),
        )
        return count.value, outcomes.value

    def __bool__(self) -> bool:
        # An empty data set is still one.
        return True

    def __repr__(self) -> str:
        if self.closed:
            return "DataSet(closed)"
        queries, outcomes = self._counts()
        return f"DataSet({queries} queries, {outcomes} outcomes)"


def _several(values: Iterable[_Entry], what: str) -> list[_Entry]:
    """List the entries; a text or path alone would become its characters, or fail unnamed."""
    if isinstance(values, (str, bytes, os.PathLike, NoneType)):
        raise TypeError(f"{what} is a {type(values).__name__}: expected a list of several")
    return [*values]


def _broadcast(values: ArrayLike, shape: tuple[int, int], what: str) -> NDArray[np.float64]:
    array = real_array(values, what)
    try:
        return np.broadcast_to(array, shape)
    except ValueError as error:
        raise InvalidArgumentError(
            f"{what} have shape {list(array.shape)}: expected one that broadcasts to {list(shape)}"
        ) from error


def _described(
    image: Images, question: str, outcomes: Mapping[str, Label], *, exact: bool
) -> tuple[_ffi.Sample, list[object]]:
    """Describe a sample in a struct, with what must stay alive while the struct is in use."""
    if not isinstance(question, str):
        raise TypeError(f"question is a {type(question).__name__}: a data set keeps a str")
    if not isinstance(outcomes, Mapping):
        raise TypeError(
            f"outcomes are a {type(outcomes).__name__}: expected a mapping from names to labels"
        )
    several = flattened(image)
    if any(isinstance(one, EncodedImage) for one in several):
        raise TypeError("image is an EncodedImage: a data set keeps images that are not encoded")
    inputs, owners = image_inputs(several, exact=exact)
    array = _ffi.new_array(_ffi.Outcome, len(outcomes))
    for slot, (candidate, label) in zip(array, outcomes.items(), strict=True):
        _describe_outcome(slot, candidate, label)
    text = utf8(question, "the question")
    sample = _ffi.new(
        _ffi.Sample,
        image_count=len(several),
        text=text,
        text_length=len(text),
        images=ctypes.addressof(inputs) if several else None,
        outcomes=ctypes.addressof(array) if outcomes else None,
        outcome_count=len(outcomes),
    )
    return sample, [text, inputs, array, *owners]


def _describe_outcome(slot: _ffi.Outcome, candidate: str, label: Label) -> None:
    outcome = label if isinstance(label, Outcome) else Outcome(label)
    number = real(outcome.label, f"label of {candidate!r}")
    if number not in (0.0, 1.0):
        raise InvalidArgumentError(f"label of {candidate!r} is {number}: expected 0 or 1")
    weight = real(outcome.weight, f"weight of {candidate!r}")
    # The library's own words would name the place in the call, which has one sample.
    if not np.isfinite(ctypes.c_float(weight).value):
        raise NotFiniteError(f"weight of {candidate!r} is {weight}: expected a finite number")
    if not 1e-18 <= weight <= 1e18:  # C takes 0 for the default.
        raise InvalidArgumentError(
            f"weight of {candidate!r} is {outcome.weight}: expected 1e-18 to 1e18"
        )
    slot.candidate = c_string(candidate, "a candidate's name")
    slot.label = int(number)
    slot.weight = outcome.weight
    if outcome.cost is not None:
        slot.flags = _ffi.OUTCOME_HAS_COST
        slot.cost = _cost(outcome.cost, candidate)


def _cost(value: float, candidate: str) -> float:
    cost = real(value, f"cost of {candidate!r}")
    if not np.isfinite(cost):
        raise NotFiniteError(f"cost of {candidate!r} is {cost}: expected a finite number")
    if cost < 0:
        raise InvalidArgumentError(f"cost of {candidate!r} is {cost}: expected 0 or more")
    return cost
