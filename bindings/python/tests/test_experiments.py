"""The tables of the experiments, and the scripts that write them."""

from __future__ import annotations

import importlib
import json
from types import ModuleType

import numpy as np
import pytest

from conftest import REPOSITORY

FOLDER = REPOSITORY / "Tests" / "Experiments"


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(FOLDER)
    return importlib.import_module("report")


def test_the_tables_are_those_of_the_figures(report: ModuleType) -> None:
    text = (FOLDER / "RESULTS.md").read_text(encoding="utf-8")
    tables = json.loads((FOLDER / "tables.json").read_text(encoding="utf-8"))
    assert report.filled(text, tables) == text


def test_one_split_has_no_standard_error(report: ModuleType) -> None:
    paired = importlib.import_module("paired")
    right, wrong = np.array([1.0, 1, 0]), np.array([0.0, 1, 0])
    correct: dict[str, list[list[object]]] = {}
    for name, values in (("ours", right), ("theirs", wrong)):
        paired.add(correct, name, 0, values)
    groups = np.array(["a", "b", "c"])
    table = paired.paired_table(correct, [np.ones(3, np.bool_)], groups)
    assert table["ours"]["em"] == 66.67
    assert table["ours"]["error"] is None
    assert table["ours"]["gain"]["theirs"]["points"] == 33.33
    row = report.paired(table, "ours").splitlines()[2]
    assert row.startswith("| **ours** | 66.67 |  | 66.7 |")
    assert "±" not in report.paired(table, "ours")
