"""Data-parallel training: the example with MPI, in one process and in two."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import arms
from conftest import REPOSITORY

EXAMPLE = REPOSITORY / "examples" / "python" / "mpi_training.py"


def train(processes: int, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """Run the example."""
    launcher = Path(sys.executable).with_name("mpiexec")
    command = [launcher, "-n", str(processes), sys.executable, EXAMPLE, *arguments]
    return subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def rows(png: Path, tmp_path: Path) -> Path:
    """Thirteen queries, some with an image, with outcomes of one candidate or of two."""
    path = tmp_path / "rows.jsonl"
    lines = [
        {
            "question": f"question {n}",
            "image": str(png) if n % 3 == 0 else None,
            "outcomes": {"small": n % 2, "large": (n + 1) % 2} if n % 4 else {"small": n % 2},
        }
        for n in range(13)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_two_processes_have_the_losses_of_one(model: Path, rows: Path, tmp_path: Path) -> None:
    losses: list[NDArray[np.float64]] = []
    confidences: list[NDArray[np.float32]] = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}.gguf"
        finished = train(processes, model, rows, out)
        assert finished.returncode == 0, finished.stderr
        losses.append(np.array(re.findall(r"loss ([\d.]+)", finished.stdout), np.float64))
        with arms.Router(out, threads=1) as router:
            query = arms.Query(None, "question 1")
            confidences.append(router.score([query], ["small", "large"]))
    assert losses[0].size == 4
    assert losses[0][-1] < losses[0][0]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    np.testing.assert_allclose(confidences[1], confidences[0], rtol=1e-4)


def test_a_line_ends_where_json_lines_do(model: Path, rows: Path, tmp_path: Path) -> None:
    """A separator of lines within a string does not end one, and blank lines are none."""
    lines = rows.read_text().splitlines()
    other = {"question": "one\u2028other\x85 \u00fcber", "image": None, "outcomes": {"small": 1}}
    text = "\n\n".join([*lines, json.dumps(other, ensure_ascii=False)]) + "\n\n"
    rows.write_text(text, encoding="utf-8")
    finished = train(1, model, rows, tmp_path / "out.gguf")
    assert finished.returncode == 0, finished.stderr


def test_a_process_that_fails_ends_all(model: Path, rows: Path, tmp_path: Path) -> None:
    lines = rows.read_text().splitlines()
    rows.write_text("\n".join([*lines, lines[0]]))
    finished = train(2, model, rows, tmp_path / "out.gguf")
    assert finished.returncode != 0
    assert "mpi_training: samples[0].outcomes[0] is the second of" in finished.stderr
    assert not (tmp_path / "out.gguf").exists()
