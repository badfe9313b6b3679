"""`evaluate` as a whole: what is gathered, its JSON form and its reports."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pandas
import pytest
from rich.console import Console

import arms.evaluation
from arms.errors import InvalidArgumentError, UnsupportedError
from arms.evaluation import Evaluation, Outcomes, evaluate, from_json, read_evaluation, to_json
from arms.evaluation.report import html_report, terminal_report
from worked import COSTS, MODELS, drawn

TRAINING, _ = drawn(200, seed=5, first=1000)


def measured(**options: Any) -> Evaluation:
    outcomes, confidences = drawn()
    generator = np.random.default_rng(2)
    given: dict[str, Any] = {
        "training": TRAINING,
        "baselines": {"kNN <b>": generator.uniform(size=confidences.shape)},
        "gate": generator.dirichlet([1, 2, 3], len(outcomes)),
        "second_pool": [False, False, True],
        "replicates": 50,
    }
    return evaluate(outcomes, confidences, **(given | options))


def test_what_is_reported_is_what_was_chosen() -> None:
    outcomes, confidences = drawn()
    evaluation = measured()
    results = {result.name: result for result in evaluation.all.routers}
    rows = range(len(outcomes))
    chosen = confidences.argmax(axis=1)
    strongest = int(TRAINING.labels.mean(axis=0).argmax())
    assert results["ARMS"].em.value == pytest.approx(outcomes.labels[rows, chosen].mean())
    assert results["ARMS"].cost == pytest.approx(np.array(COSTS)[chosen].mean())
    assert results["ARMS"].shares == {
        name: (chosen == column).mean() for column, name in enumerate(MODELS)
    }
    assert results["oracle"].em.value == pytest.approx(outcomes.labels.max(axis=1).mean())
    # The strongest model is that of the training queries, not of these.
    assert results[f"strongest ({MODELS[strongest]})"].em.value == pytest.approx(
        outcomes.labels[:, strongest].mean()
    )
    assert results["cheapest (cheap)"].em.value == pytest.approx(outcomes.labels[:, 0].mean())
    assert results["random"].em.value == pytest.approx(outcomes.labels.mean())
    kinds = [result.kind for result in evaluation.all.routers]
    assert kinds == ["router", "baseline", "baseline", *["reference"] * 4]
    assert [model.em.value for model in evaluation.all.models] == pytest.approx(
        outcomes.labels.mean(axis=0).tolist()
    )
    assert evaluation.data.training_queries == 200
    assert evaluation.thetas is not None
    assert [point.theta for point in evaluation.thetas] == [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]


def test_the_filtered_view_is_of_the_queries_that_somebody_answers() -> None:
    outcomes, confidences = drawn()
    evaluation = measured()
    view, kept = evaluation.answerable, outcomes.labels.any(axis=1)
    assert view is not None
    assert 0 < view.queries == kept.sum() < len(outcomes)
    right = outcomes.labels[range(len(outcomes)), confidences.argmax(axis=1)]
    assert view.routers[0].em.value == pytest.approx(right[kept].mean())
    assert next(r for r in view.routers if r.name == "oracle").em.value == 1
    nobody = Outcomes(models=("a", "b"), labels=np.zeros((4, 2)))
    assert evaluate(nobody, np.full((4, 2), 0.5), replicates=5).answerable is None


@pytest.mark.parametrize(
    ("quality", "judgement", "words"),
    [
        (0.9, "better", "beats everything that it was compared with"),
        (0.0, "undecided", "is not shown to beat"),
        (-0.9, "worse", "does not earn its place here"),
    ],
)
def test_the_verdict_is_plain(quality: float, judgement: str, words: str) -> None:
    # Two models that are right in turn; a router that knows it, that guesses, or that errs.
    labels = np.tile(np.eye(2), (50, 1))
    outcomes = Outcomes(models=("a", "b"), labels=labels)
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, labels.shape)
    scores = np.clip(0.5 + quality * (labels - 0.5) + noise * (quality == 0), 0, 1)
    verdict = evaluate(outcomes, scores, replicates=200).verdict
    assert (verdict.judgement, words in verdict.sentence) == (judgement, True)
    assert [comparison.other for comparison in verdict.comparisons] == ["a alone"]


def test_no_router_knows_what_an_answer_will_cost() -> None:
    # Cheap answers are the right ones: whoever knew the cost would know the outcome.
    generator = np.random.default_rng(0)
    costs = generator.choice([0.001, 0.009], (400, 2))
    outcomes = Outcomes(models=("a", "b"), labels=costs == 0.001, costs=costs)
    level = np.full((400, 2), 0.5)
    evaluation = evaluate(outcomes, level, replicates=50)
    singles = [model.em.value for model in evaluation.all.models]
    results = {result.name: result for result in evaluation.all.routers}
    assert results["ARMS"].em.value in singles
    assert results["ARMS"].cost == pytest.approx(outcomes.prices.min())
    assert set(evaluation.all.curves[0].accuracy) <= set(singles)
    assert evaluation.verdict.judgement == "undecided"
    # The oracle alone knows.
    assert results["oracle"].em.value == pytest.approx((costs == 0.001).any(axis=1).mean())


def test_prices_are_those_of_the_training_queries() -> None:
    training = Outcomes(
        models=("a", "b", "c"),
        labels=np.ones((2, 3)),
        costs=np.array([[2.0, 1.0, np.nan]] * 2),
        groups=np.array(["x", "y"]),
    )
    tested = Outcomes(models=("a", "b", "c"), labels=np.ones((2, 3)), costs=np.array([1.0, 2, 3]))
    evaluation = evaluate(tested, np.full((2, 3), 0.5), training=training, replicates=5)
    assert evaluation.all.routers[0].shares == {"a": 0, "b": 1, "c": 0}
    assert evaluation.all.routers[0].cost == 2
    # A model that was not priced there has the price of these queries.
    cheap = tested.replaced(costs=np.array([1.0, 2, 0.5]), latencies=tested.latencies)
    evaluation = evaluate(cheap, np.full((2, 3), 0.5), training=training, replicates=5)
    assert evaluation.all.routers[0].shares == {"a": 0, "b": 0, "c": 1}


def test_qnc_compares_with_the_model_that_the_table_calls_the_strongest() -> None:
    # In training a is the better model, here it is b.
    training = Outcomes(
        models=("a", "b"),
        labels=np.tile([1.0, 0.0], (6, 1)),
        groups=np.array([f"t{number}" for number in range(6)]),
    )
    labels = np.array([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 4)
    tested = Outcomes(models=("a", "b"), labels=labels, costs=np.array([1.0, 2.0]))
    always_a = np.tile([0.9, 0.1], (6, 1))
    view = evaluate(tested, always_a, training=training, replicates=5).all
    assert "strongest (a)" in [result.name for result in view.routers]
    assert (view.curves[0].reaches, view.curves[0].qnc.value) == (True, 1)
    assert not evaluate(tested, always_a, replicates=5).all.curves[0].reaches


def test_a_constant_cost_is_the_price_to_the_last_bit() -> None:
    outcomes = Outcomes(models=("a", "b"), labels=np.ones((7, 2)), costs=np.array([0.1, 0.3]))
    assert outcomes.prices.tolist() == [0.1, 0.3]
    assert np.isnan(outcomes.select(np.arange(0)).prices).all()


def test_readers_are_told_what_they_must_know() -> None:
    outcomes, confidences = drawn(unknown=0.2)
    alone = evaluate(
        Outcomes(models=MODELS, labels=outcomes.labels, tasks=outcomes.tasks),
        confidences,
        replicates=10,
    )
    told = " ".join(alone.notes)
    for words in ("known in hindsight", "Some outcomes are unknown", "cheap, middle, dear"):
        assert words in told
    assert alone.all.curves == []
    assert alone.all.routers[0].cost is None
    elsewhere = drawn(20, first=5000)[0].select(np.arange(2))
    assert "out of distribution" in " ".join(measured(training=elsewhere).notes)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"training": drawn()[0]}, "60 groups are in the training queries and in the held-out"),
        ({"training": TRAINING.with_models(["cheap"])}, "other models"),
        ({"baselines": {"ARMS": np.zeros((120, 3))}}, "two routers are called 'ARMS'"),
        ({"name": "oracle"}, "'oracle' is what the tables call a reference"),
        ({"baselines": {"mean per task": np.zeros((120, 3))}}, "'mean per task' is what the"),
        ({"baselines": {"strongest (a)": np.zeros((120, 3))}}, r"'strongest \(a\)' is what the"),
        ({"baselines": {"x": np.zeros((120, 2))}}, r"x has shape \[120, 2\]: expected \[120, 3\]"),
        ({"second_pool": [True, True, True]}, "some of the models, but not all"),
        ({"second_pool": ["cheap", "", "dear"]}, "second_pool: expected numbers"),
        ({"second_pool": [0, 0, 2]}, "must be Booleans, one a model"),
        ({"second_pool": [True]}, "must be Booleans, one a model"),
        ({"gate": np.ones((3, 2))}, "gate has shape"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError, match=words):
        measured(**options)


def test_no_router_is_called_as_another_row() -> None:
    rows = [one for one in measured().all.routers if one.kind == "reference"]
    assert len(rows) == 4
    for name in ("mean per task", *(row.name for row in rows)):
        with pytest.raises(InvalidArgumentError, match=re.escape(f"{name!r} is what the tables")):
            measured(name=name)


def test_numbers_of_rows_are_no_leak() -> None:
    outcomes, confidences = drawn()
    plain = Outcomes(models=MODELS, labels=outcomes.labels)
    other = Outcomes(models=MODELS, labels=TRAINING.labels)
    told = "whether the training queries are among the held-out ones cannot be told"
    # Nor do they become names when some queries or models are taken.
    for training in (other, other.select(np.arange(50)).with_models(MODELS)):
        evaluation = evaluate(plain, confidences, training=training, replicates=5)
        assert evaluation.data.training_queries == len(training)
        assert any(told in note for note in evaluation.notes)
    assert not any(told in note for note in measured().notes)
    # Ids that were given are names.
    numbers = np.arange(120)
    named = Outcomes(models=MODELS, labels=outcomes.labels, ids=numbers)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="split by group"):
        evaluate(named, confidences, training=named.select(numbers[:9]), replicates=5)


@pytest.mark.parametrize("nothing", [None, float("nan"), pandas.NA, pandas.NaT, np.float32("nan")])
def test_a_query_without_a_group_is_one_of_its_own(nothing: object) -> None:
    given: Any = ["x", nothing, nothing, "x", "nan"]
    ids: Any = ["a", "b", nothing, "d", "e"]
    labels = np.ones((5, 1))
    outcomes = Outcomes(models=("m",), labels=labels, groups=given, ids=ids, tasks=given)
    assert outcomes.groups.tolist() == ["x", "b", "2", "x", "nan"]
    assert outcomes.ids.tolist() == ["a", "b", "", "d", "e"]
    assert outcomes.tasks.tolist() == ["x", "", "", "x", "nan"]
    assert outcomes.unnamed.tolist() == [False, False, True, False, False]
    assert outcomes.select(np.array([2, 1])).groups.tolist() == ["2", "b"]
    without_ids = Outcomes(models=("m",), labels=labels, groups=given)
    assert without_ids.groups.tolist() == ["x", "1", "2", "x", "nan"]


def test_a_group_is_the_same_as_a_whole_number_and_as_a_float() -> None:
    # A column of pandas becomes one of floats where a value is missing.
    whole: Any = pandas.Series([1, 2, 3])
    floats: Any = pandas.Series([1, 2, None, 2.5])
    first = Outcomes(models=("m",), labels=np.ones((3, 1)), groups=whole)
    second = Outcomes(models=("m",), labels=np.ones((4, 1)), groups=floats, ids=np.array([*"abcd"]))
    assert first.groups.tolist() == ["1", "2", "3"]
    assert second.groups.tolist() == ["1", "2", "c", "2.5"]
    with pytest.raises(InvalidArgumentError, match="2 groups are in the training queries"):
        evaluate(first, np.ones((3, 1)), training=second, replicates=5)


def test_scores_must_be_confidences() -> None:
    outcomes, confidences = drawn()
    with pytest.raises(InvalidArgumentError, match="not logits"):
        evaluate(outcomes, confidences * 4)
    with pytest.raises(InvalidArgumentError, match="finite"):
        evaluate(outcomes, confidences * np.nan)
    with pytest.raises(InvalidArgumentError, match="nothing to evaluate on"):
        evaluate(outcomes.select(np.arange(0)), confidences[:0])


@pytest.mark.parametrize(
    ("fields_", "words"),
    [
        ({"labels": np.ones((2, 3))}, r"expected \[queries, 2\]"),
        ({"labels": np.full((2, 2), 0.5)}, "must be 0, 1, or NaN"),
        ({"models": ("a", "a")}, "a name twice"),
        ({"groups": np.array(["x"])}, "groups has 1 entries for 2 queries"),
        ({"costs": np.ones(3)}, "costs has shape"),
        ({"costs": np.array([1.0, -1.0])}, "not negative"),
        ({"questions": ["why?"]}, "questions has 1 entries for 2 queries"),
        ({"labels": [["yes", "no"]]}, "labels: expected numbers"),
    ],
)
def test_outcomes_are_checked(fields_: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"models": ("a", "b"), "labels": np.ones((2, 2))}
    with pytest.raises(InvalidArgumentError, match=words):
        Outcomes(**(given | fields_))


def test_names_are_several() -> None:
    labels = np.ones((2, 2))
    with pytest.raises(TypeError, match=r"models: expected several strings, .* 'ab'"):
        Outcomes(models="ab", labels=labels)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"models\[1\] is a int: expected a str"):
        Outcomes(models=("a", 2), labels=labels)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="names: expected several strings"):
        Outcomes(models=("a", "b"), labels=labels).with_models("ab")


@pytest.mark.parametrize("kind", ["boolean", "Int64", "bool[pyarrow]"])
def test_outcomes_may_be_data_frames(kind: str) -> None:
    frame = pandas.DataFrame({"a": [True, None], "b": [False, True]}).astype(kind)
    outcomes = Outcomes(models=("a", "b"), labels=frame, costs=frame)
    np.testing.assert_array_equal(outcomes.labels, [[1, 0], [np.nan, 1]])
    np.testing.assert_array_equal(outcomes.costs, [[1, 0], [1, 1]])


def test_the_columns_of_a_frame_are_told_by_their_names() -> None:
    outcomes, confidences = drawn()
    other = ["dear", "cheap", "middle"]
    labels = pandas.DataFrame(outcomes.labels, columns=list(MODELS))
    costs = pandas.Series(COSTS, index=MODELS)
    swapped = Outcomes(models=MODELS, labels=labels[other], costs=costs[other])
    np.testing.assert_array_equal(swapped.labels, outcomes.labels)
    np.testing.assert_array_equal(swapped.costs, outcomes.costs)
    frame = pandas.DataFrame(confidences, columns=list(MODELS))[other]
    named = evaluate(outcomes, frame, baselines={"x": frame}, replicates=5)
    assert named == evaluate(outcomes, confidences, baselines={"x": confidences}, replicates=5)
    # Without names columns are in their order.
    unnamed = Outcomes(models=MODELS, labels=pandas.DataFrame(outcomes.labels))
    np.testing.assert_array_equal(unnamed.labels, outcomes.labels)
    with pytest.raises(InvalidArgumentError, match="scores is of cheap, large, dear: expected one"):
        evaluate(outcomes, frame.rename(columns={"middle": "large"})[["cheap", "large", "dear"]])
    with pytest.raises(InvalidArgumentError, match="costs is of x, middle, dear"):
        Outcomes(models=MODELS, labels=labels, costs=costs.rename({"cheap": "x"}))


def test_the_index_of_a_series_is_no_matter() -> None:
    texts, files = ["a?", "b?", "c?"], ["a.png", "b.png", "c.png"]
    outcomes = Outcomes(
        models=("a",),
        labels=np.array([[0.0], [1], [1]]),
        questions=pandas.Series(texts, index=[2, 0, 1]),
        images=pandas.Series(files, index=[7, 8, 9]),
        groups=pandas.Series(["x", "y", "z"], index=[1, 2, 0]),
    )
    assert (list(outcomes.questions), list(outcomes.images)) == (texts, files)
    part = outcomes.select(np.array([2, 0]))
    assert (part.questions, part.images) == (["c?", "a?"], ["c.png", "a.png"])
    assert part.groups.tolist() == ["z", "x"]


def test_an_unknown_cost_is_the_models_mean() -> None:
    costs = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    outcomes = Outcomes(models=("a", "b"), labels=np.ones((3, 2)), costs=costs)
    assert outcomes.costs[:, 0].tolist() == [1, 3, 2]
    assert not outcomes.priced
    assert outcomes.with_models(["a"]).priced
    assert outcomes.ids.tolist() == outcomes.groups.tolist() == ["0", "1", "2"]
    with pytest.raises(InvalidArgumentError, match="no model 'c'"):
        outcomes.with_models(["c"])


def test_an_evaluation_survives_its_json_form(tmp_path: Path) -> None:
    evaluation = measured()
    text = to_json(evaluation)
    assert from_json(text) == evaluation
    path = tmp_path / "evaluation.json"
    path.write_text(text)
    assert read_evaluation(path) == read_evaluation(str(path)) == evaluation
    later = json.loads(text) | {"new": 1}
    assert from_json(json.dumps(later)) == evaluation


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _: "{", "not JSON"),
        (lambda _: "[" * 100_000, "nested too deep"),
        (lambda _: "[]", "not an evaluation"),
        (lambda one: one | {"format": "other"}, "not an evaluation"),
        (lambda one: one | {"version": 99}, "evaluate again"),
        (lambda one: {k: v for k, v in one.items() if k != "all"}, "'all' is missing"),
        (lambda one: one | {"seed": "x"}, r"seed: 'x' is not of type"),
        (lambda one: one | {"seed": True}, "seed: True"),
        (lambda one: one | {"data": 3}, "expected an object"),
        (lambda one: one | {"notes": [1]}, r"notes\[0\]"),
    ],
)
def test_other_json_is_refused(change: Any, words: str) -> None:
    made = change(json.loads(to_json(measured())))
    with pytest.raises(InvalidArgumentError, match=words):
        from_json(made if isinstance(made, str) else json.dumps(made), "the file")


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidArgumentError, match="not UTF-8"):
        read_evaluation(path)


def classes_of(kind: Any) -> set[type]:
    """The dataclasses in the fields of a dataclass."""
    if not is_dataclass(kind):
        return set().union(*(classes_of(one) for one in get_args(kind)), set())
    assert isinstance(kind, type)
    return {kind}.union(*(classes_of(hint) for hint in get_type_hints(kind).values()))


def test_the_schema_describes_every_field() -> None:
    text = Path(arms.evaluation.__file__).with_name("SCHEMA.md").read_text()
    named = {one.name for kind in classes_of(Evaluation) for one in fields(kind)}
    assert len(named) > 50
    assert [
        name for name in sorted(named) if f"`{name}`" not in text and f'"{name}"' not in text
    ] == []


def test_the_terminal_shows_every_table() -> None:
    console = Console(width=140, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    with console.file:
        console.print(terminal_report(measured()))
    text = console.export_text()
    for words in (
        "Exact match (%, with standard error)",
        "Labels and calibration",
        "Cost and quality over lambda",
        "Single models",
        "The paradox",
        "Exact match by task",
        "Exact match by language",
        "The threshold cascade",
        "Expert load",
        "95 % interval",
        "Note: ",
        "kNN <b>",
    ):
        assert words in text, words


def test_the_html_report_holds_tables_and_plots_and_nothing_that_runs() -> None:
    page = html_report(measured(name="<script>alert(1)</script>"))
    assert "<script" not in page
    assert "kNN &lt;b&gt;" in page
    assert page.count('src="data:image/svg+xml;base64,') == 6
    for figure in ("em", "paradox", "reliability", "frontier", "experts", "theta"):
        assert f"<figcaption>{figure}</figcaption>" in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_the_html_report_without_matplotlib_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "arms.plots.evaluation_plots", None)
    with pytest.raises(UnsupportedError, match="pip install"):
        html_report(measured())
