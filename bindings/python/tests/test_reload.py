"""Weights and candidates that are replaced under load."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

import arms
from conftest import LARGE, MODELS, SMALL

POOLED = MODELS / "bert-pooled-scaled.gguf"


def test_reloading_takes_weights_and_candidates_of_the_file(router: arms.Router) -> None:
    generation = router.info.generation
    router.reload(POOLED)
    with arms.Router(POOLED) as other:
        assert list(router.candidates) == list(other.candidates)
        np.testing.assert_array_equal(
            router.score([(None, "What?")]), other.score([(None, "What?")])
        )
        assert router.tokenize("What is it?").tolist() == other.tokenize("What is it?").tolist()
        assert router.info.image_size == other.info.image_size
    assert router.info.generation == generation + 1
    assert router.path == str(POOLED)
    assert router.route(None, "What?").generation == generation + 1


def test_candidates_are_kept_if_asked(router: arms.Router) -> None:
    router.reload(POOLED, keep_candidates=True)
    assert list(router.candidates) == ["small", "large", "unpriced"]
    assert router.candidates["small"].cost == SMALL.cost
    assert router.candidates["large"].latency == LARGE.latency


def test_a_candidate_that_does_not_fit_is_named(router: arms.Router) -> None:
    router.candidates.add(
        arms.Candidate(name="given", embedding=np.ones(router.info.text_width, np.float32))
    )
    before = router.info
    with pytest.raises(arms.InvalidArgumentError, match="given"):
        router.reload(POOLED, keep_candidates=True)
    assert router.info == before


def test_a_bad_file_leaves_the_old_one_serving(
    router: arms.Router, model: Path, tmp_path: Path
) -> None:
    before, decision = router.info, router.route(None, "What?")
    part = tmp_path / "part.gguf"
    part.write_bytes(model.read_bytes()[:20_000])
    with pytest.raises(arms.InvalidModelError):
        router.reload(part)
    with pytest.raises(arms.FileError):
        router.reload(tmp_path / "absent.gguf")
    assert router.info == before
    assert router.path == str(model)
    assert router.route(None, "What?").confidence == decision.confidence


def test_the_file_that_was_replaced_is_reloaded(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "router.gguf"
    shutil.copy(model, path)
    with arms.Router(path) as router:
        shutil.copy(POOLED, tmp_path / "next.gguf")
        (tmp_path / "next.gguf").rename(path)
        router.reload()
        assert router.info.fusion is arms.Fusion.POOLED


def test_encoded_questions_and_images_need_the_same_encoders(
    router: arms.Router, tmp_path: Path, png: Path
) -> None:
    question, image = router.encode_question("What?"), router.encode_image(png)
    expected = router.route(image, question).confidence
    router.save(tmp_path / "same.gguf")
    router.reload(tmp_path / "same.gguf")
    assert router.route(image, question).confidence == expected
    router.reload(POOLED)
    with pytest.raises(arms.InvalidArgumentError, match="another text encoder"):
        router.route(None, question)


def test_threads_see_one_generation_or_the_other(model: Path) -> None:
    with arms.Router(model) as router, arms.Router(POOLED) as other:
        expected = {
            1: router.route(None, "Who?").confidence,
            0: other.route(None, "Who?").confidence,
        }
        stop, wrong = threading.Event(), []

        def ask() -> None:
            while not stop.is_set():
                decision = router.route(None, "Who?")
                if decision.confidence != expected[decision.generation % 2]:
                    wrong.append(decision)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(30):
            router.reload(POOLED)
            router.reload(model)
        stop.set()
        for thread in threads:
            thread.join()
        assert not wrong
