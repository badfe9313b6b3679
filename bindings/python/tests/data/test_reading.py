"""Readers and writers: every format gives the same rows, and bad rows are named."""

from __future__ import annotations

import gzip
import json
import math
import tracemalloc
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from arms.data import (
    BadRowError,
    BadRowKind,
    DataError,
    Query,
    QueryRow,
    Record,
    RecordWriter,
    Row,
    read_batches,
    read_queries,
    read_records,
    write_records,
)
from arms.data.files import find_files
from arms.data.reading import ReadReport
from arms.data.writing import rebase_images
from samples import make_image, plain, record, records

NAMES = [
    "d.jsonl",
    "d.ndjson",
    "d.jsonl.gz",
    "d.jsonl.bz2",
    "d.jsonl.xz",
    "d.jsonl.zst",
    "d.parquet",
]
GOOD = b'{"id": "a", "question": "?", "model": "m"'


def read_lenient(path: Path, **options: Any) -> tuple[list[Row], ReadReport]:
    report = ReadReport()
    batches = read_batches(path, strict=False, report=report, **options)
    return [row for batch in batches for row in batch.rows], report


@pytest.mark.parametrize("name", NAMES)
def test_what_is_written_is_read(name: str, tmp_path: Path) -> None:
    several = record(20, answer=["4", "four"], image=["a.png", "b.png"], split="ood", judge=0.5)
    nothing = Record(id="q", question="ünïcode\n\u2028", model="m")
    expected = [*records(), several, nothing]
    assert write_records(tmp_path / name, expected) == len(expected)
    assert list(read_records(tmp_path / name)) == expected


@pytest.mark.parametrize("name", NAMES)
def test_rows_have_numbers_and_folders(name: str, tmp_path: Path) -> None:
    write_records(tmp_path / name, records(4))
    (batch,) = read_batches(tmp_path / name)
    assert batch.folder == tmp_path
    assert list(batch.numbers) == list(range(1, 13))
    assert batch.place(2) == f"{tmp_path / name}:3"


def test_the_two_schemas_are_one() -> None:
    for model, row in ((Query, QueryRow), (Record, Row)):
        fields = {field.name: field for field in msgspec.structs.fields(row)}
        assert set(model.model_fields) == set(fields)
        for name, info in model.model_fields.items():
            assert info.is_required() == fields[name].required
            assert info.description


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "x", "train", "val"]),
    st.lists(st.sampled_from(["p", 1]), max_size=2),
)


@settings(deadline=None, max_examples=300)
@given(field=st.sampled_from(list(Record.model_fields)), value=VALUES)
def test_both_schemas_accept_the_same(field: str, value: Any) -> None:
    fields = {"id": "a", "question": "?", "model": "m", field: value}
    try:
        Record.model_validate_json(json.dumps(fields))
        accepted = True
    except ValidationError:
        accepted = False
    try:
        msgspec.json.decode(json.dumps(fields), type=Row)
        decoded = True
    except msgspec.ValidationError:
        decoded = False
    assert accepted == decoded


BAD_LINES = [
    (b"not json", BadRowKind.JSON, "not JSON"),
    (b"null", BadRowKind.JSON, "a row must be a JSON object"),
    (b"[1]", BadRowKind.JSON, "a row must be a JSON object"),
    (GOOD + b'}{"id": "b"}', BadRowKind.JSON, "not JSON"),
    (GOOD + b', "x": ' + b"[" * 100_000, BadRowKind.JSON, "nested too deeply"),
    (GOOD + b', "output": "\xff"}', BadRowKind.UTF8, "byte 55 of the line is not UTF-8"),
    (b'{"id": "a", "model": "m"}', BadRowKind.MISSING_FIELD, "question is missing"),
    (GOOD + b', "label": 1}', BadRowKind.LABEL, "label must be true, false or null, not 1"),
    (GOOD + b', "label": "yes"}', BadRowKind.LABEL, 'null, not "yes"'),
    (GOOD + b', "answer": 4}', BadRowKind.TYPE, "answer must be a string, a list"),
    (GOOD + b', "task": ["a"]}', BadRowKind.TYPE, 'task must be a string or null, not ["a"]'),
    (GOOD + b', "cost": -1}', BadRowKind.VALUE, "cost must be a number of US dollars, 0 or more"),
    (GOOD + b', "cost": 1e999}', BadRowKind.VALUE, "cost must be"),
    (GOOD + b', "judge": 1.5}', BadRowKind.VALUE, "judge must be a number from 0 to 1"),
    (GOOD + b', "split": "val"}', BadRowKind.VALUE, 'split must be "train", "test", "ood"'),
    (b'{"id": "", "question": "?", "model": "m"}', BadRowKind.VALUE, "id must be a string that"),
]


