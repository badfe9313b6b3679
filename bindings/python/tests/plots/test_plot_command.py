"""``arms plot``: from evaluations to files."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from arms.evaluation import Outcomes, evaluate, to_json
from conftest import Command


def write_evaluation(path: Path, *, quality: float = 0.8, pools: bool = True) -> Path:
    generator = np.random.default_rng(0)
    labels = (generator.uniform(size=(40, 3)) < [0.3, 0.5, 0.7]).astype(np.float64)
    outcomes = Outcomes(
        models=("a", "b", "c"),
        labels=labels,
        costs=np.array([1.0, 2.0, 9.0]),
        tasks=np.array(["x", "y"] * 20),
    )
    scores = np.clip(quality * labels + 0.1, 0, 1)
    evaluation = evaluate(
        outcomes,
        scores,
        gate=generator.dirichlet([1, 1], 40),
        second_pool=[False, False, True] if pools else None,
        replicates=20,
    )
    path.write_text(to_json(evaluation))
    return path


@pytest.fixture
def evaluation(tmp_path: Path) -> Path:
    """An evaluation that has figures for every plot."""
    return write_evaluation(tmp_path / "evaluation.json")


@pytest.mark.parametrize("name", ["em", "paradox", "reliability", "frontier", "experts", "theta"])
def test_plots_of_one_evaluation(name: str, evaluation: Path, command: Command) -> None:
    output = evaluation.with_name(f"{name}.png")
    assert command("plot", name, evaluation, "-o", output) == (0, "", "")
    assert output.read_bytes().startswith(b"\x89PNG")


def test_plots_of_several_runs(evaluation: Path, tmp_path: Path, command: Command) -> None:
    other = write_evaluation(tmp_path / "other.json", quality=0.5)
    runs = [f"1={evaluation}", f"0.2={other}"]
    for name in ("data-amount", "epochs"):
        output = tmp_path / f"{name}.svg"
        assert command("plot", name, *runs, "-o", output) == (0, "", "")
        assert output.read_bytes().startswith(b"<?xml")
    output = tmp_path / "strategies.pdf"
    sides = [(f"--{side}", run) for side in ("incremental", "independent") for run in runs]
    options = [word for pair in sides for word in pair]
    assert command("plot", "strategies", *options, "-o", output) == (0, "", "")
    assert output.read_bytes().startswith(b"%PDF")
    status, _, errors = command("plot", "strategies", *options[:-2], "-o", output)
    assert (status, "at the same places" in errors) == (1, True)


def test_vectors_are_projected(tmp_path: Path, command: Command) -> None:
    vectors, output = tmp_path / "vectors.npz", tmp_path / "plane.png"
    generator = np.random.default_rng(0)
    np.savez(vectors, fused=generator.normal(size=(20, 4)), vlm=np.array(["a", "b"] * 10))
    assert command("plot", "projection", vectors, "-o", output) == (0, "", "")
    assert output.read_bytes().startswith(b"\x89PNG")
    for options, words in (
        (["--by", "task"], "has no 'task'"),
        (["--of", "gate"], "has no 'gate'"),
    ):
        status, _, errors = command("plot", "projection", vectors, "-o", output, *options)
        assert (status, words in errors) == (1, True)
    for options in (["--by", "fused"], ["--of", "vlm"]):
        status, _, errors = command("plot", "projection", vectors, "-o", output, *options)
        assert (status, errors.count("\n")) == (2, 1)
    np.savez(vectors, fused=generator.normal(size=(20, 4)), vlm=np.array(["a", "b"]))
    status, _, errors = command("plot", "projection", vectors, "-o", output)
    assert (status, "'vlm' does not have one value a query" in errors) == (1, True)


def test_the_output_is_checked_before_the_work(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = tmp_path / "vectors.npz"
    np.savez(vectors, fused=np.ones((20, 4)), vlm=np.array(["a", "b"] * 10))
    monkeypatch.setattr("arms.plots.project", lambda *_, **__: pytest.fail("it projects"))
    for output, words in (("plane.gif", ".svg"), ("no/plane.png", "no such folder to write to")):
        status, _, errors = command("plot", "projection", vectors, "-o", tmp_path / output)
        assert (status, words in errors) == (1, True)


def test_a_plot_is_replaced_whole_or_not_at_all(
    evaluation: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "plot.svg"
    assert command("plot", "em", evaluation, "-o", output) == (0, "", "")
    before = output.read_bytes()

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:100])
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    status, _, errors = command("plot", "em", evaluation, "-o", output)
    assert (status, "No space left" in errors) == (1, True)
    assert output.read_bytes() == before
    assert not [*tmp_path.glob(".*")]


def test_what_cannot_be_drawn_is_told(
    evaluation: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "plot.png"
    one_pool = write_evaluation(tmp_path / "one.json", pools=False)
    vectors = tmp_path / "vectors.npz"
    vectors.write_bytes(b"PK\x03\x04 and no more")
    objects = tmp_path / "objects.npz"
    np.savez(objects, fused=np.array([{}], object), vlm=np.array(["a"]))
    percent = [f"--incremental=100={evaluation}", f"--independent=100={evaluation}"]
    cases: list[tuple[list[object], str]] = [
        (["theta", one_pool, "-o", output], "has no figures for 'theta'"),
        (["em", evaluation, "-o", tmp_path / "plot.gif"], "must end in .png, .pdf or .svg"),
        (["em", tmp_path / "absent.json", "-o", output], "absent.json: No such file"),
        (["em", evaluation, "-o", tmp_path / "absent" / "plot.png"], "no such folder to write to"),
        (["epochs", f"one={evaluation}", "-o", output], "expected X=EVALUATION"),
        (["data-amount", f"20={evaluation}", "-o", output], "20 is no share of the training data"),
        (["strategies", *percent, "-o", output], "expected 0 to 1, 0.2 for 20 %"),
        (["epochs", evaluation, "-o", output], "expected X=EVALUATION"),
        (["projection", vectors, "-o", output], "not an .npz file of vectors"),
        (["projection", objects, "-o", output], "not an .npz file of vectors"),
        (["projection", evaluation, "-o", output], "not an .npz file of vectors"),
    ]
    for arguments, words in cases:
        status, said, errors = command("plot", *arguments)
        assert (status, said) == (1, ""), errors
        assert words in errors
        assert errors.count("\n") == 1
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, _, errors = command("plot", "em", evaluation, "-o", output)
    assert (status, "pip install 'arms[evaluation]'" in errors) == (1, True)
