"""From scores to choices, by hand and beside the library's own policies."""

from __future__ import annotations

import math

import numpy as np
import pytest

import arms
from arms.errors import InvalidArgumentError
from arms.evaluation import cascade_choices, choose, lambda_for_cost, routed
from conftest import MODELS as FIXTURES
from worked import drawn

SCORES = np.array([[0.5, 0.9, 0.9], [0.6, 0.8, 0.1]])
COSTS = np.array([1.0, 3.0, 2.0])
QUESTIONS = [f"What is written in box {number} of the {k}?" for number in range(12) for k in "ab"]


def test_ties_go_to_the_cheaper_model_then_to_the_first() -> None:
    assert choose(SCORES).tolist() == [1, 1]
    assert choose(SCORES, COSTS).tolist() == [2, 1]
    assert choose(np.full((1, 3), 0.5), np.ones(3)).tolist() == [0]


def test_lambda_pays_for_cheapness() -> None:
    # Of the second query the dear model's lead of .2 costs 2: worth it below lambda .1.
    assert choose(SCORES, COSTS, lambda_=0.09).tolist() == [2, 1]
    assert choose(SCORES, COSTS, lambda_=0.11).tolist() == [2, 0]
    assert choose(SCORES, COSTS, lambda_=math.inf).tolist() == [0, 0]


def test_a_cap_leaves_models_out_and_falls_back_on_the_cheapest() -> None:
    assert choose(SCORES, COSTS, cost_cap=2.5).tolist() == [2, 0]
    assert choose(SCORES, COSTS, cost_cap=0.5).tolist() == [0, 0]


def test_prices_must_be_known_where_they_count() -> None:
    unknown = np.array([1.0, np.nan, 2.0])
    assert choose(SCORES, unknown).tolist() == [1, 1]
    with pytest.raises(InvalidArgumentError, match="costs must all be known"):
        choose(SCORES, unknown, lambda_=1.0)
    with pytest.raises(InvalidArgumentError, match="costs must all be known"):
        choose(SCORES, cost_cap=1.0)
    with pytest.raises(InvalidArgumentError, match="must not be negative"):
        choose(SCORES, COSTS, lambda_=-1.0)


def test_scores_may_be_lists_and_limits_must_be_numbers() -> None:
    scores, costs = SCORES.tolist(), COSTS.tolist()
    assert choose(scores, costs, lambda_=0.11).tolist() == [2, 0]
    assert choose(scores).tolist() == [1, 1]
    assert lambda_for_cost(scores, costs, 1.5) == lambda_for_cost(SCORES, COSTS, 1.5)
    with pytest.raises(InvalidArgumentError, match="budget must be a number of US dollars"):
        lambda_for_cost(SCORES, COSTS, math.nan)
    with pytest.raises(InvalidArgumentError, match="must all be known for a budget"):
        lambda_for_cost(SCORES, COSTS * np.nan, 1.0)
    with pytest.raises(InvalidArgumentError, match="cost_cap must be a number of US dollars"):
        choose(SCORES, COSTS, cost_cap=math.nan)
    with pytest.raises(InvalidArgumentError, match=r"expected \[queries, models\]"):
        choose([0.5, 0.9])


def test_what_a_query_costs_is_not_known_when_it_is_routed() -> None:
    by_query = np.array([[1.0, 3.0, 2.0], [9.0, 8.0, 7.0]])
    with pytest.raises(InvalidArgumentError, match=r"expected \[3\], one price a model"):
        choose(SCORES, by_query)
    with pytest.raises(InvalidArgumentError, match="one price a model"):
        lambda_for_cost(SCORES, by_query, 2.0)


def test_the_lambda_of_a_budget_is_the_smallest() -> None:
    scores, costs = np.array([[0.5, 0.9]]), np.array([1.0, 2.0])
    assert lambda_for_cost(scores, costs, 2.0) == 0
    assert lambda_for_cost(scores, costs, 1.5) == pytest.approx(0.4, rel=1e-5)
    assert lambda_for_cost(scores, costs, 0.5) == math.inf
    assert lambda_for_cost(scores, np.ones(2), 0.5) == math.inf
    outcomes, drawn_scores = drawn()
    budget = float(outcomes.costs.mean())
    found = lambda_for_cost(drawn_scores, outcomes.prices, budget)
    spent = [
        routed(outcomes, choose(drawn_scores, outcomes.prices, lambda_=value)).cost.mean()
        for value in (found, found * 0.999)
    ]
    assert spent[0] <= budget < spent[1]


def test_choices_are_those_of_the_library(router: arms.Router) -> None:
    names = ["small", "large"]
    scores = router.score([(None, question) for question in QUESTIONS], names).astype(np.float64)
    costs = np.array([router.candidates[name].cost for name in names], np.float64)
    for lambda_ in (0.0, 5.0, 50.0):
        chosen = [names[column] for column in choose(scores, costs, lambda_=lambda_)]
        for question, name in zip(QUESTIONS, chosen, strict=True):
            decision = router.route(
                None, question, policy="utility", lambda_=lambda_, allowed=names
            )
            assert decision.name == name


def test_the_cascade_is_that_of_the_library(router: arms.Router) -> None:
    with arms.Router(FIXTURES / "bert-pooled-scaled.gguf", threads=1) as second:
        second.candidates.remove(*second.candidates)
        second.candidates.add([arms.Candidate(name="other"), arms.Candidate(name="another")])
        queries = [(None, question) for question in QUESTIONS]
        scores = np.concatenate([router.score(queries), second.score(queries)], axis=1)
        names = [*router.candidates, *second.candidates]
        pools = np.array([False] * len(router.candidates) + [True] * len(second.candidates))
        best = scores[:, ~pools].max(axis=1)
        # Between the extremes of the first pool some queries stay and others go on.
        theta = float(np.float32(np.median(best)))
        choices, asked = cascade_choices(scores.astype(np.float64), pools, theta)
        assert 0 < asked.sum() < len(asked)
        for question, choice, went_on in zip(QUESTIONS, choices, asked, strict=True):
            decision = router.route(None, question, policy="cascade", theta=theta, second=second)
            assert decision.name == names[choice]
            assert decision.second_router == went_on
