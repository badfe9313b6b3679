"""What the tests share: the fixture models, and routers opened from them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import arms
from arms.cli import main

REPOSITORY = Path(__file__).parents[3]
MODELS = REPOSITORY / "Tests" / "Fixtures" / "models"

Command = Callable[..., tuple[int, str, str]]

# Processes that the tests start import the same package.
os.environ["PYTHONPATH"] = str(Path(arms.__file__).parents[1])

SMALL = arms.Candidate(
    name="small",
    parameters="2B",
    architecture="ViT, MLP projector, decoder",
    language_model="Qwen2-1.5B",
    vision_model="ViT 675M",
    cost=0.001,
    latency=100,
)
LARGE = arms.Candidate(name="large", profile="A model of 72B parameters.", cost=0.01, latency=900)
UNPRICED = arms.Candidate(name="unpriced")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Python does not handle SIGINT if its parent ignored it, as shells do for what runs behind."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def model() -> Path:
    """A model file with random weights."""
    return MODELS / "distilbert-patches-scaled.gguf"


@pytest.fixture
def router(model: Path) -> Iterator[arms.Router]:
    """A router with the candidates ``small``, ``large`` and ``unpriced``."""
    with arms.Router(model, threads=1) as opened:
        opened.candidates.remove(*opened.candidates)
        opened.candidates.add([SMALL, LARGE, UNPRICED])
        yield opened


@pytest.fixture(scope="session")
def pixels() -> NDArray[np.uint8]:
    """An RGB image, ``[40, 56, 3]``, the same in every run."""
    return np.random.default_rng(7).integers(0, 256, (40, 56, 3), np.uint8)


@pytest.fixture
def png(pixels: NDArray[np.uint8], tmp_path: Path) -> Path:
    """The image as a PNG file, which loses nothing."""
    from PIL import Image

    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``arms`` in this process; return its status, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(one) for one in arguments])
        said = capsys.readouterr()
        return int(str(caught.value.code or 0)), said.out, said.err

    return run
