"""``arms evaluate``: which queries, which models, which baselines, and what is written."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arms
from arms.cli import main
from arms.cli.tables import print_json
from arms.data import OutcomeTable, Record, write_records
from arms.evaluation import Outcomes, from_json
from arms.evaluation.scoring import common_models, priced_by, score_queries
from arms.training.parts import in_listed_groups
from conftest import Command

KINDS = ("chart", "map", "table")
CLI = "from arms.cli import main; main()"


@pytest.fixture
def saved(router: arms.Router, tmp_path: Path) -> Path:
    """A model file with the candidates ``small``, ``large`` and ``unpriced``."""
    path = tmp_path / "router.gguf"
    router.save(path)
    return path


def records(queries: int = 40, **fields: Any) -> list[Record]:
    """Queries in groups of two, of which three in four train."""
    made = []
    for query in range(queries):
        for place, name in enumerate(("small", "large", "unknown")):
            values: dict[str, Any] = {
                "id": f"q{query}",
                "group": f"g{query // 2}",
                "question": f"What is in box {query} of the {KINDS[query // 2 % 3]}?",
                "image": f"{query % 3}.png",
                "model": name,
                "label": (query + place) % (place + 2) != 0,
                "cost": 0.001 * (place + 1),
                "task": KINDS[query // 2 % 3],
                "split": "test" if query // 2 % 4 == 0 else "train",
            }
            made.append(Record(**(values | fields)))
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Records with splits, and their images."""
    from PIL import Image

    for number in range(3):
        Image.new("RGB", (20, 16), (80 * number, 30, 200)).save(tmp_path / f"{number}.png")
    path = tmp_path / "m2.jsonl"
    write_records(path, records())
    return path


