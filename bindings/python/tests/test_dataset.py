"""Data sets: what they take, join, copy and refuse."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas
import pytest
from numpy.typing import NDArray

import arms
from arms.dataset import SampleLike

QUESTION = "How many red cars are on the left?"


def test_rows_of_one_query_are_joined(pixels: NDArray[np.uint8]) -> None:
    data = arms.DataSet()
    assert (len(data), data.outcome_count) == (0, 0)
    data.add(pixels, QUESTION, {"small": True, "large": 0})
    data.add([pixels], QUESTION, {"third": arms.Outcome(1, weight=2, cost=0.5)})
    data.add(None, QUESTION, {"small": np.float32(1)})
    data.add([pixels, pixels], QUESTION, {"small": np.bool_(False)})
    assert (len(data), data.outcome_count) == (3, 5)
    assert repr(data) == "DataSet(3 queries, 5 outcomes)"


def test_every_way_to_give_an_image(png: Path, pixels: NDArray[np.uint8]) -> None:
    from PIL import Image

    data = arms.DataSet()
    images: list[arms.Images] = [
        png,
        str(png),
        png.read_bytes(),
        pixels,
        pixels[:, ::-1],
        Image.fromarray(pixels),
        np.zeros((3, 4, 4), np.float32),
        np.stack([pixels, pixels]),
    ]
    for number, image in enumerate(images):
        data.add(image, QUESTION, {f"candidate {number}": 1})
    # The path is one image in both spellings, and so are the pixels of an array and of PIL.
    assert (len(data), data.outcome_count) == (6, 8)


def test_what_is_given_is_copied(pixels: NDArray[np.uint8]) -> None:
    data = arms.DataSet()
    array = pixels.copy()
    data.add(array, QUESTION, {"small": 1})
    array[:] = 0
    data.add(array, QUESTION, {"small": 1})
    data.add(pixels[:, :50][:, :40], QUESTION, {"small": 1})
    data.add(np.ascontiguousarray(pixels[:, :40]), QUESTION, {"large": 1})
    assert (len(data), data.outcome_count) == (3, 4)


def test_takes_an_iterator() -> None:
    def rows() -> Iterator[SampleLike]:
        yield arms.Sample(None, "one", {"small": 1})
        yield None, "two", {"large": 0}
        yield None, "one", {"large": 0}

    data = arms.DataSet(rows())
    assert (len(data), data.outcome_count) == (2, 3)


def test_an_iterator_that_fails_says_where() -> None:
    rows = [(None, str(number), {"small": number}) for number in range(4)]
    data = arms.DataSet()
    with pytest.raises(arms.InvalidArgumentError, match="expected 0 or 1") as caught:
        data.extend(rows)
    assert caught.value.__notes__ == ["this is sample 2 of those to be added; 2 were"]
    assert len(data) == 2


def test_takes_a_table() -> None:
    data = arms.DataSet()
    labels = [[1, 0, np.nan], [np.nan, np.nan, np.nan], [0, np.nan, 1]]
    questions = ["one", "two", "three"]
    data.add_table([None] * 3, questions, ["a", "b", "c"], labels, costs=[[0.1, np.nan, 0.3]])
    assert (len(data), data.outcome_count) == (2, 4)
    with pytest.raises(arms.InvalidArgumentError, match=r"expected \[3, 2\]"):
        data.add_table([None] * 3, questions, ["a", "b"], labels)
    with pytest.raises(arms.InvalidArgumentError, match=r"weights .* broadcasts to \[3, 3\]"):
        data.add_table([None] * 3, questions, ["a", "b", "c"], labels, weights=[1, 2])
    with pytest.raises(arms.InvalidArgumentError, match="'a' has 2 columns"):
        data.add_table([None] * 3, questions, ["a", "b", "a"], labels)
    assert data.outcome_count == 4


def test_a_table_goes_by_the_order_of_its_rows() -> None:
    class Series:
        """As one of pandas whose rows were shuffled: an index is no place."""

        def __init__(self, values: list[str]) -> None:
            self.values = values

        def __len__(self) -> int:
            return len(self.values)

        def __iter__(self) -> Iterator[str]:
            return iter(self.values)

        def __getitem__(self, label: int) -> str:
            return self.values[-1 - label]

    data = arms.DataSet()
    data.add_table([None] * 2, Series(["one", "two"]), ["a"], [[1.0], [np.nan]])
    with pytest.raises(arms.CandidateExistsError, match='"one"'):
        data.add(None, "one", {"a": 1})
    data.add(None, "two", {"a": 1})


@pytest.mark.parametrize(
    ("column", "alone"),
    [
        ("images", "a.png"),
        ("images", b"a"),
        ("images", Path("a.png")),
        ("images", None),
        ("questions", "one"),
        ("candidates", "a"),
    ],
)
def test_a_table_takes_several_of_each(column: str, alone: object) -> None:
    table: dict[str, Any] = {"images": [None], "questions": ["one"], "candidates": ["a"]}
    data, kind = arms.DataSet(), type(alone).__name__
    with pytest.raises(TypeError, match=f"{column} is a {kind}: expected a list of several"):
        data.add_table(**(table | {column: alone}), labels=[[1]])
    assert len(data) == 0


class Nullable:
    """As pandas has it: what is missing is no number until one is named for it."""

    def __init__(self, rows: list[list[int | None]]) -> None:
        self.rows = rows

    def __array__(self, *_: object, **__: object) -> NDArray[np.object_]:
        return np.array(self.rows, object)

    def to_numpy(self, dtype: type, *, na_value: float) -> NDArray[np.float64]:
        assert np.isnan(na_value)
        return np.array(self.rows, dtype)


def test_a_table_may_have_nullable_columns() -> None:
    data = arms.DataSet()
    table: Any = Nullable([[1, None], [None, 0], [None, None]])
    data.add_table([None] * 3, ["one", "two", "three"], ["a", "b"], table, costs=table)
    assert (len(data), data.outcome_count) == (2, 2)


@pytest.mark.parametrize("kind", ["boolean", "Int64", "bool[pyarrow]", "object"])
def test_a_table_may_be_a_data_frame(kind: str) -> None:
    labels = pandas.DataFrame({"a": [True, None], "b": [False, True]}).astype(kind)
    data = arms.DataSet()
    data.add_table([None] * 2, ["one", "two"], ["a", "b"], labels)
    assert (len(data), data.outcome_count) == (2, 3)


@pytest.mark.parametrize("column", ["labels", "weights", "costs"])
def test_what_is_no_number_is_named_by_its_table(column: str) -> None:
    given: dict[str, Any] = {"labels": [[1]]}
    for wrong, error in (([[object()]], TypeError), ([["x"]], arms.InvalidArgumentError)):
        with pytest.raises(error, match=f"{column}: expected numbers"):
            arms.DataSet().add_table([None], ["one"], ["a"], **(given | {column: wrong}))


def test_rows_of_an_array_are_samples() -> None:
    # As `to_numpy` of a data frame gives them.
    rows = np.empty((2, 3), object)
    rows[:] = [[None, "one", {"small": 1}], [None, "two", {"large": 0}]]
    data = arms.DataSet()
    data.extend(cast(Any, rows))
    assert (len(data), data.outcome_count) == (2, 2)
    with pytest.raises(TypeError, match="the sample is a ndarray of 2: expected a tuple of image,"):
        data.extend(cast(Any, rows[:, :2]))


@pytest.mark.parametrize(
    ("outcomes", "error", "message"),
    [
        ({}, arms.InvalidArgumentError, "has no outcomes"),
        ({"small": 1}, arms.CandidateExistsError, '"small"'),
        ({"": 1}, arms.InvalidArgumentError, "0 bytes"),
        ({"x" * 96: 1}, arms.InvalidArgumentError, "96 bytes"),
        ({"a\0b": 1}, arms.InvalidArgumentError, "NUL"),
        ({"\ud800": 1}, arms.TextError, "surrogate"),
        ({"x": 0.5}, arms.InvalidArgumentError, "label of 'x' is 0.5"),
        ({"x": np.nan}, arms.InvalidArgumentError, "label of 'x' is nan"),
        ({"x": "yes"}, TypeError, "label of 'x' is a str"),
        ({"x": "1"}, TypeError, "label of 'x' is a str"),
        ({"x": None}, TypeError, "label of 'x' is a NoneType"),
        ({"x": arms.Outcome(1, weight=0)}, arms.InvalidArgumentError, "weight of 'x' is 0"),
        ({"x": arms.Outcome(1, weight=1e-46)}, arms.InvalidArgumentError, "1e-46: expected 1e-18"),
        ({"x": arms.Outcome(1, weight=-1)}, arms.InvalidArgumentError, "weight of 'x' is -1"),
        ({"x": arms.Outcome(1, weight=1e-19)}, arms.InvalidArgumentError, "1e-19: expected 1e-18"),
        ({"x": arms.Outcome(1, weight=1e19)}, arms.InvalidArgumentError, "1e\\+19: expected 1e-18"),
        ({"x": arms.Outcome(1, weight=10**400)}, arms.InvalidArgumentError, "weight of 'x' is too"),
        ({"x": arms.Outcome(1, weight=np.nan)}, arms.NotFiniteError, "weight of 'x' is nan"),
        ({"x": arms.Outcome(1, cost=-1)}, arms.InvalidArgumentError, "cost of 'x' is -1"),
        ({"x": arms.Outcome(1, cost=np.inf)}, arms.NotFiniteError, "cost of 'x' is inf"),
        ({"x": arms.Outcome(1, weight=1e39)}, arms.NotFiniteError, "weight of 'x' is 1e\\+39"),
        ({"x": arms.Outcome(1, cost=np.nan)}, arms.NotFiniteError, "cost of 'x' is nan"),
    ],
)
def test_impossible_outcomes_are_refused(
    outcomes: Mapping[str, arms.Label], error: type[Exception], message: str
) -> None:
    data = arms.DataSet([(None, QUESTION, {"small": 1})])
    with pytest.raises(error, match=message):
        data.add(None, QUESTION, outcomes)
    assert (len(data), data.outcome_count) == (1, 1)


def test_impossible_queries_are_refused(router: arms.Router, pixels: NDArray[np.uint8]) -> None:
    data = arms.DataSet()
    with pytest.raises(TypeError, match="EncodedImage"):
        data.add(router.encode_image(pixels), QUESTION, {"small": 1})
    with pytest.raises(TypeError, match="EncodedQuestion"):
        data.add(pixels, router.encode_question(QUESTION), {"small": 1})  # type: ignore[arg-type]
    with pytest.raises(arms.TextError, match="surrogate"):
        data.add(None, "\ud800", {"small": 1})
    with pytest.raises(arms.ImageError, match=r"images\[1\].*unknown format"):
        data.add([pixels, b"no image at all"], QUESTION, {"small": 1})
    with pytest.raises(arms.InvalidArgumentError, match="path"):
        data.add("", QUESTION, {"small": 1})
    assert len(data) == 0


def test_a_closed_data_set_is_told() -> None:
    with arms.DataSet() as data:
        assert bool(data)
    assert repr(data) == "DataSet(closed)"
    with pytest.raises(arms.InvalidHandleError, match="closed"):
        data.add(None, QUESTION, {"small": 1})
    with pytest.raises(arms.InvalidHandleError, match="closed"):
        len(data)


def test_threads_add_at_once(pixels: NDArray[np.uint8]) -> None:
    data = arms.DataSet()

    def add(thread: int) -> None:
        for number in range(50):
            data.add(pixels if number % 2 else None, str(number), {f"candidate {thread}": 1})

    threads = [threading.Thread(target=add, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(data), data.outcome_count) == (50, 200)
