"""Scoring many queries at once."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

import arms


@pytest.fixture
def queries(pixels: NDArray[np.uint8]) -> list[arms.Query]:
    """Four queries with none, one and two images."""
    return [
        arms.Query(None, "What is the capital of Peru?"),
        arms.Query(pixels, "What is shown?"),
        arms.Query(pixels[::-1], "What is shown?"),
        arms.Query([pixels, pixels[::-1]], "What differs?"),
    ]


def test_one_row_a_query_and_one_column_a_candidate(
    router: arms.Router, queries: list[arms.Query]
) -> None:
    scores = router.score(queries)
    assert scores.shape == (4, 3)
    assert scores.dtype == np.float32
    for query, row in zip(queries, scores, strict=True):
        by_name = {e.name: e.confidence for e in router.route(*query).ranked}
        np.testing.assert_allclose(row, [by_name[name] for name in router.candidates], rtol=1e-5)


def test_columns_are_the_names_given(router: arms.Router, queries: list[arms.Query]) -> None:
    whole = router.score(queries)
    np.testing.assert_array_equal(router.score(queries, ["unpriced", "small"]), whole[:, [2, 0]])
    router.candidates.disable("large")
    np.testing.assert_array_equal(router.score(queries), whole[:, [0, 2]])


def test_writes_in_place(router: arms.Router, queries: list[arms.Query]) -> None:
    out = np.zeros((4, 3), np.float32)
    assert router.score(queries, out=out) is out
    np.testing.assert_array_equal(out, router.score(queries))


def test_takes_the_rows_of_an_array(router: arms.Router) -> None:
    # As `to_numpy` of a data frame gives them.
    rows = np.array([[None, "What is shown?"], [None, "Where?"]], object)
    scores = router.score([arms.Query(*row) for row in rows])
    np.testing.assert_array_equal(router.score(cast(Any, rows)), scores)


@pytest.mark.parametrize(
    "out",
    [
        np.zeros((3, 4), np.float32),
        np.zeros((4, 3), np.float64),
        np.zeros((3, 4), np.float32).T,
        np.zeros((4, 6), np.float32)[:, ::2],
    ],
)
def test_another_array_does_not_fit(
    out: NDArray[np.float32], router: arms.Router, queries: list[arms.Query]
) -> None:
    with pytest.raises(arms.InvalidArgumentError, match=r"expected a writable .* \[4, 3\]"):
        router.score(queries, out=out)


def test_a_read_only_array_does_not_fit(router: arms.Router, queries: list[arms.Query]) -> None:
    out = np.zeros((4, 3), np.float32)
    out.flags.writeable = False
    with pytest.raises(arms.InvalidArgumentError, match="writable"):
        router.score(queries, out=out)


def test_no_queries(router: arms.Router) -> None:
    assert router.score([]).shape == (0, 3)


def test_logits(router: arms.Router, queries: list[arms.Query]) -> None:
    logits = router.score(queries, output=arms.Output.LOGIT)
    np.testing.assert_allclose(router.score(queries), 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_bad_arguments(router: arms.Router, queries: list[arms.Query]) -> None:
    with pytest.raises(arms.CandidateNotFoundError, match="nobody"):
        router.score(queries, ["small", "nobody"])
    with pytest.raises(arms.InvalidArgumentError, match="output must be one of"):
        router.score(queries, output="odds")
    with pytest.raises(TypeError, match="candidates"):
        router.score(queries, "small")
    with pytest.raises(OSError, match="absent"):
        router.score([*queries, arms.Query("absent.png", "?")])


def test_errors_say_which_query(router: arms.Router, queries: list[arms.Query]) -> None:
    """Whether Python finds what is wrong or the library does."""
    for image, question, kind in (
        (None, "\ud800", arms.TextError),
        (np.zeros((4, 4), np.uint16), "?", arms.ImageError),
    ):
        with pytest.raises(kind) as caught:
            router.score([*queries, arms.Query(image, question)])
        assert caught.value.__notes__ == [f"this is queries[{len(queries)}]"]
    with pytest.raises(arms.ImageError, match=rf"^queries\[{len(queries)}\]"):
        router.score([*queries, arms.Query(b"no image", "?")])


def test_a_pool_of_thousands(router: arms.Router, queries: list[arms.Query]) -> None:
    width = router.info.text_width
    embeddings = np.random.default_rng(5).standard_normal((3000, width), np.float32)
    router.candidates.add(
        [arms.Candidate(name=f"candidate-{n}") for n in range(3000)], embeddings=embeddings
    )
    scores = router.score(queries)
    assert scores.shape == (4, 3003)
    decision = router.route(*queries[1])
    assert len(decision.ranked) == 3003
    assert decision.confidence == pytest.approx(scores[1].max(), rel=1e-5)