def test_the_test_split_is_evaluated_and_the_training_split_is_learned(
    saved: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    page, vectors = tmp_path / "report.html", tmp_path / "vectors.npz"
    options = ["--json", "--replicates", "20", "--html", page, "--vectors", vectors]
    status, output, errors = command("evaluate", saved, data, *options)
    assert status == 0
    assert "left out, for lack of a counterpart: unknown" in errors
    assert "left out, for lack of a counterpart: unpriced" in errors
    evaluation = from_json(output)
    assert evaluation.data.models == ["small", "large"]
    assert (evaluation.data.queries, evaluation.data.training_queries) == (10, 30)
    names = [result.name for result in evaluation.all.routers]
    for name in ("ARMS", "kNN (k=200)", "logistic (C=0.1)", "MLP (128)", "mean per task", "oracle"):
        assert name in names
    # What it reports is what the router chooses.
    table = OutcomeTable.read(data).select(split="test", models=["small", "large"])
    with arms.Router(saved) as router:
        queries = list(zip(table.images, table.questions, strict=True))
        chosen = router.score(queries, ["small", "large"]).argmax(axis=1)
        fused = router.embed_query(*queries[3])
        encoded = router.encode_image(table.images[3][0]).embedding
    em = table.labels[range(len(table)), chosen].mean()
    assert evaluation.all.routers[0].em.value == pytest.approx(em)
    assert page.read_text().startswith("<!DOCTYPE html>")
    with np.load(vectors) as held:
        assert held["fused"].shape[0] == held["question"].shape[0] == 10
        np.testing.assert_allclose(held["fused"][3], fused, atol=1e-6)
        np.testing.assert_allclose(held["image"][3], encoded, atol=1e-6)
        assert held["vlm"].tolist() == np.array(["small", "large"])[chosen].tolist()
        assert held["task"].tolist() == list(table.tasks)


def test_tables_are_printed_and_the_verdict_is_last(
    saved: Path, data: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    status, output, _ = command("evaluate", saved, data, "--replicates", "20", "--no-baselines")
    assert status == 0
    assert "10 queries in 5 groups, 2 models" in output
    assert output.index("Exact match") < output.index("ARMS ", output.index("Expert load"))
    assert "kNN" not in output


def test_groups_can_be_held_out_in_place_of_splits(
    saved: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    listed = tmp_path / "groups.txt"
    listed.write_text("g1\ng2\n")
    arguments = ["evaluate", saved, data, "--held-out", listed, "--replicates", "20", "--json"]
    _, output, _ = command(*arguments)
    evaluation = from_json(output)
    assert (evaluation.data.queries, evaluation.data.training_queries) == (4, 36)
    listed.write_text("g999\n")
    status, _, errors = command(*arguments)
    assert (status, "names none of the groups of the data" in errors) == (1, True)
    status, _, errors = command(*arguments, "--split", "test")
    assert (status, "--held-out goes without --training and --split" in errors) == (2, True)


def test_listed_groups_may_have_carriage_returns_in_them(tmp_path: Path) -> None:
    names = ("a\rb", "c", "d", "a")
    rows = [Record(id=name, group=name, question="?", model="m", label=True) for name in names]
    write_records(tmp_path / "rows.jsonl", rows)
    listed = tmp_path / "groups.txt"
    listed.write_bytes(b"a\rb\r\nc\n")
    mask = in_listed_groups(OutcomeTable.read(tmp_path / "rows.jsonl"), listed)
    assert mask.tolist() == [True, True, False, False]


def test_training_records_may_lie_elsewhere(
    saved: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    rows = records(split=None)
    write_records(tmp_path / "test.jsonl", [row for row in rows if str(row.group) < "g2"])
    write_records(tmp_path / "train.jsonl", [row for row in rows if str(row.group) >= "g2"])
    options = ["--replicates", "20", "--json"]
    tested, trained = tmp_path / "test.jsonl", tmp_path / "train.jsonl"
    _, output, _ = command("evaluate", saved, tested, "--training", trained, *options)
    evaluation = from_json(output)
    count = evaluation.data.queries
    assert count + evaluation.data.training_queries == 40
    # Without them nothing is fitted, and the reader is told.
    _, output, _ = command("evaluate", saved, tested, *options)
    alone = from_json(output)
    assert (alone.data.queries, alone.data.training_queries) == (count, 0)
    assert "known in hindsight" in alone.notes[0]
    status, _, errors = command("evaluate", saved, trained, "--training", data, *options)
    assert (status, "split by group" in errors) == (1, True)


def test_the_default_router_sees_no_images(data: Path, tmp_path: Path, command: Command) -> None:
    rows = [
        row.model_copy(update={"model": {"small": "gpt-4o", "large": "qwen2-vl-7b"}[row.model]})
        for row in records()
        if row.model != "unknown"
    ]
    write_records(data, rows)
    vectors = tmp_path / "vectors.npz"
    options = ["--replicates", "20", "--json", "--vectors", vectors]
    status, output, errors = command("evaluate", arms.default_model(), data, *options)
    assert status == 0, errors
    assert from_json(output).data.models == ["qwen2-vl-7b", "gpt-4o"]
    with np.load(vectors) as held:
        assert held["image"].shape == (10, 0)
        assert held["fused"].shape == (10, 32)
    status, _, errors = command(
        "evaluate", arms.default_model(), data, "--embeddings", "both", "--replicates", "20"
    )
    assert (status, "has no image encoder" in errors) == (1, True)


def test_the_second_router_of_a_blind_one_sees_the_images(
    saved: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    both, vectors = tmp_path / "both.gguf", tmp_path / "vectors.npz"
    with arms.Router() as blind, arms.Router(saved) as second:
        blind.join(second, both)
    with arms.Router(both) as router:
        outcomes = Outcomes.of(OutcomeTable.read(data)).with_models(["small", "large"])
        scored = score_queries(router, outcomes)
        queries = list(zip(outcomes.images, outcomes.questions, strict=True))
        expected = router.score(queries, ["small", "large"])
        np.testing.assert_allclose(scored.confidences, expected, atol=1e-6)
        image = router.encode_image(outcomes.images[0][0]).embedding
        np.testing.assert_allclose(scored.images[0], image, atol=1e-6)
        blindly = router.score([(None, text) for _, text in queries], ["small", "large"])
    assert np.abs(expected - blindly).max() > 1e-4
    options = ["--embeddings", "image", "--replicates", "20", "--json", "--vectors", vectors]
    status, _, errors = command("evaluate", both, data, *options)
    assert status == 0, errors
    with np.load(vectors) as held:
        assert held["image"].shape == (10, len(image))


@pytest.mark.parametrize("embeddings", ["image", "both"])
def test_baselines_may_see_the_image(
    embeddings: str, saved: Path, data: Path, command: Command
) -> None:
    options = ["--embeddings", embeddings, "--replicates", "20", "--json"]
    status, output, _ = command("evaluate", saved, data, *options)
    assert (status, json.loads(output)["format"]) == (0, "arms-evaluation")


def test_misuse_is_one_line(saved: Path, data: Path, tmp_path: Path, command: Command) -> None:
    cases: list[tuple[list[object], int, str]] = [
        (["--split", "ood"], 1, "the data has no split 'ood': it has test, train"),
        (["--embeddings", "sound"], 2, "sound"),
        (["--replicates", "1"], 2, "replicates"),
    ]
    for options, code, words in cases:
        status, output, errors = command("evaluate", saved, data, *options)
        assert (status, output) == (code, "")
        assert words in errors
        assert errors.count("\n") == 1
    status, _, errors = command("evaluate", saved, tmp_path / "absent.jsonl")
    assert (status, "absent.jsonl" in errors) == (1, True)
    write_records(data, [row.model_copy(update={"model": "other"}) for row in records(2)][::3])
    status, _, errors = command("evaluate", saved, data, "--split", "test")
    assert (status, "have no model in common" in errors) == (1, True)


def test_what_cannot_be_delivered_is_told_before_the_scoring(
    saved: Path, data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "arms.evaluation.scoring.score_queries", lambda *_, **__: pytest.fail("it scores")
    )
    known = tmp_path / "known.jsonl"
    write_records(known, [row.model_copy(update={"model": "gpt-4o"}) for row in records()[::3]])
    both, link = tmp_path / "both", tmp_path / "link"
    link.symlink_to(both)
    cases: list[tuple[list[object], str]] = [
        ([saved, data, "--html", tmp_path / "no" / "report.html"], "no such folder to write to"),
        ([saved, data, "--html", tmp_path], "is a folder"),
        ([saved, data, "--vectors", tmp_path / "no" / "vectors.npz"], "no such folder"),
        ([saved, data, "--html", both, "--vectors", both], "is the file of --html and of --vec"),
        ([saved, data, "--html", both, "--vectors", link], "name two files to write"),
        ([saved, data, "--training", data], "split by group"),
        ([arms.default_model(), known, "--embeddings", "image"], "has no image encoder"),
    ]
    for arguments, words in cases:
        status, output, errors = command("evaluate", *arguments)
        assert (status, output, words in errors) == (1, "", True), errors
    needs: list[tuple[str, list[object]]] = [
        ("matplotlib", ["--html", tmp_path / "report.html"]),
        ("sklearn.linear_model", []),
    ]
    for module, options in needs:
        with monkeypatch.context() as lacking:
            lacking.setitem(sys.modules, module, None)
            status, output, errors = command("evaluate", saved, data, *options)
        assert (status, output, "pip install 'arms[evaluation]'" in errors) == (1, "", True)


def test_the_evaluation_is_printed_before_other_files_fail(
    saved: Path, data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "report.html"
    page.write_text("as before")

    def full(path: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_text", full)
    options = ["--replicates", "20", "--no-baselines", "--json", "--html", page]
    status, output, errors = command("evaluate", saved, data, *options)
    assert (status, "No space left" in errors) == (1, True)
    assert from_json(output).data.queries == 10
    assert page.read_text() == "as before"


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["table", "json"])
def test_files_are_written_though_nobody_reads_the_evaluation(
    form: list[str], saved: Path, data: Path, tmp_path: Path
) -> None:
    page, vectors = tmp_path / "report.html", tmp_path / "vectors.npz"
    options = ["--replicates", "20", "--no-baselines", *form, "--html", page, "--vectors", vectors]
    words = [sys.executable, "-c", CLI, "evaluate", saved, data, *options]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [str(word) for word in words], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert b"Traceback" not in done.stderr
    assert page.read_text().startswith("<!")
    assert "fused" in np.load(vectors)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_names_survive_an_output_that_lacks_their_letters(
    encoding: str, saved: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "gpt-模型é"
    with arms.Router(saved) as router:
        router.candidates.add([arms.Candidate(name=name)])
        router.save(saved)
    write_records(data, [row.model_copy(update={"model": name}) for row in records()[::3]])
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    with pytest.raises(SystemExit):
        main(["evaluate", str(saved), str(data), "--replicates", "5", "--json"])
    evaluation = from_json(written.getvalue().decode(encoding))
    assert evaluation.data.models == [name]


def test_json_is_printed_to_a_stream_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(sys, "stdout", output)
    print_json({"name": "模型"})
    assert output.getvalue() == '{"name": "模型"}\n'


def test_a_file_that_fails_is_told_though_nobody_reads_the_evaluation(
    saved: Path, data: Path, tmp_path: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "vectors.npz")

    def broken(*_: object) -> str:
        raise BrokenPipeError

    page, vectors = tmp_path / "report.html", tmp_path / "vectors.npz"
    monkeypatch.setattr(np, "savez_compressed", full)
    monkeypatch.setattr("arms.evaluation.to_json", broken)
    options = ["--replicates", "20", "--no-baselines", "--json", "--html", page]
    status, _, errors = command("evaluate", saved, data, *options, "--vectors", vectors)
    assert (status, "No space left" in errors) == (1, True)
    assert page.exists()
    assert not vectors.exists()


def test_bad_rows_stop_it_or_are_counted(saved: Path, data: Path, command: Command) -> None:
    lines = data.read_text().splitlines()
    lines[4] = lines[4].replace('"label":true', '"label":"yes"')
    lines[4] = lines[4].replace('"label":false', '"label":"no"')
    data.write_text("\n".join(lines) + "\n")
    options = ["--replicates", "20", "--json"]
    status, output, errors = command("evaluate", saved, data, *options)
    assert (status, output) == (1, "")
    assert f"{data}:5: label must be true, false or null" in errors
    status, output, errors = command("evaluate", saved, data, *options, "--lenient")
    assert status == 0
    assert "left out: 1 bad rows (1 label)" in errors


def test_an_image_that_is_gone_is_named(saved: Path, data: Path, command: Command) -> None:
    (data.parent / "1.png").unlink()
    status, _, errors = command("evaluate", saved, data)
    assert (status, "1.png" in errors) == (1, True)


def test_queries_that_no_model_takes_are_left_out(
    saved: Path, data: Path, command: Command
) -> None:
    with arms.Router(saved) as router:
        router.candidates.update("small", max_images=1)
        router.candidates.update("large", max_images=2)
        router.save(saved)
    images = ["0.png", "1.png", "2.png"]
    given = {"q8": images, "q9": images[:2], "q30": images}
    rows = [
        row.model_copy(update={"image": given.get(str(row.id), row.image)}) for row in records()
    ]
    write_records(data, rows)
    options = ["--json", "--replicates", "20"]
    status, output, errors = command("evaluate", saved, data, *options)
    assert status == 0
    told = "left out, for more images than any model takes: 1 of"
    assert f"{told} 10 queries, 'q8' first" in errors
    assert f"{told} 30 queries, 'q30' first" in errors
    evaluation = from_json(output)
    assert (evaluation.data.queries, evaluation.data.training_queries) == (9, 29)
    # The library says before its work which query it cannot score.
    outcomes = Outcomes.of(OutcomeTable.read(data).select(models=["small", "large"]))
    with (
        arms.Router(saved) as router,
        pytest.raises(arms.InvalidArgumentError, match="query 'q8' has more images"),
    ):
        score_queries(router, outcomes)
    write_records(data, [row.model_copy(update={"image": images}) for row in rows])
    status, output, errors = command("evaluate", saved, data, *options)
    assert (status, output, "every query has more images" in errors) == (1, "", True)


def test_scoring_needs_questions_and_shared_models(router: arms.Router) -> None:
    outcomes = Outcomes(models=("large", "x", "small"), labels=np.ones((2, 3)))
    assert common_models(router, outcomes) == ["small", "large"]
    router.candidates.disable("small")
    assert common_models(router, outcomes) == ["large"]
    with pytest.raises(arms.InvalidArgumentError, match="no questions"):
        score_queries(router, outcomes.with_models(["large"]))
    # What the data does not know of costs and latencies is the candidate's own.
    priced = priced_by(router, outcomes.with_models(["small", "large"]))
    assert priced.costs.tolist() == [[0.001, 0.01]] * 2
    assert priced.latencies.tolist() == [[100, 900]] * 2
