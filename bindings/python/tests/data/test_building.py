"""Splits, balance, and the paper's Table 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arms.data import (
    BuildOptions,
    DataError,
    OutcomeTable,
    Record,
    build,
    check,
    read_records,
    write_records,
)
from arms.data.building import Balance, BuildReport
from arms.errors import InvalidArgumentError
from samples import MODELS, record, records


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_records(tmp_path / "all.jsonl", records(60))
    return tmp_path / "all.jsonl"


def built(data: Path, **options: Any) -> tuple[BuildReport, list[Record]]:
    report = build(data, data.parent / "m2.jsonl", BuildOptions(**options))
    return report, list(read_records(data.parent / "m2.jsonl"))


def test_groups_do_not_part_and_tests_are_stratified(data: Path) -> None:
    report, rows = built(data, test=0.2)
    assert report.groups == {"train": 24, "test": 6, "ood": 0}
    assert report.rows == len(rows) == 180
    splits: dict[str | None, set[str | None]] = {}
    for row in rows:
        splits.setdefault(row.group, set()).add(row.split)
    assert all(len(split) == 1 for split in splits.values())
    # Six strata of five groups: each gives one.
    tested = {(row.benchmark, row.task) for row in rows if row.split == "test"}
    assert len(tested) == 6
    assert check(data.parent / "m2.jsonl", images=False).is_sound


def test_the_seed_decides(data: Path) -> None:
    first, again, other = (built(data, test=0.2, seed=seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_out_of_distribution_is_whole(data: Path) -> None:
    report, rows = built(data, ood_tasks=["map"], ood_benchmarks=["beta"])
    for row in rows:
        assert (row.split == "ood") == (row.task == "map" or row.benchmark == "beta")
    assert report.queries["ood"] == 40
    with pytest.raises(
        DataError, match="no query has the task 'maps'; there are: chart, map, table"
    ):
        built(data, ood_tasks=["maps"])


def test_unanswered_queries_are_marked_or_dropped(data: Path) -> None:
    report, rows = built(data)
    # Queries 1 and 7 of every twelve.
    nobody = {f"q{number}" for number in range(60) if number % 6 == 1}
    assert {row.id for row in rows if row.answered is False} == nobody
    assert (report.unanswered, report.dropped_unanswered) == (10, 0)
    report, rows = built(data, drop_unanswered=True)
    assert nobody.isdisjoint(row.id for row in rows)
    assert all(row.answered for row in rows)
    assert report.dropped_unanswered == 10
    assert sum(report.queries.values()) == 50


def test_unlabelled_queries_are_neither(tmp_path: Path) -> None:
    write_records(tmp_path / "d.jsonl", [record(0, label=None), record(2, label=True)])
    report = build(tmp_path / "d.jsonl", tmp_path / "o.jsonl", BuildOptions(drop_unanswered=True))
    assert [row.answered for row in read_records(tmp_path / "o.jsonl")] == [None, True]
    assert report.unanswered == 0


def test_copies_of_a_query_do_not_part(tmp_path: Path) -> None:
    same = {"question": "?", "image": "same.png"}
    rows = [record(number, group=f"g{number}", **same) for number in range(20)]
    write_records(tmp_path / "d.jsonl", rows)
    report = build(tmp_path / "d.jsonl", tmp_path / "o.jsonl", BuildOptions(test=0.5))
    assert sorted(report.queries.values()) == [0, 0, 20]


@pytest.mark.parametrize("balance", [Balance.TASK, Balance.BENCHMARK])
def test_fields_are_balanced(balance: Balance, data: Path) -> None:
    report, rows = built(data, test=0.1, drop_unanswered=True, balance=balance)
    counts: dict[str | None, int] = {}
    for row in rows:
        if row.split == "train" and row.model == "small":
            value = getattr(row, balance.value)
            counts[value] = counts.get(value, 0) + 1
    assert len(set(counts.values())) == 1
    assert report.queries["train"] == sum(counts.values())


def test_labels_are_balanced(tmp_path: Path) -> None:
    easy = [record(n, model) for n in range(0, 40, 2) for model in MODELS]
    hard = [record(n, model, label=model == "paid") for n in range(40, 60, 2) for model in MODELS]
    write_records(tmp_path / "d.jsonl", easy + hard)
    options = BuildOptions(test=0, balance=Balance.LABEL)
    report = build(tmp_path / "d.jsonl", tmp_path / "o.jsonl", options)
    labels = OutcomeTable.read(tmp_path / "o.jsonl").labels
    # 10 right and 20 wrong of the hard ones: three easy queries are right nine times.
    assert report.dropped_to_balance == 16
    assert abs(np.nansum(labels == 1) - np.nansum(labels == 0)) <= 3


def test_splits_can_be_kept(tmp_path: Path) -> None:
    rows = [record(n, split="ood" if n < 4 else None) for n in range(40)]
    write_records(tmp_path / "d.jsonl", rows)
    options = BuildOptions(test=0.5, keep_splits=True)
    report = build(tmp_path / "d.jsonl", tmp_path / "o.jsonl", options)
    assert report.queries["ood"] == 4
    assert report.groups == {"train": 9, "test": 9, "ood": 2}
    write_records(tmp_path / "d.jsonl", [record(0, split="ood"), record(1, split="train")])
    with pytest.raises(
        DataError, match="'q1' is to keep the split 'train', but its group is in 'ood'"
    ):
        build(tmp_path / "d.jsonl", tmp_path / "o.jsonl", options)


def test_each_split_can_have_its_file(data: Path) -> None:
    folder = data.parent / "out"
    folder.mkdir()
    report = build(data, folder / "m2-{split}.parquet", BuildOptions(ood_tasks=["map"], test=0.2))
    assert [path.name for path in report.paths] == [
        "m2-train.parquet",
        "m2-test.parquet",
        "m2-ood.parquet",
    ]
    rows = list(read_records(folder / "m2-ood.parquet"))
    assert {row.split for row in rows} == {"ood"}
    assert rows[0].image == "../images/2.png"
    assert report.rows == sum(1 for path in report.paths for _ in read_records(path)) == 180


def test_table_2(tmp_path: Path) -> None:
    rows = [record(n, model, label=n > 0) for n in range(0, 20, 2) for model in ("a", "b")]
    # Only some queries go to the paid model, which answers the one that is too hard.
    rows += [record(n, "paid") for n in range(0, 8, 2)]
    write_records(tmp_path / "d.jsonl", rows)
    options = BuildOptions(test=0, pools={"Free": ["a", "b"], "Paid": ["paid"]})
    free, both = build(tmp_path / "d.jsonl", tmp_path / "o.jsonl", options).statistics
    assert (free.pool, free.models, free.queries["train"], free.unanswered["train"]) == (
        "Free",
        2,
        9,
        1,
    )
    assert (both.pool, both.models, both.queries["train"], both.unanswered["train"]) == (
        "Free+Paid",
        3,
        4,
        0,
    )
    with pytest.raises(DataError, match="no model 'x'"):
        build(tmp_path / "d.jsonl", tmp_path / "p.jsonl", BuildOptions(pools={"Free": ["x"]}))
    with pytest.raises(DataError, match="share lies from 0 to 1"):
        BuildOptions(test=2)


def test_images_are_one_by_whatever_path(tmp_path: Path) -> None:
    rows = [
        record(2 * number + other, question=f"q{number}", image=("a.png", "./a.png")[other])
        for number in range(20)
        for other in range(2)
    ]
    rows = [row.model_copy(update={"group": None}) for row in rows]
    write_records(tmp_path / "all.jsonl", rows)
    splits: dict[str, set[str | None]] = {}
    for row in built(tmp_path / "all.jsonl", test=0.5)[1]:
        splits.setdefault(row.question, set()).add(row.split)
    assert {len(one) for one in splits.values()} == {1}
    assert {split for one in splits.values() for split in one} == {"train", "test"}


def test_an_output_is_no_input(data: Path) -> None:
    before = data.read_bytes()
    with pytest.raises(InvalidArgumentError, match="and would be lost"):
        build(data, data)
    with pytest.raises(InvalidArgumentError, match="would be lost"):
        build(data.rename(data.with_name("m2-ood.jsonl")), data.with_name("m2-{split}.jsonl"))
    assert data.with_name("m2-ood.jsonl").read_bytes() == before


def test_no_file_of_a_former_split_is_left(data: Path) -> None:
    output = data.with_name("m2-{split}.jsonl")
    build(data, output, BuildOptions(ood_tasks=["map"]))
    before = data.with_name("m2-train.jsonl").read_bytes()
    with pytest.raises(
        InvalidArgumentError, match="is there from before, and no query is in the split ood"
    ):
        build(data, output)
    assert data.with_name("m2-train.jsonl").read_bytes() == before
    data.with_name("m2-ood.jsonl").unlink()
    assert build(data, output).queries["ood"] == 0
