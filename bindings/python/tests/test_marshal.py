"""Arguments that are of another type, and buffers whose size changes before they are filled."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import arms
from arms._library import library
from arms._marshal import filled
from arms.errors import Status
from conftest import LARGE


def changing(*sizes: int) -> Callable[..., int]:
    """Return a function that fills a buffer as the library's do, with another size each time."""
    following = iter(sizes)

    def function(buffer: Any, capacity: int, required: Any, _error: Any) -> int:
        size = required._obj.value = next(following)
        if buffer is None:
            return Status.OK
        if capacity < size:
            return Status.BUFFER_TOO_SMALL
        for index in range(size):
            buffer[index] = index + 1
        return Status.OK

    return function


@pytest.mark.parametrize(
    "sizes", [(4, 4), (0, 0), (4, 2), (4, 0), (2, 4, 4), (0, 3, 3), (2, 4, 3), (2, 4, 6, 6)]
)
def test_an_array_is_of_the_size_that_was_filled(sizes: tuple[int, ...]) -> None:
    array = filled(changing(*sizes))
    assert array.tolist() == list(range(1, sizes[-1] + 1))
    assert array.dtype == np.float32
    assert array.base is None


def test_numbers_of_other_types_are_taken(router: arms.Router, model: Path) -> None:
    # The hints say so too: the test is type-checked.
    half = np.float32(0.5)
    with arms.Router(model, threads=1) as other:
        taken, plain = (
            router.route(
                None, "?", policy="cascade", second=other, theta=theta, abstain_below=least
            )
            for theta, least in ((half, Decimal("0.5")), (0.5, 0.5))
        )
    assert (taken.name, taken.abstained) == (plain.name, plain.abstained)
    priced = router.route(None, "?", policy="utility", lambda_=half, mu=half, allowed=["small"])
    assert priced.utility == pytest.approx(priced.confidence - 0.5 * 0.001 - 0.5 * 100, rel=1e-5)
    with arms.DataSet([(None, "?", {"small": 1})]) as data:
        assert router.fit("small", data, strength=half) == router.info.generation
        assert router.calibrate(data, strength=half) == router.info.generation


def test_what_is_of_another_type_is_named(router: arms.Router) -> None:
    wrong: Any = [(None, "?", {"small": 1})]
    data = arms.DataSet(wrong)
    trainer, before = arms.Trainer(router), router.info
    calls: list[tuple[str, Callable[[], object]]] = [
        ("router is a list", lambda: arms.Trainer(wrong)),
        ("data is a list", lambda: trainer.run(wrong)),
        ("validation is a list", lambda: trainer.run(data, wrong)),
        ("data is a list", lambda: trainer.evaluate(wrong)),
        ("data is a list", lambda: trainer.compute_gradients(wrong, [0])),
        ("learning_rate is a list", lambda: trainer.apply_gradients(wrong)),
        ("data is a list", lambda: router.calibrate(wrong)),
        ("strength is a list", lambda: router.calibrate(data, strength=wrong)),
        ("data is a list", lambda: router.fit("small", wrong)),
        ("data is a Router", lambda: router.extend("small", cast(Any, router))),
        ("replayed is a list", lambda: router.extend("small", data, replayed=wrong)),
        ("held_out is a list", lambda: router.extend("small", data, held_out=wrong)),
        ("second is a list", lambda: router.join(wrong, "never.gguf")),
        ("second is a list", lambda: router.route(None, "?", second=wrong)),
        ("max_cost is a list", lambda: router.route(None, "?", max_cost=wrong)),
        ("abstain_below is a list", lambda: router.route(None, "?", abstain_below=wrong)),
        ("lambda_ is a list", lambda: router.route(None, "?", lambda_=wrong)),
        ("mu is a ndarray", lambda: router.route(None, "?", mu=cast(Any, np.ones(2)))),
        ("top is a list", lambda: router.route(None, "?", top=wrong)),
        ("queries[0] is a tuple of 3", lambda: router.score(wrong)),
        ("queries[0] is a int: expected", lambda: router.score(cast(Any, [7]))),
        ("queries[0] is a dict: expected", lambda: router.score(cast(Any, [{"a": 1, "b": 2}]))),
        ("queries[0] is a bytes: expected", lambda: router.score(cast(Any, [b"ab"]))),
        ("queries[0] is a str", lambda: router.score(cast(Any, "?"))),
        ("out is a list", lambda: router.score([(None, "?")], out=wrong)),
        ("candidates[0] is a tuple", lambda: router.candidates.add(wrong)),
        (
            "cost of 'x' is a list",
            lambda: router.candidates.add(arms.Candidate(name="x", cost=wrong)),
        ),
        ("outcomes are a list", lambda: data.add(None, "?", wrong)),
        ("the sample is a str", lambda: data.extend(cast(Any, "?"))),
        ("weight of 'x' is a list", lambda: data.add(None, "?", {"x": arms.Outcome(1, wrong)})),
        ("epochs is a float", lambda: arms.Trainer(router, epochs=cast(Any, 1.5))),
        ("clip is a list", lambda: arms.Trainer(router, clip=wrong)),
        ("lora_targets: ", lambda: arms.Trainer(router, lora_targets="query")),
        ("text_layers is a str", lambda: arms.Trainer(router, text_layers=cast(Any, "al"))),
        ("logger is a list", lambda: arms.log_to(wrong)),
        ("progress is a int", lambda: trainer.run(data, progress=cast(Any, 1))),
        ("progress is a str", lambda: router.extend("small", data, progress=cast(Any, "yes"))),
    ]
    for message, use in calls:
        with pytest.raises(TypeError, match=re.escape(message)):
            use()
    assert router.info == before


def test_what_is_no_string_is_named(router: arms.Router) -> None:
    wrong: Any = b"x"
    calls: list[tuple[str, Callable[[], object]]] = [
        ("allowed[1]", lambda: router.route(None, "?", allowed=["small", wrong])),
        ("candidates[0]", lambda: router.score([(None, "?")], [wrong])),
        ("name", lambda: router.candidates.add(arms.Candidate(name=wrong))),
        ("profile of 'x'", lambda: router.candidates.add(arms.Candidate(name="x", profile=wrong))),
        ("name[0]", lambda: router.candidates.remove(wrong)),
        ("name", lambda: router.candidates.profile(wrong)),
        ("the question", lambda: router.encode_question(wrong)),
        ("the text", lambda: router.tokenize(wrong)),
        ("a candidate's name", lambda: arms.DataSet([(None, "?", {wrong: 1})])),
    ]
    for name, use in calls:
        with pytest.raises(TypeError, match=re.escape(f"{name} is a bytes: expected a str")):
            use()
    wrong = ["small"]
    with pytest.raises(TypeError, match=r"name\[0\] is a list"):
        router.candidates.remove(wrong)


@pytest.mark.parametrize("profile", ["Short.", "A model of many more parameters than before."])
def test_a_profile_is_the_one_that_was_read(
    profile: str, router: arms.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = library().arms_candidate_profile

    def replacing(*arguments: Any) -> int:
        status: int = reading(*arguments)
        if router.candidates["large"].cost == LARGE.cost:
            router.candidates.remove("large")
            router.candidates.add(replace(LARGE, profile=profile, cost=1))
        return status

    monkeypatch.setattr(library(), "arms_candidate_profile", replacing)
    assert router.candidates.profile("large") == profile
