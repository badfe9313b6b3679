"""Makes the gradients and the losses that the engine's training must compute.

They come from PyTorch and the reference head in ``Tests/Parity/reference.py``, in double precision,
on the small models that ``make_models.py`` wrote. Run it from the repository's root after that
script::

    python Tests/Fixtures/make_gradients.py

``gradients/<name>.json`` holds, of ``models/<name>.gguf`` and the questions and images of
``models/<name>.json``:

- ``samples``: for each route, its question and images and the outcomes that are known, each as
  candidate, label and weight.
- ``loss``: the weighted mean of the binary cross-entropy.
- ``gradients``: of each parameter the norm, and the values at some places of the flat tensor.
- ``losses``: before each of 20 steps of AdamW on all parameters and all samples, learning rate
  1e-3, weight decay 1e-2 on matrices.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

FIXTURES = Path(__file__).parent
sys.path.insert(0, str(FIXTURES.parent / "Parity"))

from reference import ModelFile, ReferenceHead, adamw  # noqa: E402

MODELS = [
    "distilbert-patches-scaled",
    "distilbert-pooled-paper",
    "distilbert-concat-scaled",
    "bert-patches-paper",
    "bert-pooled-scaled",
]
PLACES = 12
STEPS = 20


def outcomes(route: int, candidates: int) -> list[tuple[int, int, float]]:
    """Return the outcomes of a route: not all are known, labels and weights are mixed."""
    return [
        (one, int((3 * route + 2 * one) % 3 == 0), 0.5 + 0.5 * ((route + 2 * one) % 3))
        for one in range(candidates)
        if (route + one) % 4 != 3
    ]


class Training:
    """A reference head with its candidates and samples."""

    def __init__(self, name: str) -> None:
        expected = json.loads((FIXTURES / "models" / f"{name}.json").read_text())
        file = ModelFile(FIXTURES / "models" / f"{name}.gguf")
        self.head = ReferenceHead(file).double()
        self.profiles = file.tensor("candidate.embedding").double()
        self.delta = torch.nn.Parameter(file.tensor("candidate.delta").double())
        self.beta = torch.nn.Parameter(file.tensor("candidate.beta").double())
        questions = [torch.tensor(one["embedding"]).double() for one in expected["questions"]]
        images = [
            (torch.tensor(one["embedding"]).double(), torch.tensor(one["tokens"]).double())
            for one in expected["images"]
        ]
        self.samples = [
            {
                "question": route["question"],
                "images": route["images"],
                "outcomes": outcomes(number, len(self.profiles)),
            }
            for number, route in enumerate(expected["routes"])
        ]
        self.inputs = [
            (questions[one["question"]], [images[image] for image in one["images"]]) for one in self.samples
        ]

    def parameters(self) -> dict[str, Tensor]:
        """Return what is trained."""
        return self.head.trained() | {"candidate.delta": self.delta, "candidate.beta": self.beta}

    def loss(self) -> Tensor:
        """Return the weighted mean of the binary cross-entropy."""
        total = torch.zeros((), dtype=torch.float64)
        weights = 0.0
        for sample, (question, images) in zip(self.samples, self.inputs, strict=True):
            logit = self.head(
                question,
                [image[0] for image in images],
                [image[1] for image in images],
                self.profiles,
                delta=self.delta,
                beta=self.beta,
            ).logit
            for candidate, label, weight in sample["outcomes"]:
                target = torch.tensor(float(label), dtype=torch.float64)
                total = total + weight * functional.binary_cross_entropy_with_logits(logit[candidate], target)
                weights += weight
        return total / weights


def rounded(values: Tensor) -> list[float]:
    """Return numbers of seven digits."""
    return [float(f"{value:.7g}") for value in values.reshape(-1).tolist()]


def gradients(training: Training) -> dict[str, Any]:
    """Return the norm and some values of each parameter's gradient."""
    result: dict[str, Any] = {}
    for name, parameter in training.parameters().items():
        gradient = parameter.grad
        if gradient is None:
            gradient = torch.zeros_like(parameter)
        flat = gradient.reshape(-1)
        places = sorted({one * (len(flat) - 1) // (PLACES - 1) for one in range(PLACES)})
        result[name] = {
            "norm": rounded(flat.norm())[0],
            "places": places,
            "values": rounded(flat[places]),
        }
    return result


def losses(training: Training) -> list[float]:
    """Take steps of AdamW; return the loss before each."""
    optimizer = adamw(training.parameters(), 1e-3)
    values = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = training.loss()
        loss.backward()
        optimizer.step()
        values.append(loss.detach())
    return rounded(torch.stack(values))


def main() -> None:
    """Write the gradients of every model."""
    directory = FIXTURES / "gradients"
    directory.mkdir(exist_ok=True)
    for name in MODELS:
        training = Training(name)
        loss = training.loss()
        loss.backward()
        content = {
            "model": f"{name}.gguf",
            "samples": training.samples,
            "loss": rounded(loss.detach())[0],
            "gradients": gradients(training),
            "losses": losses(training),
        }
        text = json.dumps(content, separators=(",", ":"))
        (directory / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
