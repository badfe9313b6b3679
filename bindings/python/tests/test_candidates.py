"""The pool: reading and changing it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import arms


def test_is_a_mapping(router: arms.Router) -> None:
    candidates = router.candidates
    assert list(candidates) == ["small", "large", "unpriced"]
    assert len(candidates) == 3
    assert "small" in candidates
    assert "nobody" not in candidates
    assert candidates.get("nobody") is None
    assert candidates["small"].cost == 0.001
    assert candidates["small"].latency == 100
    assert candidates["unpriced"].cost is candidates["unpriced"].latency is None
    assert [info.name for info in candidates.list()] == list(candidates)
    assert "'small', 'large', 'unpriced'" in repr(candidates)


def test_a_missing_name_is_a_key_error(router: arms.Router) -> None:
    with pytest.raises(KeyError) as caught:
        router.candidates["nobody"]
    assert str(caught.value).startswith("the router has no candidate 'nobody'")
    assert isinstance(caught.value, arms.CandidateNotFoundError)


def test_profiles(router: arms.Router) -> None:
    candidates = router.candidates
    assert candidates.profile("large") == "A model of 72B parameters."
    for words in ("small", "2B", "Qwen2-1.5B", "ViT 675M"):
        assert words in candidates.profile("small")
    width = router.info.text_width
    assert candidates.embedding("small").shape == (width,)
    np.testing.assert_allclose(
        candidates.embedding("large"),
        router.encode_question("A model of 72B parameters.").embedding,
        rtol=1e-5,
        atol=1e-6,
    )


def test_adding_raises_the_generation(router: arms.Router) -> None:
    before = router.info.generation
    router.candidates.add(arms.Candidate(name="new", max_images=2, enabled=False))
    assert router.info.generation > before
    info = router.candidates["new"]
    assert (info.max_images, info.enabled, info.router) == (2, False, 0)


def test_adding_by_embedding(router: arms.Router) -> None:
    width = router.info.text_width
    embedding = np.linspace(-1, 1, width)
    router.candidates.add(arms.Candidate(name="given", embedding=embedding))
    np.testing.assert_array_equal(
        router.candidates.embedding("given"), embedding.astype(np.float32)
    )
    assert router.candidates.profile("given") == ""


def test_adding_a_matrix_of_embeddings(router: arms.Router) -> None:
    width = router.info.text_width
    wide = np.random.default_rng(1).standard_normal((200, 2 * width), np.float32)
    added = [arms.Candidate(name=f"candidate-{number}") for number in range(200)]
    # Rows of a wider matrix, a transposed one, and one of doubles: read in place or converted.
    matrix = wide[:, :width]
    for embeddings in (matrix, np.asfortranarray(matrix), matrix.astype(np.float64)):
        router.candidates.add(added, embeddings=embeddings)
        np.testing.assert_array_equal(router.candidates.embedding("candidate-123"), matrix[123])
        router.candidates.remove(*[candidate.name for candidate in added])
    assert len(router.candidates) == 3


def test_adding_is_all_or_none(router: arms.Router) -> None:
    before = router.candidates.list()
    with pytest.raises(arms.CandidateExistsError, match="small"):
        router.candidates.add([arms.Candidate(name="new"), arms.Candidate(name="small")])
    with pytest.raises(arms.CandidateExistsError):
        router.candidates.add([arms.Candidate(name="twin"), arms.Candidate(name="twin")])
    assert router.candidates.list() == before


def test_adding_none_changes_nothing(router: arms.Router) -> None:
    router.candidates.add([])
    router.candidates.update_all([])
    router.candidates.remove()
    assert len(router.candidates) == 3


@pytest.mark.parametrize(
    ("candidate", "error"),
    [
        (arms.Candidate(name=""), arms.InvalidArgumentError),
        (arms.Candidate(name="n" * 96), arms.InvalidArgumentError),
        (arms.Candidate(name="a\0b"), arms.InvalidArgumentError),
        (arms.Candidate(name="\ud800"), arms.TextError),
        (arms.Candidate(name="n", profile="a\0b"), arms.InvalidArgumentError),
        (arms.Candidate(name="n", temperature=0), arms.InvalidArgumentError),
        (arms.Candidate(name="n", temperature=1e-50), arms.InvalidArgumentError),
        (arms.Candidate(name="n", temperature=-1), arms.InvalidArgumentError),
        (arms.Candidate(name="n", temperature=float("nan")), arms.InvalidArgumentError),
        (arms.Candidate(name="n", cost=float("nan")), arms.NotFiniteError),
        (arms.Candidate(name="n", latency=float("inf")), arms.NotFiniteError),
        (arms.Candidate(name="n", bias=float("nan")), arms.NotFiniteError),
        (arms.Candidate(name="n", max_images=-1), arms.InvalidArgumentError),
        (arms.Candidate(name="n", embedding=[1.0]), arms.InvalidArgumentError),
        (arms.Candidate(name="n", router=1), arms.InvalidArgumentError),
        (arms.Candidate(name="n", router=-1), arms.InvalidArgumentError),
    ],
)
def test_malformed_candidates_are_refused(
    candidate: arms.Candidate, error: type[Exception], router: arms.Router
) -> None:
    with pytest.raises(error):
        router.candidates.add(candidate)
    assert len(router.candidates) == 3


def test_embeddings_must_fit(router: arms.Router) -> None:
    width = router.info.text_width
    pair = [arms.Candidate(name="a"), arms.Candidate(name="b")]
    with pytest.raises(arms.InvalidArgumentError, match=r"expected \[2, text_width\]"):
        router.candidates.add(pair, embeddings=np.zeros((3, width), np.float32))
    with pytest.raises(arms.InvalidArgumentError):
        router.candidates.add(pair, embeddings=np.zeros((2, width + 1), np.float32))
    with pytest.raises(arms.NotFiniteError):
        router.candidates.add(pair, embeddings=np.full((2, width), np.nan, np.float32))
    own = arms.Candidate(name="c", embedding=np.ones(width))
    with pytest.raises(arms.InvalidArgumentError, match="'c' has an embedding of its own"):
        router.candidates.add(own, embeddings=np.ones((1, width), np.float32))


def test_updating_changes_only_what_is_given(router: arms.Router) -> None:
    before = router.candidates["small"]
    changed = router.candidates.update("small", cost=None, bias=0.5, enabled=False)
    assert changed == replace(before, cost=None, bias=0.5, enabled=False)
    assert router.candidates["small"] == changed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cost", 3.0),
        ("latency", 9.0),
        ("temperature", 4.0),
        ("bias", -2.0),
        ("max_images", 0),
        ("enabled", True),
    ],
)
def test_an_update_writes_nothing_but_what_it_is_given(
    router: arms.Router, name: str, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calibrated: dict[str, Any] = {
        "cost": 1.0,
        "latency": 2.0,
        "temperature": 3.0,
        "bias": 0.5,
        "max_images": 7,
        "enabled": False,
    }
    # As if another thread calibrated in the last moment before the library is called.
    update = arms.Candidates._update

    def late(candidates: arms.Candidates, entries: Any) -> None:
        monkeypatch.undo()
        candidates.update("small", **calibrated)
        update(candidates, entries)

    monkeypatch.setattr(arms.Candidates, "_update", late)
    changed = router.candidates.update("small", **{name: value})
    assert changed == replace(changed, **{**calibrated, name: value})


def test_updating_many(router: arms.Router) -> None:
    doubled = [replace(info, latency=7.0) for info in router.candidates.list()]
    router.candidates.update_all(doubled)
    assert [info.latency for info in router.candidates.list()] == [7.0, 7.0, 7.0]
    with pytest.raises(arms.CandidateNotFoundError):
        router.candidates.update_all([*doubled, replace(doubled[0], name="nobody")])
    with pytest.raises(KeyError):
        router.candidates.update("nobody", cost=1)


def test_disabling_and_enabling(router: arms.Router) -> None:
    router.candidates.disable("small", "large")
    assert [info.enabled for info in router.candidates.list()] == [False, False, True]
    router.candidates.enable("small")
    assert [info.enabled for info in router.candidates.list()] == [True, False, True]
    with pytest.raises(arms.CandidateNotFoundError, match="nobody"):
        router.candidates.enable("large", "nobody")
    assert not router.candidates["large"].enabled


def test_removing_is_all_or_none(router: arms.Router) -> None:
    with pytest.raises(arms.CandidateNotFoundError, match="nobody"):
        router.candidates.remove("small", "nobody")
    assert len(router.candidates) == 3
    router.candidates.remove("small", "large")
    assert list(router.candidates) == ["unpriced"]


@pytest.mark.parametrize("name", ["nobody", "", "x" * 500])
def test_reading_a_missing_candidate(name: str, router: arms.Router) -> None:
    with pytest.raises(arms.ArmsError):
        router.candidates.profile(name)
    with pytest.raises(arms.ArmsError):
        router.candidates.embedding(name)


def test_a_look_at_all_reads_them_once(
    router: arms.Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So no other thread can remove one in between, and thousands take no time."""
    listed = router.candidates.list()
    calls = []

    def once(_: arms.Candidates) -> list[arms.CandidateInfo]:
        calls.append(1)
        return listed

    monkeypatch.setattr(arms.Candidates, "list", once)
    pairs = [(info.name, info) for info in listed]
    looks: list[tuple[Any, Any]] = [
        (lambda: list(router.candidates.items()), pairs),
        (lambda: list(router.candidates.values()), listed),
        (lambda: listed[2] in router.candidates.values(), True),
        (lambda: pairs[2] in router.candidates.items(), True),
        (lambda: ("small", listed[1]) in router.candidates.items(), False),
        (lambda: "small" in router.candidates, True),
        (lambda: "absent" in router.candidates, False),
    ]
    for look, expected in looks:
        calls.clear()
        assert look() == expected
        assert len(calls) == 1
