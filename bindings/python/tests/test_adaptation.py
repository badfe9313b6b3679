"""What a live router learns: calibration, few outcomes, extension, and a second pool."""

from __future__ import annotations

import inspect
import math
import signal
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import arms
from arms._training_options import trainer_options
from conftest import LARGE, SMALL

OLD = ("small", "large", "unpriced")
QUESTIONS = [f"question {n}" for n in range(24)]
QUERIES = [arms.Query(None, question) for question in QUESTIONS]


def outcomes(*names: str, count: int = 24) -> arms.DataSet:
    """Each candidate answers correctly in turn."""
    return arms.DataSet(
        (None, question, {name: (n + place) % 2 for place, name in enumerate(names)})
        for n, question in enumerate(QUESTIONS[:count])
    )


@pytest.fixture
def grown(router: arms.Router) -> arms.Router:
    """A router to which the candidate ``new`` was added."""
    router.candidates.add(arms.Candidate(name="new", parameters="7B"))
    return router


def test_calibration_makes_confidences_mean_what_they_say(router: arms.Router) -> None:
    # Who is right in a quarter of the cases should be said to be.
    data = arms.DataSet((None, f"question {n}", {"small": n % 4 == 0}) for n in range(200))
    queries = [arms.Query(None, f"question {n}") for n in range(200)]
    generation = router.info.generation
    assert router.calibrate(data, strength=1e-3) == generation + 1 == router.info.generation
    fitted = router.candidates["small"]
    assert (fitted.temperature, fitted.bias) != (1, 0)
    assert router.score(queries, ["small"]).mean() == pytest.approx(0.25, abs=0.02)
    # One without outcomes takes the common calibration.
    assert router.candidates["large"].bias == pytest.approx(fitted.bias, abs=0.05)
    # The default.
    router.calibrate(data)
    standard = router.candidates["small"]
    router.calibrate(data, strength=256)
    assert router.candidates["small"] == standard != fitted


def test_few_outcomes_teach_a_candidate_and_leave_the_others(grown: arms.Router) -> None:
    before = grown.score(QUERIES, ["new", *OLD])
    generation = grown.fit("new", outcomes("new"))
    assert generation == grown.info.generation
    after = grown.score(QUERIES, ["new", *OLD])
    labels = np.arange(24) % 2

    def loss(scores: NDArray[np.float32]) -> float:
        right = np.where(labels == 1, scores, 1 - scores)
        return float(-np.log(right).mean())

    assert loss(after[:, 0]) < loss(before[:, 0])
    np.testing.assert_array_equal(after[:, 1:], before[:, 1:])


def test_bad_data_leaves_the_router(router: arms.Router) -> None:
    before = router.candidates.list(), router.info.generation
    stranger = arms.DataSet([(None, "question", {"nobody": 1})])
    for learn in (router.calibrate, lambda data: router.fit("small", data)):
        with pytest.raises(arms.CandidateNotFoundError, match="nobody"):
            learn(stranger)
        with pytest.raises(arms.InvalidArgumentError, match="empty"):
            learn(arms.DataSet())
    with pytest.raises(arms.CandidateNotFoundError, match="nobody"):
        router.fit("nobody", outcomes("small"))
    with pytest.raises(arms.InvalidArgumentError, match="large"):
        router.fit(["small", "large"], outcomes("small"))
    with pytest.raises(arms.InvalidArgumentError, match="named"):
        router.fit([], outcomes("small"))
    for strength in (0, -1.0, math.nan):
        with pytest.raises(arms.InvalidArgumentError, match="strength"):
            router.calibrate(outcomes("small"), strength=strength)
    assert (router.candidates.list(), router.info.generation) == before


def test_an_extension_goes_live(grown: arms.Router) -> None:
    generation = grown.info.generation
    seen: list[arms.Progress] = []
    always = arms.DataSet((None, question, {"new": 1}) for question in QUESTIONS)
    report = grown.extend(
        ["new"],
        always,
        replayed=outcomes(*OLD),
        replay_share=0.25,
        distillation=0.5,
        held_out=outcomes(*OLD),
        tolerance=1.0,
        validation=always,
        progress=seen.append,
        epochs=3,
        batch_size=8,
        learning_rate=1e-3,
    )
    assert report.accepted
    assert report.generation == grown.info.generation == generation + 1
    assert report.before is not None
    assert report.after is not None
    assert report.before.query_count == report.after.query_count == 24
    assert report.before.loss != report.after.loss
    assert len(report.validation) == 3
    assert report.validation[-1].loss < report.validation[0].loss
    # Replayed queries are those of the new outcomes here: a query of both is one.
    assert [one.step for one in seen] == list(range(1, 10))
    assert [one.validation for one in seen if one.validation] == list(report.validation)


def test_an_extension_may_round_its_operands(grown: arms.Router, tmp_path: Path) -> None:
    grown.save(tmp_path / "grown.gguf")
    logits = []
    for rounding in (False, False, True):
        with arms.Router(tmp_path / "grown.gguf", threads=1) as router:
            router.extend(
                "new", outcomes("new"), bfloat16=rounding, batch_size=8, learning_rate=1e-3
            )
            logits.append(router.score(QUERIES, output="logit"))
    exact, again, rounded = logits
    np.testing.assert_array_equal(exact, again)
    assert (rounded != exact).any()
    np.testing.assert_allclose(rounded, exact, atol=0.05)


