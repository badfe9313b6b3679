"""The fused vector of a query."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import arms

QUESTIONS = [f"What is in box {number} of the {kind}?" for number in range(60) for kind in "ab"]


def test_confidences_are_those_of_the_vector(
    router: arms.Router, pixels: NDArray[np.uint8]
) -> None:
    """The scaled head's logits are an affine function of z (Eq. 5), and of nothing else."""
    queries = [(pixels if row % 2 else None, text) for row, text in enumerate(QUESTIONS)]
    vectors = np.stack([router.embed_query(*query) for query in queries]).astype(np.float64)
    assert vectors.shape == (len(queries), router.info.shared_width)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    logits = router.score(queries, output="logit").astype(np.float64)
    inputs = np.column_stack([vectors, np.ones(len(vectors))])
    assert len(queries) > inputs.shape[1]
    fitted, *_ = np.linalg.lstsq(inputs, logits, rcond=None)
    np.testing.assert_allclose(inputs @ fitted, logits, atol=1e-4)
    assert logits.std(axis=0).min() > 1e-3


def test_what_is_encoded_has_the_same_vector(
    router: arms.Router, pixels: NDArray[np.uint8]
) -> None:
    question, image = router.encode_question(QUESTIONS[0]), router.encode_image(pixels)
    expected = router.embed_query(pixels, QUESTIONS[0])
    np.testing.assert_allclose(router.embed_query(image, question), expected, atol=1e-6)


def test_a_second_router_must_be_there(router: arms.Router) -> None:
    with pytest.raises(arms.CandidateNotFoundError, match="router is 1; this file holds 1"):
        router.embed_query(None, "What is shown?", router=1)
    with pytest.raises(arms.InvalidArgumentError, match="router"):
        router.embed_query(None, "What is shown?", router=-1)
