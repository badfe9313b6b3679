"""Choosing a candidate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import arms

QUESTION = "Which year had the highest sales?"


def test_ranks_all_candidates(router: arms.Router, png: Path) -> None:
    decision = router.route(png, QUESTION)
    assert {entry.name for entry in decision.ranked} == set(router.candidates)
    assert decision.ranked_count == 3
    confidences = [entry.confidence for entry in decision.ranked]
    assert confidences == sorted(confidences, reverse=True)
    best = decision.ranked[0]
    assert (decision.name, decision.confidence) == (best.name, best.confidence)
    assert decision.utility == decision.confidence
    assert not decision.abstained
    assert all(entry.label is (entry.confidence > 0.5) for entry in decision.ranked)
    assert "ranked=3" in repr(decision)


def test_agrees_with_score(router: arms.Router, png: Path) -> None:
    decision = router.route(png, QUESTION)
    names = [entry.name for entry in decision.ranked]
    confidences = router.score([(png, QUESTION)], names)[0]
    logits = router.score([(png, QUESTION)], names, output="logit")[0]
    np.testing.assert_allclose([e.confidence for e in decision.ranked], confidences, rtol=1e-5)
    np.testing.assert_allclose([e.logit for e in decision.ranked], logits, rtol=1e-5, atol=1e-6)
    # c_ij = sigmoid(t_ij / T_j + b_j), with T_j = 1 and b_j = 0 as added.
    np.testing.assert_allclose(confidences, 1 / (1 + np.exp(-logits)), rtol=1e-5)


def test_calibration_is_applied(router: arms.Router) -> None:
    before = router.route(None, QUESTION, allowed=["small"]).ranked[0]
    router.candidates.update("small", temperature=2.0, bias=0.5)
    after = router.route(None, QUESTION, allowed=["small"]).ranked[0]
    assert after.logit == pytest.approx(before.logit, rel=1e-5)
    expected = 1 / (1 + np.exp(-(before.logit / 2 + 0.5)))
    assert after.confidence == pytest.approx(expected, rel=1e-5)


def test_the_gate_is_a_distribution(router: arms.Router) -> None:
    decision = router.route(None, QUESTION)
    assert decision.gate.shape == (router.info.expert_count,)
    assert decision.gate.dtype == np.float32
    assert decision.gate.sum() == pytest.approx(1, abs=1e-5)
    assert decision.second_gate is None
    assert not decision.second_router


def test_top_shortens_the_list(router: arms.Router) -> None:
    whole = router.route(None, QUESTION)
    assert router.route(None, QUESTION, top=1).ranked == whole.ranked[:1]
    assert router.route(None, QUESTION, top=0).ranked == ()
    assert router.route(None, QUESTION, top=1).ranked_count == 3
    # Room for so many would be 400 GB.
    assert router.route(None, QUESTION, top=3_000_000_000).ranked == whole.ranked


@pytest.mark.parametrize(("top", "length"), [(None, 3), (99, 3), (2, 2), (0, 0)])
def test_candidates_that_are_added_meanwhile_are_ranked(
    top: int | None, length: int, router: arms.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(router, "_ranked_capacity", lambda _second: 1)
    decision = router.route(None, QUESTION, top=top)
    assert len(decision.ranked) == length
    assert decision.ranked_count == 3


def test_utility_trades_confidence_for_money(router: arms.Router) -> None:
    decision = router.route(
        None, QUESTION, policy="utility", lambda_=1000, mu=0.01, allowed=["small", "large"]
    )
    assert decision.name == "small"
    for entry in decision.ranked:
        info = router.candidates[entry.name]
        assert info.cost is not None
        assert info.latency is not None
        expected = entry.confidence - 1000 * info.cost - 0.01 * info.latency
        assert entry.utility == pytest.approx(expected, rel=1e-4)


def test_utility_needs_costs(router: arms.Router) -> None:
    with pytest.raises(arms.MissingValueError, match="unpriced"):
        router.route(None, QUESTION, policy=arms.Policy.UTILITY, lambda_=1)


def test_ceilings_leave_out(router: arms.Router) -> None:
    priced = ["small", "large"]
    cheap = router.route(None, QUESTION, max_cost=0.005, allowed=priced)
    fast = router.route(None, QUESTION, max_latency=500, allowed=priced)
    assert [e.name for e in cheap.ranked] == [e.name for e in fast.ranked] == ["small"]


def test_a_ceiling_of_zero_leaves_only_the_free(router: arms.Router) -> None:
    router.candidates.update("unpriced", cost=0)
    decision = router.route(None, QUESTION, max_cost=0)
    assert [entry.name for entry in decision.ranked] == ["unpriced"]


def test_the_allow_list_is_obeyed(router: arms.Router) -> None:
    decision = router.route(None, QUESTION, allowed=("large",))
    assert [entry.name for entry in decision.ranked] == ["large"]
    with pytest.raises(arms.CandidateNotFoundError, match="nobody"):
        router.route(None, QUESTION, allowed=["nobody"])


def test_an_empty_allow_list_allows_nobody(router: arms.Router) -> None:
    with pytest.raises(arms.NoCandidatesError):
        router.route(None, QUESTION, allowed=[])


def test_one_string_is_no_allow_list(router: arms.Router) -> None:
    with pytest.raises(TypeError, match="allowed"):
        router.route(None, QUESTION, allowed="large")


def test_abstains_below_a_confidence(router: arms.Router) -> None:
    decision = router.route(None, QUESTION, abstain_below=1)
    assert decision.abstained
    assert decision.name is None
    assert decision.confidence == decision.ranked[0].confidence
    assert "abstained" in repr(decision)


def test_cascade_over_two_routers(router: arms.Router, model: Path) -> None:
    with arms.Router(model) as second:
        second.candidates.remove(*second.candidates)
        second.candidates.add(arms.Candidate(name="other"))
        stays = router.route(None, QUESTION, policy="cascade", theta=0.0, second=second)
        goes = router.route(None, QUESTION, policy="cascade", theta=1.0, second=second)
    assert not stays.second_router
    assert {e.name for e in stays.ranked} == {"small", "large", "unpriced"}
    assert goes.second_router
    assert goes.second_gate is not None
    assert {e.name: e.router for e in goes.ranked} == {
        "small": 0,
        "large": 0,
        "unpriced": 0,
        "other": 1,
    }


def test_the_smallest_theta_is_not_the_default(router: arms.Router, model: Path) -> None:
    for name in router.candidates:
        router.candidates.update(name, bias=-9)
    with arms.Router(model) as second:
        second.candidates.remove(*second.candidates)
        second.candidates.add(arms.Candidate(name="other"))
        for theta, goes in ((None, True), (0.0, False), (1e-50, False)):
            decision = router.route(None, QUESTION, policy="cascade", theta=theta, second=second)
            assert decision.second_router is goes


def test_cascade_without_a_second_router(router: arms.Router) -> None:
    with pytest.raises(arms.ArmsError):
        router.route(None, QUESTION, policy="cascade", theta=1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "best"}, "policy must be one of"),
        ({"policy": "cascade", "theta": 2.0}, "theta is 2.0; 0 to 1 is wanted"),
        ({"policy": "cascade", "theta": float("nan")}, "theta is NaN"),
        ({"abstain_below": -1.0}, "abstain_below is -1.0; 0 to 1 is wanted"),
        (
            {"lambda_": float("inf"), "policy": "utility"},
            "lambda is inf; a finite number of 0 or more is wanted",
        ),
        ({"max_cost": -1.0}, "max_cost is -1.0; a finite number of 0 or more is wanted"),
        ({"top": -1}, "top must be from 0"),
    ],
)
def test_options_out_of_range_are_refused(
    options: dict[str, Any], message: str, router: arms.Router
) -> None:
    with pytest.raises(ValueError, match=message):
        router.route(None, QUESTION, **options)


@pytest.mark.parametrize(
    ("options", "policy"),
    [
        ({"lambda_": 50}, "utility"),
        ({"mu": 0.1, "policy": "cascade"}, "utility"),
        ({"theta": 0.5, "policy": "utility"}, "cascade"),
    ],
)
def test_options_that_the_policy_does_not_read_are_refused(
    options: dict[str, Any], policy: str, router: arms.Router
) -> None:
    with pytest.raises(arms.InvalidArgumentError, match=f"no effect .* policy='{policy}'"):
        router.route(None, QUESTION, **options)


def test_disabled_candidates_are_not_chosen(router: arms.Router) -> None:
    best = router.route(None, QUESTION).name
    assert best is not None
    router.candidates.disable(best)
    assert best not in {entry.name for entry in router.route(None, QUESTION).ranked}
    router.candidates.disable(*router.candidates)
    with pytest.raises(arms.NoCandidatesError):
        router.route(None, QUESTION)


def test_candidates_that_take_no_images(router: arms.Router, pixels: NDArray[np.uint8]) -> None:
    router.candidates.update("small", max_images=0)
    router.candidates.update("large", max_images=1)
    shown = {
        count: {e.name for e in router.route([pixels] * count, QUESTION).ranked}
        for count in (0, 1, 2)
    }
    assert shown == {
        0: {"small", "large", "unpriced"},
        1: {"large", "unpriced"},
        2: {"unpriced"},
    }


def test_truncation_is_reported(router: arms.Router) -> None:
    limit = router.info.max_question_tokens
    decision = router.route(None, "year " * (2 * limit))
    assert decision.truncated
    assert decision.question_tokens == limit
    assert decision.question_tokens_total > limit
    short = router.route(None, "year")
    assert not short.truncated
    assert short.question_tokens == short.question_tokens_total == len(router.tokenize("year"))


def test_token_ids_in_place_of_the_text(router: arms.Router) -> None:
    tokens = router.tokenize(QUESTION)
    assert tokens.dtype == np.int32
    assert router.route(None, tokens).ranked == router.route(None, QUESTION).ranked
    with pytest.raises(arms.InvalidArgumentError, match="token"):
        router.route(None, tokens.astype(np.float32))
    with pytest.raises(arms.InvalidArgumentError):
        router.route(None, np.array([1 << 30], np.int32))


@pytest.mark.parametrize("token", [2**32 + 7, 2**31, -(2**32) + 7, 2**64 - 1])
def test_token_ids_do_not_wrap_around(token: int, router: arms.Router) -> None:
    tokens = np.array([1, token, 2], np.int64 if token < 2**63 else np.uint64)
    with pytest.raises(arms.InvalidArgumentError, match=f"token id {token} is"):
        router.route(None, tokens)


def test_encoded_questions_and_images(router: arms.Router, png: Path) -> None:
    expected = router.route(png, QUESTION).ranked
    with router.encode_question(QUESTION) as question, router.encode_image(png) as image:
        assert question.embedding.shape == (router.info.text_width,)
        assert image.embedding.shape == (router.info.image_width,)
        for decision in (
            router.route(png, question),
            router.route(image, QUESTION),
            router.route([image], question),
        ):
            for entry, other in zip(decision.ranked, expected, strict=True):
                assert entry.name == other.name
                assert entry.confidence == pytest.approx(other.confidence, rel=1e-5)
    for closed in (question, image):
        assert "closed" in repr(closed)
        with pytest.raises(arms.InvalidHandleError, match="closed"):
            _ = closed.embedding
    with pytest.raises(arms.InvalidHandleError, match="EncodedImage is closed"):
        router.route(image, QUESTION)


def test_several_images_encoded_or_not(
    router: arms.Router, png: Path, pixels: NDArray[np.uint8]
) -> None:
    other = pixels[:, ::-1]
    expected = router.route([png, other], QUESTION)
    mixed = router.route([router.encode_image(png), other], QUESTION)
    assert expected.confidence == pytest.approx(mixed.confidence, rel=1e-5)
    assert expected.confidence != router.route(png, QUESTION).confidence


def test_too_many_images_are_refused(router: arms.Router, pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="image"):
        router.route([pixels] * (router.info.max_images + 1), QUESTION)


@pytest.mark.parametrize("question", [7, None, b"bytes", ["a"]])
def test_questions_of_another_type(question: object, router: arms.Router) -> None:
    with pytest.raises(TypeError, match="question is a"):
        router.route(None, question)  # type: ignore[arg-type]


def test_a_question_without_utf8(router: arms.Router) -> None:
    with pytest.raises(arms.TextError, match="position 2"):
        router.route(None, "ab\ud800")
    with pytest.raises(ValueError, match="surrogate"):
        router.tokenize("\udfff")


@pytest.mark.parametrize("question", ["", " ", "a\0b", "年份", "🙂" * 500])
def test_unusual_questions_are_answered(question: str, router: arms.Router) -> None:
    assert 0 < router.route(None, question).confidence < 1