def test_an_extension_that_does_harm_is_refused(grown: arms.Router) -> None:
    scores, generation = grown.score(QUERIES), grown.info.generation
    # Labels that the router holds for right already: it can only get worse.
    right = (grown.score(QUERIES, OLD) > 0.5).astype(int)
    held_out = arms.DataSet(
        (None, question, dict(zip(OLD, row.tolist(), strict=True)))
        for question, row in zip(QUESTIONS, right, strict=True)
    )
    wrong = arms.DataSet(
        (
            None,
            question,
            {"new": 1, **{n: 1 - v for n, v in zip(OLD, row, strict=True)}},
        )
        for question, row in zip(QUESTIONS, right.tolist(), strict=True)
    )
    report = grown.extend(
        "new", wrong, held_out=held_out, tolerance=0, epochs=20, batch_size=8, learning_rate=3e-3
    )
    assert not report.accepted
    assert report.generation == grown.info.generation == generation
    assert report.before is not None
    assert report.after is not None
    assert report.before.accuracy == 1.0
    assert report.after.accuracy < 1.0
    np.testing.assert_array_equal(grown.score(QUERIES), scores)


def test_an_extension_that_is_ended_leaves_the_router(grown: arms.Router) -> None:
    generation = grown.info.generation

    def fails(_: arms.Progress) -> None:
        raise RuntimeError("enough")

    def interrupts(_: arms.Progress) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(RuntimeError, match="enough"):
        grown.extend("new", outcomes("new"), progress=fails)
    with pytest.raises(KeyboardInterrupt):
        grown.extend("new", outcomes("new"), progress=interrupts, epochs=5)
    assert grown.info.generation == generation


def test_extensions_that_make_no_sense_are_refused(grown: arms.Router) -> None:
    data = outcomes("new")
    with pytest.raises(arms.CandidateNotFoundError, match="nobody"):
        grown.extend("nobody", data)
    with pytest.raises(arms.InvalidArgumentError, match="named"):
        grown.extend([], data)
    with pytest.raises(arms.InvalidArgumentError, match="replay"):
        grown.extend("new", data, replay_share=0.5)
    with pytest.raises(arms.InvalidArgumentError, match="replay_share is 0"):
        grown.extend("new", data, replayed=outcomes("small"), replay_share=0)
    with pytest.raises(arms.InvalidArgumentError, match="distillation"):
        grown.extend("new", data, distillation=-1)
    with pytest.raises(arms.InvalidArgumentError, match="tolerance"):
        grown.extend("new", data, tolerance=-1)
    with pytest.raises(arms.InvalidArgumentError, match="old candidate"):
        grown.extend("new", data, held_out=outcomes("new"))
    with pytest.raises(arms.InvalidArgumentError, match="epochs is 0"):
        grown.extend("new", data, epochs=0)


def test_an_extension_takes_the_options_of_a_trainer() -> None:
    made, given = (
        {
            name: one.default
            for name, one in inspect.signature(function).parameters.items()
            if one.kind is one.KEYWORD_ONLY
        }
        for function in (arms.Trainer, trainer_options)
    )
    assert made == given


def test_two_routers_become_a_cascade(router: arms.Router, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "both.gguf"
    with arms.Router(model, threads=1) as second:
        second.candidates.remove(*second.candidates)
        second.candidates.add([arms.Candidate(name="paid", parameters="72B")])
        router.join(second, path, theta=0.999)
        expected = np.concatenate([router.score(QUERIES), second.score(QUERIES)], axis=1)
    with arms.Router(path, threads=1) as both:
        assert both.info.router_count == 2
        assert {one.name: one.router for one in both.candidates.list()} == {
            "small": 0,
            "large": 0,
            "unpriced": 0,
            "paid": 1,
        }
        np.testing.assert_array_equal(both.score(QUERIES), expected)
        assert both.route(None, "question", policy="cascade").second_router
        assert not both.route(None, "question", policy="cascade", theta=0.01).second_router
    # The encoders are shared: the second router adds its head alone.
    assert path.stat().st_size < 2 * model.stat().st_size


def test_what_cannot_be_joined_is_refused(router: arms.Router, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "both.gguf"
    path.write_bytes(b"what was there")
    with arms.Router(model, threads=1) as second:
        second.candidates.remove(*second.candidates)
        second.candidates.add([SMALL])
        with pytest.raises(arms.CandidateExistsError, match="small"):
            router.join(second, path)
        second.candidates.remove("small")
        for theta in (0.0, 1e-50, -0.5, 1.5, math.nan):
            with pytest.raises(arms.InvalidArgumentError, match="theta"):
                router.join(second, path, theta=theta)
        with pytest.raises(arms.FileError):
            router.join(second, tmp_path / "absent" / "both.gguf")
        router.candidates.remove(LARGE.name)
        assert path.read_bytes() == b"what was there"
        router.join(second, path)
        with arms.Router(path) as both, pytest.raises(arms.InvalidArgumentError, match="cascade"):
            both.join(second, tmp_path / "three.gguf")
