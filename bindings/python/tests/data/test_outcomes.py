"""The table of outcomes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arms.data import DataError, OutcomeTable, write_records
from samples import MODELS, record, records


@pytest.fixture
def table() -> OutcomeTable:
    return OutcomeTable.from_records(records(), folder="data")


def test_cells_are_those_of_the_records(table: OutcomeTable) -> None:
    assert table.models == MODELS
    assert (len(table), table.labels.shape) == (12, (12, 3))
    assert table.labels.dtype == np.dtype(np.float32)
    for one in records():
        cell = list(table.ids).index(one.id), MODELS.index(one.model)
        assert table.labels[cell] == one.label
        assert table.costs[cell] == 0.001
        assert table.latencies[cell] == 120
    assert table.groups[3] == "g1"
    assert table.images[3] == ("data/images/3.png",)
    assert table.questions[3] == "What is shown in chart 3?"
    assert (table.tasks[3], table.benchmarks[3], table.languages[3]) == ("map", "beta", "en")


def test_what_is_not_known_is_nan() -> None:
    sparse = [
        record(0, "a", cost=None, latency=None),
        record(1, "b", label=None, group=None, image=None, task=None),
    ]
    table = OutcomeTable.from_records(sparse)
    assert table.known.tolist() == [[True, False], [False, False]]
    assert np.isnan(table.costs).tolist() == [[True, True], [True, False]]
    assert (table.groups[1], table.images[1], table.tasks[1]) == ("q1", (), None)
    assert table.answered.tolist() == [True, False]


@pytest.mark.parametrize("name", ["d.jsonl.gz", "d.parquet"])
def test_read_gives_the_same(name: str, table: OutcomeTable, tmp_path: Path) -> None:
    write_records(tmp_path / name, records())
    read = OutcomeTable.read(tmp_path / name)
    np.testing.assert_array_equal(read.labels, table.labels)
    assert read.ids.tolist() == table.ids.tolist()
    assert read.images[0] == (f"{tmp_path}/images/0.png",)
    part = OutcomeTable.read(tmp_path / name, models=["paid", "small", "paid"])
    np.testing.assert_array_equal(part.labels, table.labels[:, [2, 0]])


def test_selections(table: OutcomeTable) -> None:
    charts = table.select(task="chart", models=["paid"])
    assert charts.ids.tolist() == ["q0", "q1", "q6", "q7"]
    assert charts.labels.tolist() == [[1], [0], [1], [0]]
    assert table.select(task="chart", benchmark="beta").ids.tolist() == ["q6", "q7"]
    assert table.select(groups=["g1", "none"]).ids.tolist() == ["q2", "q3"]
    assert len(table.select(split="train")) == 0
    assert table.take([]).labels.shape == (0, 3)
    assert table.take(table.answered).ids.tolist()[:3] == ["q0", "q2", "q3"]
    with pytest.raises(DataError, match="no model 'other'; there are small, large, paid"):
        table.select(models=["other"])


def test_a_name_that_looks_the_same_is_told() -> None:
    table = OutcomeTable.from_records([record(0, "qwe\u0301n"), record(0, "Small")])
    with pytest.raises(DataError, match=r"; 'qw\\xe9n' is spelt 'qwe\\u0301n' there$"):
        table.index_of("qw\xe9n")
    with pytest.raises(DataError, match="'small' is spelt 'Small' there"):
        table.index_of("small")


def test_names_are_several(table: OutcomeTable, tmp_path: Path) -> None:
    path = tmp_path / "m2.jsonl"
    write_records(path, records())
    alone: Any = "small"
    takes: list[tuple[str, Callable[[], object]]] = [
        ("models", lambda: table.select(models=alone)),
        ("groups", lambda: table.select(groups=alone)),
        ("models", lambda: table.to_dataset(models=alone)),
        ("models", lambda: OutcomeTable.read(path, models=alone)),
        ("models", lambda: OutcomeTable.from_records(records(), models=alone)),
    ]
    for name, take in takes:
        with pytest.raises(TypeError, match=f"{name}: expected several strings, not the one"):
            take()


def test_groups_do_not_part(table: OutcomeTable) -> None:
    assert table.group_codes.tolist() == [query // 2 for query in range(12)]
    train, test = table.split_by_group(1 / 3, seed=3)
    assert (len(train), len(test)) == (8, 4)
    assert not set(train.groups) & set(test.groups)
    assert table.split_by_group(1 / 3, seed=3)[1].ids.tolist() == test.ids.tolist()
    assert [len(table.split_by_group(share)[1]) for share in (0, 1)] == [0, 12]
    for share in (-0.1, 1.5, np.nan):
        with pytest.raises(DataError, match="share lies from 0 to 1"):
            table.split_by_group(share)


def test_repeated_pairs_are_refused() -> None:
    with pytest.raises(DataError, match="'q0' has several rows of model 'small'"):
        OutcomeTable.from_records([record(0), record(0)])
    with pytest.raises(DataError, match="no row"):
        OutcomeTable.from_records([])


def test_an_id_names_one_query(tmp_path: Path) -> None:
    chart, page = tmp_path / "chart.jsonl", tmp_path / "page.jsonl"
    write_records(chart, [record(query, "small") for query in range(3)])
    write_records(page, [record(query, "large", question="Whose page?") for query in range(3)])
    with pytest.raises(DataError, match="'q0' has rows that differ in the question, 'What is"):
        OutcomeTable.read([chart, page])
    for name, value in (("group", "x"), ("split", "test"), ("image", "images/9.png")):
        rows = [record(0, "small", split="train"), record(0, "large", **{name: value})]
        with pytest.raises(DataError, match=f"'q0' has rows that differ in the {name}, "):
            OutcomeTable.from_records(rows)
    # Of a model that is not asked for nothing is compared.
    assert len(OutcomeTable.from_records(rows, models=["large"])) == 1


def test_rows_add_what_others_lack() -> None:
    bare = record(0, "large", group=None, image=None, task=None, split=None)
    whole = record(0, "small", split="test")
    for rows in ([bare, whole], [whole, bare]):
        table = OutcomeTable.from_records([*rows, record(1, "small")], folder="data")
        assert (table.groups[0], table.images[0]) == ("g0", ("data/images/0.png",))
        assert (table.tasks[0], table.splits[0]) == ("chart", "test")


def test_an_image_has_several_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "more").mkdir()
    write_records(tmp_path / "a.jsonl", [record(0, "small")])
    write_records(tmp_path / "b.jsonl", [record(0, "large", image="./images/0.png")])
    write_records(tmp_path / "more" / "c.jsonl", [record(0, "paid", image="../images/0.png")])
    monkeypatch.chdir(tmp_path)
    table = OutcomeTable.read(["a.jsonl", tmp_path / "b.jsonl", "more"])
    assert (len(table), table.images[0]) == (1, ("./images/0.png",))


def test_the_table_needs_numpy_alone() -> None:
    code = """
import sys
from types import SimpleNamespace
from arms.data import OutcomeTable
row = SimpleNamespace(id="a", group=None, question="?", image=None, task=None, language=None,
                      benchmark=None, split=None, model="m", label=True, cost=None, latency=None)
assert OutcomeTable.from_records([row]).labels.tolist() == [[1.0]]
heavy = {"pyarrow", "pydantic", "msgspec", "openai", "PIL", "pandas"} & set(sys.modules)
assert not heavy, heavy
import arms.cli
heavy = {"pyarrow", "pydantic", "msgspec", "openai", "pandas"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
