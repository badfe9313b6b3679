"""Collecting from a server that speaks the OpenAI protocol."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arms import InvalidArgumentError
from arms.data import BadRowError, DataError, read_records, write_records
from arms.data.collecting import (
    CollectConfig,
    Journal,
    ModelConfig,
    ModelReport,
    collect,
    endpoint,
    read_config,
)
from arms.data.collecting.prompt import CHOICE_INSTRUCTION, INSTRUCTION
from chat_server import ChatServer, images_of, serving, text_of
from conftest import Command
from samples import make_image, record, records, with_images


@pytest.fixture(autouse=True)
def _direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to the server itself, and do not wait long between attempts."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(endpoint, "FIRST_DELAY", 0.01)


@pytest.fixture
def chat() -> Iterator[ChatServer]:
    with serving(ChatServer()) as server:
        yield server


@pytest.fixture
def queries(tmp_path: Path) -> Path:
    """Twelve queries with images, in a folder of their own."""
    folder = tmp_path / "queries"
    with_images(folder)
    path = folder / "queries.jsonl"
    fields = ("id", "group", "image", "question", "answer", "task", "language", "benchmark")
    lines = [
        json.dumps({name: getattr(one, name) for name in fields})
        for one in records()
        if one.model == "small"
    ]
    path.write_text("\n".join(lines))
    return path


def config(chat: ChatServer, *names: str, **fields: Any) -> CollectConfig:
    return CollectConfig(
        models=[ModelConfig(name=name, endpoint=chat.url, **fields) for name in names or ("m",)]
    )


def number_of(body: dict[str, Any]) -> str:
    """The number of the chart that a request is about."""
    return text_of(body).split("chart ")[1].split("?")[0]


def test_answers_arrive_with_cost_and_latency(
    chat: ChatServer, queries: Path, tmp_path: Path
) -> None:
    chat.answer = lambda body: f"{body['model']} {number_of(body)}"
    output = tmp_path / "out" / "collected.jsonl"
    output.parent.mkdir()
    priced = config(chat, "one", "two", input_price=2.5, output_price=10, max_tokens=99)
    moved: Counter[str] = Counter()

    def progress(name: str, report: ModelReport) -> None:
        moved[name] = report.done

    report = collect(queries, output, priced, progress=progress)
    assert report.is_complete
    assert moved == {"one": 12, "two": 12}
    assert report.models["one"].done == 12
    assert report.models["one"].cost == pytest.approx(12 * 0.0045)
    rows = {(row.id, row.model): row for row in read_records(output)}
    assert len(rows) == 24
    row = rows["q7", "two"]
    assert row.output == "two 7"
    assert row.cost == pytest.approx(0.0045)
    assert row.latency is not None
    assert 0 < row.latency < 60_000
    assert row.image == "../queries/images/7.png"
    assert (row.question, row.answer, row.group) == ("What is shown in chart 7?", "7", "g3")
    assert row.label is None
    assert {body["model"] for body in chat.requests} == {"one", "two"}
    assert chat.requests[0]["max_tokens"] == 99
    assert chat.requests[0]["temperature"] == 0


def test_images_arrive_as_they_are(chat: ChatServer, queries: Path, tmp_path: Path) -> None:
    collect(queries, tmp_path / "c.jsonl", config(chat))
    for body in chat.requests:
        (url,) = images_of(body)
        head, _, content = url.partition(",")
        assert head == "data:image/png;base64"
        image = queries.parent / "images" / f"{number_of(body)}.png"
        assert base64.b64decode(content) == image.read_bytes()
        assert text_of(body).endswith(INSTRUCTION)


def test_prompts_standardise_outputs(chat: ChatServer, tmp_path: Path) -> None:
    choice = "Which?\nA. red\nB. blue"
    url = "https://example.org/a.png"
    asked = [
        {"id": "a", "question": choice},
        {"id": "b", "question": "How many?", "image": [url, url]},
    ]
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(map(json.dumps, asked)))
    collect(path, tmp_path / "c.jsonl", config(chat, concurrency=1))
    assert [text_of(body) for body in chat.requests] == [
        f"{choice}\n{CHOICE_INSTRUCTION}",
        f"How many?\n{INSTRUCTION}",
    ]
    assert [images_of(body) for body in chat.requests] == [[], [url, url]]


def test_what_may_pass_is_tried_again(chat: ChatServer, queries: Path, tmp_path: Path) -> None:
    busy = {"error": {"message": "slow down"}}
    faults: dict[int, Any] = {
        1: (429, {"Retry-After": "0.01"}, busy),
        2: (500, {}, busy),
        3: (503, {"retry-after-ms": "5"}, b"<html>"),
        5: (200, {}, b"no json"),
    }
    chat.fault = lambda number, _: faults.get(number)
    report = collect(queries, tmp_path / "c.jsonl", config(chat, concurrency=2))
    assert report.is_complete
    assert report.models["m"].retried >= 3
    assert sorted(row.id for row in read_records(tmp_path / "c.jsonl")) == sorted(
        {one.id for one in records()}
    )


def test_failures_are_told_and_asked_again(chat: ChatServer, queries: Path, tmp_path: Path) -> None:
    def refuse(_: int, body: dict[str, Any]) -> Any:
        if "chart 3?" in text_of(body):
            return 400, {}, {"error": {"message": "image too small"}}
        if "chart 4?" in text_of(body):
            return 500, {}, {"error": {"message": "broken"}}
        return None

    chat.fault = refuse
    output = tmp_path / "c.jsonl"
    report = collect(queries, output, config(chat, retries=2))
    assert not report.is_complete
    assert (report.models["m"].done, report.models["m"].failed) == (10, 2)
    reasons = " ".join(report.models["m"].reasons)
    assert "HTTP 400" in reasons
    assert "image too small" in reasons
    assert "(3 attempts)" in reasons
    chat.fault = lambda *_: None
    chat.requests.clear()
    again = collect(queries, output, config(chat))
    assert again.is_complete
    assert (again.models["m"].before, again.models["m"].done) == (10, 2)
    assert len(chat.requests) == 2


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, {"message": "wrong key"}, "wrong key"),
        (404, {"message": "no such model"}, "no such model"),
        (429, {"message": "no money", "code": "insufficient_quota"}, "no money"),
    ],
)
def test_a_hopeless_endpoint_is_given_up(
    status: int, error: dict[str, str], words: str, chat: ChatServer, queries: Path, tmp_path: Path
) -> None:
    chat.fault = lambda *_: (status, {}, {"error": error})
    report = collect(queries, tmp_path / "c.jsonl", config(chat, concurrency=1))
    assert not report.is_complete
    assert words in str(report.models["m"].stopped)
    assert len(chat.requests) == 1


def test_an_absent_server_is_given_up(queries: Path, tmp_path: Path) -> None:
    absent = ChatServer(url="http://127.0.0.1:9/v1")
    report = collect(queries, tmp_path / "c.jsonl", config(absent, retries=1))
    assert report.models["m"].failed == 12
    assert not (tmp_path / "c.jsonl").read_bytes()


def test_a_model_that_only_fails_is_given_up(chat: ChatServer, tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text("\n".join(json.dumps({"id": str(n), "question": "?"}) for n in range(100)))
    chat.fault = lambda *_: (400, {}, {"error": {"message": "no"}})
    report = collect(path, tmp_path / "c.jsonl", config(chat, concurrency=3))
    assert "20 failures in a row" in str(report.models["m"].stopped)
    assert 20 <= report.models["m"].failed == len(chat.requests) < 23


def test_slow_answers_time_out(chat: ChatServer, queries: Path, tmp_path: Path) -> None:
    chat.delay = 0.5
    report = collect(
        queries, tmp_path / "c.jsonl", config(chat, timeout=0.05, retries=0, concurrency=12)
    )
    assert report.models["m"].failed == 12
    assert "no answer in time" in next(iter(report.models["m"].reasons))


def test_requests_keep_to_the_limits(chat: ChatServer, queries: Path, tmp_path: Path) -> None:
    # Nobody is answered before three ask.
    together = threading.Barrier(3)
    chat.answer = lambda _: str(together.wait(60))
    collect(queries, tmp_path / "c.jsonl", config(chat, concurrency=3))
    assert chat.most_at_once == 3
    chat.answer = lambda _: "yes"
    start = time.monotonic()
    collect(queries, tmp_path / "d.jsonl", config(chat, requests_per_minute=2400))
    assert time.monotonic() - start >= 11 * 60 / 2400


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": [{"message": {"content": 4}}]}])
def test_strange_answers_fail(
    body: dict[str, Any], chat: ChatServer, queries: Path, tmp_path: Path
) -> None:
    chat.fault = lambda *_: (200, {}, body)
    report = collect(queries, tmp_path / "c.jsonl", config(chat, retries=0))
    assert report.models["m"].failed == 12
    assert "answer" in next(iter(report.models["m"].reasons))


def test_half_a_surrogate_pair_is_one_failure(
    chat: ChatServer, queries: Path, tmp_path: Path
) -> None:
    chat.answer = lambda body: "\ud83d" if number_of(body) == "3" else "\ud83d\ude00"
    report = collect(queries, tmp_path / "c.jsonl", config(chat))
    assert (report.models["m"].done, report.models["m"].failed) == (11, 1)
    assert "no Unicode text" in next(iter(report.models["m"].reasons))
    assert {row.output for row in read_records(tmp_path / "c.jsonl")} == {"\U0001f600"}


def test_answers_without_usage_or_text(chat: ChatServer, queries: Path, tmp_path: Path) -> None:
    chat.answer = lambda _: None

    def bare(_: int, body: dict[str, Any]) -> Any:
        return 200, {}, chat.completion(body) | {"usage": None}

    chat.fault = bare
    collect(queries, tmp_path / "c.jsonl", config(chat, input_price=1, output_price=1))
    assert {(row.output, row.cost) for row in read_records(tmp_path / "c.jsonl")} == {("", None)}


def test_keys_come_from_the_environment(
    chat: ChatServer, queries: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "of another endpoint")
    collect(queries, tmp_path / "c.jsonl", config(chat))
    assert set(chat.keys) == {"Bearer none"}
    chat.keys.clear()
    monkeypatch.setenv("SAMPLE_KEY", "secret")
    collect(queries, tmp_path / "d.jsonl", config(chat, key_env="SAMPLE_KEY"))
    assert set(chat.keys) == {"Bearer secret"}
    assert b"secret" not in (tmp_path / "d.jsonl").read_bytes()
    monkeypatch.delenv("SAMPLE_KEY")
    with pytest.raises(DataError, match="the environment variable SAMPLE_KEY is not set"):
        collect(queries, tmp_path / "e.jsonl", config(chat, key_env="SAMPLE_KEY"))


def test_bad_queries_stop_before_anything_is_asked(chat: ChatServer, tmp_path: Path) -> None:
    write_records(tmp_path / "q.jsonl", [record(0)])
    with pytest.raises(BadRowError, match=r"image 'images/0\.png' does not exist"):
        collect(tmp_path / "q.jsonl", tmp_path / "c.jsonl", config(chat))
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "0.png").write_bytes(b"no image")
    report = collect(tmp_path / "q.jsonl", tmp_path / "c.jsonl", config(chat))
    assert "not a PNG, JPEG, GIF or WebP image" in next(iter(report.models["m"].reasons))
    assert not chat.requests


COLLECT = """
import sys
from arms.cli import main
main(["data", "collect", *sys.argv[1:]])
"""


def test_a_killed_run_goes_on(chat: ChatServer, queries: Path, tmp_path: Path) -> None:
    # Only four answers come before the kill.
    gate = threading.Event()

    def hold(number: int, _: dict[str, Any]) -> None:
        if number > 4:
            gate.wait(60)

    chat.fault = hold
    models = tmp_path / "models.toml"
    models.write_text(f'[[models]]\nname = "m"\nendpoint = "{chat.url}"\nconcurrency = 2\n')
    output = tmp_path / "c.jsonl"
    command = [sys.executable, "-c", COLLECT, queries, "-c", models, "-o", output]
    process = subprocess.Popen([str(word) for word in command], env=os.environ)
    while not output.exists() or output.read_bytes().count(b"\n") < 3:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    gate.set()
    kept = output.read_bytes().count(b"\n")
    assert kept in (3, 4)
    with output.open("ab") as file:
        file.write(b'{"id":"q9","question":"torn in the mid')
    chat.requests.clear()
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"cut off 38 bytes of a last line" in done.stderr
    assert len(chat.requests) == 12 - kept
    rows = list(read_records(output))
    assert sorted(row.id for row in rows) == sorted({one.id for one in records()})


def test_the_journal_mends_its_end(tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    write_records(path, [record(0), record(1)])
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with Journal(path) as journal:
            assert (len(journal.done), journal.torn) == (1, cut - first)
        assert path.read_bytes() == whole[:first]
    # Whole rows that lack the end of their line get it.
    for cut in (first - 1, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with Journal(path) as journal:
            assert (len(journal.done), journal.torn) == (whole[: cut + 1].count(b"\n"), 0)
        assert path.read_bytes() == whole[: cut + 1]
    path.write_bytes(b"broken\n" + whole)
    with pytest.raises(DataError, match=r"c\.jsonl:1: not a row of a collection"):
        Journal(path)


@pytest.mark.parametrize(
    "line",
    [
        '{"id":"1","question":"?"}',
        '{"precious":"result"}',
        '{"precious":"res',
        '{"precious":"\udcff"}',
        "[" * 100_000,
        '{"id":"q0"}',
    ],
    ids=["query", "foreign", "torn", "not UTF-8", "deep", "no row"],
)
def test_the_journal_cuts_off_nothing_of_other_files(line: str, tmp_path: Path) -> None:
    path = tmp_path / "c.jsonl"
    content = line.encode("utf-8", "surrogateescape")
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"c\.jsonl:1: not a row of a collection.*another file"):
        Journal(path)
    assert path.read_bytes() == content
    if line.endswith("}"):  # A whole line after rows is not cut off either.
        write_records(path, [record(0)])
        rows = path.read_bytes()
        path.write_bytes(rows + content)
        with pytest.raises(DataError, match=r"c\.jsonl:2: not a row of a collection"):
            Journal(path)
        assert path.read_bytes() == rows + content


def test_an_id_names_one_query(chat: ChatServer, tmp_path: Path) -> None:
    def write(name: str, **fields: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"id": "1", "question": "?"} | fields) + "\n")
        return path

    output = tmp_path / "out.jsonl"
    for number in (1, 2):
        make_image(tmp_path / f"{number}" / "0.png", number)
    first = write("1/a.jsonl", image="0.png")
    # The same query may come again, as in a data set.
    again = write("2/b.jsonl", image="../1/0.png")
    assert collect([first, again], output, config(chat)).models["m"].done == 1
    for other in (write("c.jsonl"), write("2/d.jsonl", image="0.png")):
        with pytest.raises(DataError, match=r"\.jsonl:1: the id '1' names another question or im"):
            collect([first, other], tmp_path / "new.jsonl", config(chat))
        with pytest.raises(DataError, match=r"out\.jsonl: holds answers to another question or im"):
            collect(other, output, config(chat))
    assert len(chat.requests) == 1
    assert collect(again, output, config(chat)).models["m"].before == 1


def test_queries_are_not_appended_to(chat: ChatServer, queries: Path) -> None:
    before = queries.read_bytes()
    for source in (queries, queries.parent):
        with pytest.raises(InvalidArgumentError, match=r"queries\.jsonl: is read as"):
            collect(source, queries, config(chat))
    assert queries.read_bytes() == before
    assert not chat.requests


def test_one_process_collects_into_a_file(tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "c.jsonl"),
        pytest.raises(DataError, match="another process is collecting"),
    ):
        Journal(tmp_path / "c.jsonl")
    with pytest.raises(DataError, match=r"a collection is a \.jsonl file"):
        Journal(tmp_path / "c.parquet")


YAML = """
instruction: Short.
models:
  - name: a
    endpoint: http://localhost/v1
    input_price: 0
    output_price: 1.5
    extra: {seed: 1}
