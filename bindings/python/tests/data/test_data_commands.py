"""The commands of ``arms data``, from questions to a data set that can be trained on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from arms.candidate_file import read_candidates
from arms.cli import main
from arms.data import OutcomeTable, Record, write_records
from chat_server import ChatServer, serving, text_of
from samples import record, records, with_images


def run(*arguments: object) -> int:
    """Run ``arms data`` in this process and return its exit status."""
    with pytest.raises(SystemExit) as caught:
        main(["data", *map(str, arguments)])
    return int(str(caught.value.code or 0))


def test_from_questions_to_a_data_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with_images(tmp_path)
    queries = tmp_path / "queries.jsonl"
    write_records(queries, [one for one in records() if one.model == "small"])

    def answer(body: dict[str, Any]) -> str:
        number = int(text_of(body).split("chart ")[1].split("?")[0])
        return f"Answer: {number if body['model'] == 'large' or number % 2 else 'none'}"

    with serving(ChatServer(answer=answer)) as chat:
        config = tmp_path / "models.yaml"
        prices = "input_price: 1, output_price: 2"
        lines = [
            f"  - {{name: {name}, endpoint: '{chat.url}', {prices}, parameters: 7B}}"
            for name in ("tiny", "large")
        ]
        config.write_text("\n".join(["models:", *lines]))
        collected = tmp_path / "collected.jsonl"
        profiles = tmp_path / "candidates.json"
        assert (
            run(
                "collect",
                queries,
                "-c",
                config,
                "-o",
                collected,
                "--candidates",
                profiles,
                "--json",
            )
            == 0
        )
    report = json.loads(capsys.readouterr().out)
    assert report["complete"]
    assert report["models"]["tiny"]["done"] == 12
    assert report["models"]["tiny"]["cost"] == pytest.approx(12 * 0.0014)

    tiny, large = read_candidates(profiles, router=0)
    assert (tiny.name, tiny.parameters, large.name) == ("tiny", "7B", "large")
    assert tiny.cost == pytest.approx(0.0014)
    assert tiny.latency is not None
    assert tiny.latency > 0

    labelled = tmp_path / "labelled.parquet"
    assert run("label", collected, "-o", labelled) == 0
    output = capsys.readouterr().out
    assert [line.split() for line in output.splitlines()[1:3]] in (
        [["tiny", "6", "6", "50.0%"], ["large", "12", "0", "100.0%"]],
        [["large", "12", "0", "100.0%"], ["tiny", "6", "6", "50.0%"]],
    )
    assert "24 rows marked, 0 kept their label, 0 cannot be marked" in output

    built = tmp_path / "sets" / "m2.jsonl.gz"
    built.parent.mkdir()
    pools = ["--pool", "Free=tiny", "--pool", "Paid=large"]
    assert run("build", labelled, "-o", built, "--test", 0.4, "--ood-task", "map", *pools) == 0
    output = capsys.readouterr().out
    table = [line.split() for line in output.splitlines()]
    assert ["ID", "Free", "1", "2", "2"] in table
    assert ["Free+Paid", "2", "4", "4"] in table
    assert ["OOD", "Free", "1", "0", "2"] in table
    assert ["Total", "6", "12"] in table

    assert run("check", built) == 0
    assert "model" in capsys.readouterr().out
    assert len(OutcomeTable.read(built).select(split="ood")) == 4


def test_check_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "d.jsonl"
    write_records(
        path, [record(0), record(0), record(1, split="train"), record(0, "b", split="ood")]
    )
    assert run("check", path, "--no-images", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert not report["sound"]
    assert {one["kind"] for one in report["findings"] if one["severity"] == "wrong"} == {
        "duplicate row",
        "contradiction",
    }
    assert run("check", path) == 1
    output = capsys.readouterr().out
    assert "missing image" in output
    assert "q0, small" in output
    with path.open("ab") as file:
        file.write(b'{"id": 3}\n')
    assert run("check", path, "--strict") == 1
    captured = capsys.readouterr()
    assert f"arms: {path}:5: id must be a string that is not empty, not 3" in captured.err


def test_reports_in_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, output = tmp_path / "d.jsonl", tmp_path / "o.jsonl"
    write_records(path, [record(0, label=None), record(1, label=None, output="x")])
    assert run("label", path, "-o", output, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["models"] == {"small": {"right": 1, "wrong": 1}}
    assert run("build", output, "-o", path, "--test", 0, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["paths"] == [str(path)]
    assert report["statistics"][0]["queries"] == {"train": 1, "test": 0, "ood": 0}
    config = tmp_path / "m.toml"
    config.write_text('[[models]]\nname = "m"\nendpoint = "http://127.0.0.1:9/v1"\nretries = 0\n')
    queries = tmp_path / "q.jsonl"
    queries.write_text('{"id": "a", "question": "?"}')
    assert run("collect", queries, "-c", config, "-o", tmp_path / "c.jsonl", "--json") == 1
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert not report["complete"]
    assert list(report["models"]["m"]["reasons"].values()) == [1]
    assert "arms: m: 1 failed: " in captured.err


def test_import_says_what_rows_lack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, output = tmp_path / "t.csv", tmp_path / "d.jsonl"
    long = "A" * 5000
    table.write_text(
        "question,model,label,image\n?,a,1,a.png\n?,b,,a.png\n?,a,,b.png\n"
        f"?,a,1,http://example.org/c.png\n?,a,1,{long}\n"
    )
    assert run("import", "csv", table, "-o", output) == 0
    example = str(tmp_path / long)[:200]
    missing = f"3 images do not exist, such as {example}: --images names the folder to look in"
    unlabelled = "2 rows have no label: `arms data label` marks them"
    assert capsys.readouterr().err == f"arms: {missing}; {unlabelled}\n"
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).touch()
    table.write_text("question,model,label,image\n?,a,1,a.png\n")
    assert run("import", "csv", table, "-o", output) == 0
    assert capsys.readouterr().err == ""


def test_import_and_lenient_reading(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "t.csv"
    table.write_text("Prompt,model,label\n?,a,true\n!,a,maybe\n")
    output = tmp_path / "d.jsonl"
    options = ["-o", output, "--column", "question=Prompt", "--set", "language=en"]
    assert run("import", "csv", table, *options) == 1
    assert "t.csv:3: label must be true, false or null" in capsys.readouterr().err
    assert not output.exists()
    assert run("import", "csv", table, *options, "--lenient") == 0
    captured = capsys.readouterr()
    assert captured.out == f"{output}: 1 rows\n"
    assert "left out: 1 bad rows (1 label)" in captured.err
    with output.open("ab") as file:
        file.write(b'{"id": "x", "question": "?", "model": "a", "lable": 1}\nbroken\n')
    assert run("label", output, "-o", output) == 1
    assert run("label", output, "-o", output, "--lenient") == 0
    error = capsys.readouterr().err
    assert "1 json" in error
    assert f"lable ({output}:2)" in error


def test_misuse_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "d.jsonl"
    write_records(path, [record(0)])
    for arguments, code, words in (
        (["check", tmp_path / "absent.jsonl"], 1, "no such data file"),
        (["build", path, "-o", tmp_path / "o.csv"], 1, "name the output"),
        (["build", path, "-o", tmp_path / "o.jsonl", "--pool", "a"], 2, "--pool takes NAME=VALUE"),
        (["build", path, "-o", tmp_path / "o.jsonl", "--balance", "x"], 2, "balance"),
        (["label", path, "-o", tmp_path / "o.jsonl", "--tolerance", "2"], 1, "tolerance"),
        (["import", "xml", path, "-o", tmp_path / "o.jsonl"], 2, "xml"),
        (["collect", path, "-c", tmp_path / "c.yaml", "-o", tmp_path / "o.jsonl"], 1, "c.yaml"),
    ):
        assert run(*arguments) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("arms: ")
        assert captured.err.count("\n") == 1
        assert words in captured.err


def test_the_schema_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("schema") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(Record.model_fields)
    assert "string or list of strings" in next(line for line in lines if line.startswith("image"))
    assert run("schema", "--json") == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["required"] == ["id", "question", "model"]


def test_help_teaches_every_command() -> None:
    for words in ([], ["collect"], ["label"], ["build"], ["check"], ["import"], ["schema"]):
        done = subprocess.run(
            [sys.executable, "-c", "from arms.cli import main; main()", "data", *words, "--help"],
            env=os.environ | {"NO_COLOR": "1", "COLUMNS": "120"},
            capture_output=True,
            check=True,
            text=True,
        )
        assert "arms data " in done.stdout


def test_packages_are_missed_by_what_needs_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(
        "arms.cli.data.options.find_spec",
        lambda name: None if name == "openai" else find_spec(name),
    )
    for words in (["schema"], ["schema", "--help"], ["collect", "--help"], ["build", "--help"]):
        assert run(*words) == 0
    assert capsys.readouterr().err == ""
    for words in (["check", "a.jsonl"], ["label", "a.jsonl", "-o", str(tmp_path / "b.jsonl")]):
        assert run(*words) == 1
        assert "openai is not installed" in capsys.readouterr().err
