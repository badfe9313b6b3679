"""What `check` finds."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

import arms
from arms.data import BadRowError, Record, check, write_records
from arms.data.checking import Report, Severity
from conftest import MODELS
from samples import make_image, record, records, with_images


def checked(folder: Path, rows: list[Record], *, images: bool = True) -> Report:
    write_records(folder / "d.jsonl", rows)
    return check(folder / "d.jsonl", images=images)


def found(report: Report) -> dict[str, int]:
    return {finding.kind: finding.count for finding in report.findings}


def test_a_sound_data_set(tmp_path: Path) -> None:
    with_images(tmp_path)
    report = checked(tmp_path, records())
    # Queries 1, 5, 7 and 11 are odd and no thirds, and `paid` fails on 1 and 7.
    assert found(report) == {"nobody right": 2}
    assert report.is_sound
    assert (report.rows, report.queries, report.groups, report.images) == (36, 12, 6, 12)
    assert report.models == {"small": 12, "large": 12, "paid": 12}


def test_duplicates_and_contradictions(tmp_path: Path) -> None:
    rows = [
        record(0, "a"),
        record(0, "a"),
        record(1, "a"),
        record(1, "b", question="Another?"),
        record(2, "a"),
        record(2, "b", image="images/other.png"),
        record(3, "a"),
        record(3, "b", group="another"),
    ]
    report = checked(tmp_path, rows, images=False)
    assert found(report)["duplicate row"] == 1
    assert found(report)["contradiction"] == 3
    assert not report.is_sound
    examples = next(one.examples for one in report.findings if one.kind == "contradiction")
    assert "its question or answer differs between" in examples[0]
    assert "d.jsonl:3 and" in examples[0]
    assert "its image differs" in examples[1]
    assert "its group differs" in examples[2]


def test_leaks_between_splits(tmp_path: Path) -> None:
    with_images(tmp_path, 4)
    shutil.copy(tmp_path / "images" / "2.png", tmp_path / "images" / "copy.png")
    rows = [
        record(0, split="train", label=False),
        record(1, split="test"),
        record(2, split="train", group="x"),
        record(3, split="test", group="y", question=record(2).question, image="images/copy.png"),
    ]
    report = checked(tmp_path, rows)
    assert found(report) == {
        "group in several splits": 1,
        "query in several splits": 1,
        "nobody right": 1,
    }
    # By name alone the copy is another image.
    assert "query in several splits" not in found(checked(tmp_path, rows, images=False))
    together = [row.model_copy(update={"split": None}) for row in rows]
    report = checked(tmp_path, together)
    assert found(report) == {"repeated query": 1, "nobody right": 1}
    assert report.findings[0].examples == ["q2 and q3, in different groups"]


def test_images(tmp_path: Path) -> None:
    make_image(tmp_path / "images" / "0.png")
    whole = make_image(tmp_path / "images" / "1.png").read_bytes()
    (tmp_path / "images" / "1.png").write_bytes(whole[:-30])
    (tmp_path / "images" / "2.png").write_text("no image")
    rows = [record(number, label=number % 2 == 0) for number in range(4)]
    rows += [record(5, image="https://x/y.png"), record(6, image=None), record(7, image="a\0b")]
    report = checked(tmp_path, rows)
    assert found(report) | {"nobody right": 0} == {
        "missing image": 2,
        "unreadable image": 3,
        "nobody right": 0,
    }
    with pytest.raises(BadRowError, match=r"d\.jsonl:4: image 'images/3\.png' does not exist"):
        check(tmp_path / "d.jsonl", strict=True)


def test_images_are_such_as_the_router_reads(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    with_images(tmp_path, 1)
    with Image.open(tmp_path / "images" / "0.png") as image:
        image.save(tmp_path / "good.jpg", "JPEG")
        for number, kind in enumerate(("GIF", "WEBP", "BMP", "TIFF")):
            image.save(tmp_path / f"{number}.jpg", kind)
    Image.new("1", (10_001, 10_000)).save(tmp_path / "many.png")
    Image.new("1", (1_000_001, 1)).save(tmp_path / "wide.png")
    names = ["good.jpg", *(f"{number}.jpg" for number in range(4)), "many.png", "wide.png"]
    report = checked(tmp_path, [record(number, image=name) for number, name in enumerate(names)])
    assert found(report)["unreadable image"] == 6
    examples = report.findings[0].examples
    assert examples[1] == f"{tmp_path}/1.jpg is a WEBP file: the router reads JPEG and PNG"
    assert examples[4].endswith(
        "has 100,010,000 pixels, more than the router's limit of 100,000,000"
    )
    assert examples[5].endswith("has 1,000,001 columns, more than the router's limit of 1,000,000")
    assert not recwarn.list
    with arms.Router(MODELS / "distilbert-patches-scaled.gguf") as router:
        for name in names:
            if name == "good.jpg":
                router.encode_image(tmp_path / name)
            else:
                with pytest.raises((arms.ImageError, arms.LimitExceededError)):
                    router.encode_image(tmp_path / name)


def test_a_query_is_compared_with_all_of_its_copies(tmp_path: Path) -> None:
    rows = [
        record(number, image=None, question="?", group=f"g{number}", split=split)
        for number, split in enumerate((None, "train", "test", "test", "train"))
    ]
    report = checked(tmp_path, rows)
    assert found(report) == {"query in several splits": 3, "repeated query": 1, "one class": 1}
    assert report.findings[0].examples[0] == "q1 (train) and q2 (test)"


def test_no_row_is_wrong(tmp_path: Path) -> None:
    report = checked(tmp_path, [])
    assert (found(report), report.is_sound) == ({"no row": 1}, False)
    assert report.findings[0].examples == [str(tmp_path / "d.jsonl")]


def test_oddities(tmp_path: Path) -> None:
    rows = [
        record(0, "a", question=" ", answer=None),
        record(1, "a", output=" ", cost=None),
        record(1, "b", label=None, latency=None),
        record(2, "b", label=True),
        record(3, "b", label=False),
    ]
    report = checked(tmp_path, rows, images=False)
    assert found(report) == {
        "model lacks rows": 2,
        "one class": 1,
        "no label": 1,
        "no answer": 1,
        "nobody right": 1,
        "empty question": 1,
        "empty output": 1,
        "partly priced": 1,
        "partly timed": 1,
    }
    assert all(finding.severity is Severity.ODD for finding in report.findings)
    assert report.is_sound


def test_bad_rows_and_unknown_fields(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    good = '{"id": "a", "question": "?", "model": "m", "lable": true}\n'
    path.write_text(good + '{"id": 1}\n' * 30 + '{"cost": -1}\n')
    report = check(path, models=["m"])
    assert found(report)["bad row"] == 31
    assert report.findings[0].message.startswith("30 type, 1 missing field: rows that cannot")
    assert found(report)["unknown field"] == 1
    assert "lable" in report.findings[-1].examples[0]
    assert not report.is_sound
    with pytest.raises(BadRowError, match=r"d\.jsonl:2: "):
        check(path, strict=True)
    assert found(check(path, models=["other"]))["bad row"] == 32