@pytest.mark.parametrize(("line", "kind", "words"), BAD_LINES)
def test_bad_lines_are_named(line: bytes, kind: BadRowKind, words: str, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(GOOD + b"}\n\n" + line + b"\n" + GOOD + b', "label": true}')
    rows, report = read_lenient(path)
    assert [row.label for row in rows] == [None, True]
    (example,) = report.bad.examples[kind]
    assert (example.path, example.number) == (path, 3)
    assert words in example.message
    assert report.bad.counts == Counter({kind: 1})
    with pytest.raises(BadRowError) as caught:
        list(read_batches(path))
    assert caught.value.row == example
    assert str(caught.value) == f"{path}:3: {example.message}"


def test_unknown_models_and_missing_images_are_bad_on_request(tmp_path: Path) -> None:
    make_image(tmp_path / "images" / "0.png")
    write_records(tmp_path / "d.jsonl", [record(0), record(1), record(0, "other")])
    rows, report = read_lenient(tmp_path / "d.jsonl", models=["small"], images=True)
    assert plain(rows) == plain([record(0)])
    assert report.bad.counts == {BadRowKind.MISSING_IMAGE: 1, BadRowKind.UNKNOWN_MODEL: 1}
    assert report.bad.examples[BadRowKind.UNKNOWN_MODEL][0].number == 3
    assert "1 missing image" in str(report.bad)
    with pytest.raises(BadRowError, match=r"d\.jsonl:2: image 'images/1\.png' does not exist"):
        list(read_batches(tmp_path / "d.jsonl", images=True))


def test_unknown_fields_are_told(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(GOOD + b"}\n" + GOOD + b', "lable": true}\n')
    rows, report = read_lenient(path)
    assert len(rows) == 2
    assert report.unknown_fields == {"lable": f"{path}:2"}


def test_blank_lines_ends_and_marks(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    line = GOOD + b"}"
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n  \r\n\n" + line + b"\n" + line)
    numbers = [number for batch in read_batches(path) for number in batch.numbers]
    assert numbers == [1, 4, 5]
    path.write_bytes(b"")
    assert list(read_batches(path)) == []


def test_blocks_are_cut_between_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_records(tmp_path / "d.jsonl", records(40))
    whole = list(read_records(tmp_path / "d.jsonl"))
    monkeypatch.setattr("arms.data.jsonl.BLOCK_BYTES", 100)
    batches = list(read_batches(tmp_path / "d.jsonl"))
    assert len(batches) > 20
    assert [number for batch in batches for number in batch.numbers] == list(range(1, 121))
    assert plain(row for batch in batches for row in batch.rows) == plain(whole)
    monkeypatch.setattr("arms.data.jsonl.LINE_BYTES", 120)
    with pytest.raises(DataError, match=r"d\.jsonl: a line has more than 120 bytes"):
        list(read_batches(tmp_path / "d.jsonl"))


@pytest.mark.parametrize("name", ["d.jsonl", "d.jsonl.gz", "d.parquet"])
def test_memory_does_not_grow_with_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arms.data.jsonl.BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr("arms.data.parquet.BATCH_ROWS", 1 << 7)

    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}-{name}"
        write_records(path, (record(number, question="?" * 200) for number in range(rows)))
        tracemalloc.start()
        try:
            assert sum(len(batch.rows) for batch in read_batches(path)) == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(10)  # What is imported and kept at the first reading.
    assert peak(8_000) < 1.2 * peak(1_000)


@pytest.mark.parametrize("name", NAMES[2:])
def test_damaged_files_are_one_error(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write_records(path, records(40))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=name):
        list(read_batches(path))
    path.write_bytes(b"no such format at all, and long enough to be looked at")
    with pytest.raises(DataError, match=name):
        list(read_batches(path))


def test_parquet_takes_what_others_write(tmp_path: Path) -> None:
    columns = {
        "id": ["a", "b"],
        "question": pa.array(["?", "?"]).dictionary_encode(),
        "model": pa.array(["m", "m"], pa.large_string()),
        "image": ["a.png", None],
        "answer": [["4"], ["4", "four"]],
        "label": [True, None],
        "cost": [1, 2],
        "other": [0, 0],
    }
    pq.write_table(pa.table(columns), tmp_path / "d.parquet")
    rows, report = read_lenient(tmp_path / "d.parquet")
    assert report.bad.counts == {}
    assert list(report.unknown_fields) == ["other"]
    assert [(row.image, row.answer, row.label, row.cost) for row in rows] == [
        ("a.png", "4", True, 1.0),
        (None, ["4", "four"], None, 2.0),
    ]


def test_bad_rows_of_parquet_are_named(tmp_path: Path) -> None:
    texts = pa.array([b"a", b"\xff", b"c", b"d"], pa.binary())
    columns = {
        "id": pa.Array.from_buffers(pa.string(), 4, texts.buffers()),
        "question": ["?", "?", None, "?"],
        "model": ["m"] * 4,
        "cost": [0.1, 0.1, 0.1, float("nan")],
    }
    pq.write_table(pa.table(columns), tmp_path / "d.parquet")
    rows, report = read_lenient(tmp_path / "d.parquet")
    assert [row.id for row in rows] == ["a"]
    found = {(bad.number, kind) for kind, bads in report.bad.examples.items() for bad in bads}
    assert found == {(2, BadRowKind.UTF8), (3, BadRowKind.TYPE), (4, BadRowKind.VALUE)}
    pq.write_table(pa.table({"id": ["a"], "label": ["yes"]}), tmp_path / "d.parquet")
    _, report = read_lenient(tmp_path / "d.parquet")
    assert len(report.bad) == 1


LINES = st.one_of(
    st.binary(max_size=40),
    st.just(GOOD + b"}"),
    st.builds(lambda tail: GOOD + b"," + tail + b"}", st.binary(max_size=20)),
    st.builds(
        lambda fields: json.dumps(fields).encode(),
        st.dictionaries(st.sampled_from([*Record.model_fields, "x"]), VALUES, max_size=6),
    ),
)


@settings(deadline=None, max_examples=200)
@given(lines=st.lists(LINES, max_size=8), packed=st.booleans())
def test_any_bytes_are_read_or_refused(
    lines: list[bytes], packed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = b"\n".join(lines)
    path = tmp_path_factory.mktemp("any") / ("d.jsonl.gz" if packed else "d.jsonl")
    path.write_bytes(gzip.compress(content) if packed else content)
    rows, report = read_lenient(path)
    decoder = msgspec.json.Decoder(Row)
    expected = []
    kept = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    for line in kept:
        try:
            expected.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    assert rows == expected
    assert len(rows) + len(report.bad) == sum(1 for line in kept if line.strip())


@settings(deadline=None, max_examples=100)
@given(content=st.binary(max_size=200), name=st.sampled_from(NAMES[2:]))
def test_any_bytes_under_any_name(
    content: bytes, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content)
    with suppress(DataError):
        read_lenient(path)


def test_infinities_are_bad_values(tmp_path: Path) -> None:
    costs = [1.7976931348623157e308, math.inf, 0.0]
    columns = {"id": list("abc"), "question": ["?"] * 3, "model": ["m"] * 3, "cost": costs}
    pq.write_table(pa.table(columns | {"latency": [0.0, 0.0, math.inf]}), tmp_path / "d.parquet")
    rows, report = read_lenient(tmp_path / "d.parquet")
    assert [row.id for row in rows] == ["a"]
    explained = "a number of US dollars, 0 or more, or null, not inf"
    first, second = report.bad.examples[BadRowKind.VALUE]
    assert str(first).endswith("d.parquet:2: cost must be " + explained)
    assert second.number == 3


def test_sources_are_files_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.parquet", "deep/c.jsonl.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_records(tmp_path / name, [record(0)])
    (tmp_path / "note.json").write_text("{}")
    # macOS leaves such a file on disks of other systems.
    (tmp_path / "._b.jsonl").write_bytes(b"\x00\x05\x16\x07")
    (tmp_path / "deep" / "._c.jsonl.gz").write_bytes(b"\x00\x05\x16\x07")
    found = [file.name for file in find_files([tmp_path, f"{tmp_path}/**/*.gz"])]
    assert found == ["a.parquet", "b.jsonl", "c.jsonl.gz"]
    assert [file.name for file in find_files(f"{tmp_path}/?.*")] == ["a.parquet", "b.jsonl"]
    with pytest.raises(DataError, match="no such data file"):
        find_files(tmp_path / "absent.jsonl")
    with pytest.raises(DataError, match=r"ends in \.jsonl"):
        find_files(tmp_path / "note.json")
    with pytest.raises(DataError, match="no data file was named"):
        find_files([])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="lies in this folder"):
        find_files(tmp_path / "empty")


def test_unfinished_files_are_no_data(tmp_path: Path) -> None:
    """Neither what a killed writer left nor what is being written."""
    write_records(tmp_path / "rows.jsonl", [record(0)])
    for name in ("written.jsonl", "written.jsonl.gz", "written.parquet"):
        with RecordWriter(tmp_path / name) as writer:
            writer.write(record(1))
            (unfinished,) = tmp_path.glob(f".{name}.*")
            left = unfinished.with_name(f".{name}.01234567.tmp")
            left.write_bytes(unfinished.read_bytes())
            for source in (tmp_path, f"{tmp_path}/*"):
                assert [file.name for file in find_files(source)] == ["rows.jsonl"]
            with pytest.raises(DataError, match="no such data file"):
                find_files(f"{tmp_path}/.*")
        left.unlink()
        assert find_files(tmp_path / name) == [tmp_path / name]
        assert not [*tmp_path.glob(".*")]
        (tmp_path / name).unlink()


def test_hidden_files_are_found_by_patterns_for_them(tmp_path: Path) -> None:
    path = tmp_path / ".cache" / ".rows-1.jsonl"
    path.parent.mkdir()
    write_records(path, [record(0)])
    assert find_files(f"{tmp_path}/.cache/.rows-*.jsonl") == [path]


def test_queries_need_no_model(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "a", "question": "?"}\n{"id": "b"}\n')
    report = ReadReport()
    (batch,) = read_queries(path, strict=False, report=report)
    assert [row.id for row in batch.rows] == ["a"]
    assert report.bad.counts == {BadRowKind.MISSING_FIELD: 1}


def test_a_failed_writer_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    write_records(path, [record(0)])
    before = path.read_bytes()

    def fail() -> None:
        with RecordWriter(path) as writer:
            writer.write(record(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="no such folder"):
        RecordWriter(tmp_path / "absent" / "d.jsonl")
    with pytest.raises(DataError, match="name the output"):
        RecordWriter(tmp_path / "d.csv")


def test_images_follow_their_file(tmp_path: Path) -> None:
    names = ["images/a.png", "/abs/b.png", "https://x/c.png"]
    rows = [Row(id="a", question="?", model="m", image=list(names))]
    rebase_images(rows, tmp_path / "one", tmp_path / "two")
    assert rows[0].image == ["../one/images/a.png", "/abs/b.png", "https://x/c.png"]
    rebase_images(rows, tmp_path / "two", tmp_path / "one")
    assert rows[0].image == names
