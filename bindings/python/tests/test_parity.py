"""The comparisons with the references of ``Tests/Parity`` fail where a number is NaN."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

from conftest import REPOSITORY


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(REPOSITORY / "Tests" / "Parity")
    return importlib.import_module


@pytest.mark.parametrize("names", [["sound", "nan"], ["nan", "sound"]])
def test_a_gradient_that_is_nan_is_the_worst(
    script: Callable[[str], ModuleType], names: list[str]
) -> None:
    named = {name: torch.nn.Parameter(torch.zeros(2)) for name in names}
    for name, parameter in named.items():
        parameter.grad = torch.tensor([1.0, float(name) if name == "nan" else 2.0])
    trainer = SimpleNamespace(
        layout={name: slice(2 * place, 2 * place + 2) for place, name in enumerate(names)},
        gradients=np.array([1, 2, 1, 2], np.float32),
    )
    (worst, name, _), (least, *_) = script("training_parity").differences(
        trainer, SimpleNamespace(named=lambda: named)
    )
    assert (worst, name) == (np.inf, "nan")
    assert least == 0


@pytest.mark.parametrize("place", range(4))
def test_an_embedding_that_is_nan_differs(
    script: Callable[[str], ModuleType], place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    embeddings = script("embeddings_parity")
    answers = iter([np.nan if one == place else 0.0 for one in range(len(embeddings.QUESTIONS))])
    monkeypatch.setattr(embeddings, "text_reference", lambda _: lambda _text: np.zeros(1))
    router = SimpleNamespace(encode_question=lambda _: SimpleNamespace(embedding=[next(answers)]))
    assert not embeddings.compare_text(router, REPOSITORY, "a router")