"""


def test_configurations(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(YAML)
    read = read_config(path)
    assert read.instruction == "Short."
    assert read.models[0].cost(1_000_000, 2_000_000) == 3.0
    assert read.models[0].extra == {"seed": 1}


def test_candidates_need_a_folder_before_anybody_is_asked(
    tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arms.data.collecting.collect", lambda *_, **__: pytest.fail("it asks"))
    (tmp_path / "m.yaml").write_text(YAML)
    (tmp_path / "queries.jsonl").write_text('{"id":"a","question":"?","answer":"b"}\n')
    options = ["-c", tmp_path / "m.yaml", "-o", tmp_path / "answers.jsonl"]
    absent = tmp_path / "no" / "candidates.json"
    status, _, errors = command(
        "data", "collect", tmp_path / "queries.jsonl", *options, "--candidates", absent
    )
    assert (status, "no such folder to write to" in errors) == (1, True)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("m.yaml", "models: []", "models: List should have at least 1 item"),
        ("m.yaml", "models: [{name: a}]", r"models\.0\.endpoint: Field required"),
        ("m.yaml", "models: [{name: a, endpoint: ftp://x}]", r"models\.0\.endpoint"),
        ("m.yaml", YAML + YAML.split("models:")[1], "two models are named 'a'"),
        ("m.yaml", YAML + "\n    price: 1", r"models\.0\.price: Extra inputs"),
        ("m.yaml", "a: [", "cannot be parsed"),
        pytest.param("m.yaml", "[" * 10_000, "nested too deep", id="deep yaml"),
        pytest.param("m.toml", f"a = {'[' * 10_000}", "nested too deep", id="deep toml"),
        ("m.yaml", "", "should be a valid"),
        ("m.toml", "a =", "cannot be parsed"),
        ("m.ini", "", "ends in .yaml, .yml or .toml"),
    ],
)
def test_bad_configurations_are_named(name: str, text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=words) as caught:
        read_config(tmp_path / name)
    assert name in str(caught.value)
