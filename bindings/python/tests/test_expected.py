"""Every fixture model against the values that the reference computed for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

import arms
from conftest import MODELS


@pytest.fixture(params=sorted(MODELS.glob("*.json")), ids=lambda path: path.stem)
def expected(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The expected values of one model file."""
    path: Path = request.param
    values: dict[str, Any] = json.loads(path.read_text())
    return values


@pytest.fixture
def opened(expected: dict[str, Any]) -> Iterator[arms.Router]:
    """That model file, with its candidates."""
    with arms.Router(MODELS / expected["model"]) as router:
        if not expected["candidates_in_file"]:
            router.candidates.add(
                [
                    arms.Candidate(
                        name=candidate["name"],
                        embedding=profile(candidate, expected),
                        temperature=candidate["temperature"],
                        bias=candidate["bias"],
                    )
                    for candidate in expected["candidates"]
                ]
            )
        yield router


def profile(candidate: dict[str, Any], expected: dict[str, Any]) -> NDArray[np.float32]:
    """The embedding m_j; with delta_j where the candidate is added, which has none of its own."""
    embedding = np.array(candidate["embedding"], np.float32)
    if expected["candidates_in_file"]:
        return embedding
    return embedding + np.array(candidate["delta"], np.float32)


def prepared(image: int, size: int) -> NDArray[np.float32]:
    """The pixels for which the values were computed."""
    c, y, x = np.mgrid[:3, :size, :size]
    pixels: NDArray[np.float32] = ((7 * c + 3 * y + 5 * x + 11 * image) % 17 / 8 - 1).astype("f4")
    return pixels


def assert_close(actual: ArrayLike, values: ArrayLike, expected: dict[str, Any]) -> None:
    """Compare vectors: by value, or by cosine where the weights are int8."""
    actual, values = np.asarray(actual), np.asarray(values)
    assert actual.shape == values.shape
    if "cosine" in expected:
        cosine = actual @ values / (np.linalg.norm(actual) * np.linalg.norm(values))
        assert cosine >= expected["cosine"]
    else:
        np.testing.assert_allclose(actual, values, rtol=0, atol=expected["tolerance"])


def test_questions(opened: arms.Router, expected: dict[str, Any]) -> None:
    for question in expected["questions"]:
        assert opened.tokenize(question["text"]).tolist() == question["tokens"]
        decision = opened.route(None, question["text"])
        assert decision.question_tokens == len(question["tokens"])
        assert decision.question_tokens_total == question["total_tokens"]
        with opened.encode_question(question["text"]) as encoded:
            assert_close(encoded.embedding, question["embedding"], expected)


def test_images(opened: arms.Router, expected: dict[str, Any]) -> None:
    for image in expected["images"]:
        pixels = prepared(image["image"], opened.info.image_size)
        with opened.encode_image(pixels) as encoded:
            assert_close(encoded.embedding, image["embedding"], expected)


def test_candidates(opened: arms.Router, expected: dict[str, Any]) -> None:
    assert list(opened.candidates) == [candidate["name"] for candidate in expected["candidates"]]
    for candidate in expected["candidates"]:
        info = opened.candidates[candidate["name"]]
        assert info.temperature == pytest.approx(candidate["temperature"])
        assert info.bias == pytest.approx(candidate["bias"])
        embedding = opened.candidates.embedding(info.name)
        np.testing.assert_allclose(embedding, profile(candidate, expected), rtol=1e-6)


def test_routes(opened: arms.Router, expected: dict[str, Any]) -> None:
    # A confidence moves with the cosine of the embeddings behind it.
    tolerance = 0.1 if "cosine" in expected else expected["tolerance"]
    for route in expected["routes"]:
        text = expected["questions"][route["question"]]["text"]
        images = [prepared(image, opened.info.image_size) for image in route["images"]]
        decision = opened.route(images, text)
        np.testing.assert_allclose(decision.gate, route["gate"], rtol=0, atol=tolerance)
        logits = opened.score([(images, text)], output="logit")[0]
        np.testing.assert_allclose(logits, route["logit"], rtol=0, atol=tolerance)
        confidences = opened.score([(images, text)])[0]
        np.testing.assert_allclose(confidences, route["confidence"], rtol=0, atol=tolerance)
        best = decision.ranked[0]
        assert best.confidence == pytest.approx(max(route["confidence"]), abs=tolerance)
