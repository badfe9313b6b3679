"""Buffers whose size changes between the question for it and the call that fills them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

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
