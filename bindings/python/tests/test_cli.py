"""The commands ``route``, ``score`` and ``candidates``, each in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from rich.console import Console

import arms
import arms.cli
from conftest import LARGE, MODELS, SMALL, UNPRICED, Command

MODEL = MODELS / "distilbert-patches-scaled.gguf"


def arms_command(*arguments: object) -> list[str]:
    """Return the words that run ``arms`` with arguments."""
    return [sys.executable, "-m", "arms", *map(str, arguments)]


def run(
    *arguments: object, stdin: bytes | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run ``arms`` with arguments."""
    done = subprocess.run(
        arms_command(*arguments),
        env=os.environ | {"NO_COLOR": "1", "COLUMNS": "120"} | environment,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def records(*arguments: object, stdin: bytes | None = None) -> list[dict[str, Any]]:
    """Run ``arms`` with ``--json`` and parse its lines."""
    done = run(*arguments, "--json", stdin=stdin)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def assert_fails(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Assert that a command failed with one line that holds some words."""
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr.startswith("arms: ")
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


@pytest.fixture
def pool(model: Path, tmp_path: Path) -> Path:
    """A model file of its own with the candidates of the tests."""
    path = tmp_path / "pool.gguf"
    with arms.Router(model) as router:
        router.candidates.remove(*router.candidates)
        router.candidates.add([SMALL, LARGE, UNPRICED])
        router.save(path)
    return path


def test_help_teaches() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in ("route", "score", "candidates", "convert", "inspect"):
        assert command in done.stdout
    for words in (
        ["route"],
        ["score"],
        ["candidates"],
        ["candidates", "add"],
        ["candidates", "update"],
    ):
        assert run(*words, "--help").returncode == 0


@pytest.mark.parametrize("group", ["", "adapter", "candidates", "data", "plot"])
def test_no_arguments_print_the_help_alone(group: str, command: Command) -> None:
    status, output, errors = command(*group.split())
    assert (status in (0, 2), errors) == (True, "")
    assert "--help" in output


def test_version() -> None:
    assert run("--version").stdout == f"arms {arms.__version__}\n"


def test_route_prints_a_table(pool: Path, png: Path) -> None:
    done = run("route", pool, png, "What is shown?")
    assert (done.returncode, done.stderr) == (0, "")
    with arms.Router(pool) as router:
        decision = router.route(png, "What is shown?")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["candidate", "confidence", "cost", "latency"]
    assert [line[2:].split()[0] for line in lines[1:]] == [e.name for e in decision.ranked]
    assert lines[1].startswith(f"→ {decision.name}")
    assert f"{decision.confidence:.3f}" in lines[1]


def test_route_prints_json(pool: Path, png: Path) -> None:
    (record,) = records("route", pool, png, "What is shown?", "--image", png, "--top", 2)
    with arms.Router(pool) as router:
        decision = router.route([png, png], "What is shown?")
    assert record["name"] == decision.name
    assert record["confidence"] == pytest.approx(decision.confidence)
    assert [e["name"] for e in record["ranked"]] == [e.name for e in decision.ranked[:2]]
    assert record["ranked_count"] == 3


def test_route_shows_no_more_than_there_are(pool: Path) -> None:
    options = ["--top", 3_000_000_000]
    (record,) = records("route", pool, "none", "What is shown?", *options)
    assert len(record["ranked"]) == 3
    (record,) = records("route", pool, "none", "What is shown?", "--second", pool, *options)
    assert len(record["ranked"]) == 6


def test_route_reads_standard_input(pool: Path, png: Path) -> None:
    (piped,) = records("route", pool, "-", "What is shown?", stdin=png.read_bytes())
    (named,) = records("route", pool, png, "What is shown?")
    assert piped == named


def test_route_follows_the_policy(pool: Path) -> None:
    chosen = ["--allow", "small", "--allow", "large", "--policy", "utility", "--lambda", 1e6]
    (record,) = records("route", pool, "none", "What is shown?", *chosen)
    assert record["name"] == "small"
    (record,) = records("route", pool, "none", "What is shown?", "--abstain-below", 1)
    assert record["abstained"]
    assert record["name"] is None
    done = run("route", pool, "none", "What is shown?", "--abstain-below", 1)
    assert "abstains" in done.stdout


def test_route_cascades_over_two_files(pool: Path, model: Path) -> None:
    options = ["--policy", "cascade", "--theta", 1, "--second", model]
    (record,) = records("route", pool, "none", "What is shown?", *options)
    assert record["second_router"]
    assert {entry["router"] for entry in record["ranked"]} == {0, 1}


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        (["--lambda", 50], "--policy utility"),
        (["--mu", 0.1, "--policy", "cascade"], "--policy utility"),
        (["--theta", 0], "--policy cascade"),
        (["--theta", 0.99, "--policy", "utility"], "--policy cascade"),
    ],
)
def test_route_refuses_what_its_policy_does_not_read(
    options: list[object], fix: str, pool: Path
) -> None:
    done = run("route", pool, "none", "What is shown?", *options)
    assert_fails(done, 2, f"{options[0]} has no effect", fix)


def test_failures_are_one_line(pool: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(b"no model file")
    assert_fails(run("route", tmp_path / "absent.gguf", "none", "?"), 1, "absent.gguf")
    assert_fails(run("route", other, "none", "?"), 1, "other.gguf")
    assert_fails(run("route", pool, tmp_path / "absent.png", "?"), 1, "absent.png")
    assert_fails(run("route", pool, "none", "?", "--allow", "nobody"), 1, "nobody")
    assert_fails(run("route", pool, "none", "?", "--policy", "best"), 2, "best")
    assert_fails(run("route", pool, "none"), 2, "QUESTION")
    assert_fails(run("rout"), 2, "rout")
    assert_fails(run("score", pool), 2, "--queries")
    assert_fails(run("candidates", "add", pool), 2, "--from")


@pytest.mark.parametrize(
    ("error", "words"),
    [(MemoryError(), "out of memory"), (OverflowError("int too large"), "int too large")],
)
def test_too_much_for_the_machine_is_one_line(
    error: Exception, words: str, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arms.cli, "app", Mock(side_effect=error))
    assert command("route") == (1, "", f"arms: {words}\n")


def test_score_prints_a_table(pool: Path, png: Path) -> None:
    done = run("score", pool, "What is shown?", "Which [bold]year?", "-i", png)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["candidate", "What", "is", "shown?", "Which", "[bold]year?"]
    assert [line.split()[0] for line in lines[1:]] == ["small", "large", "unpriced"]


def test_score_can_be_read_in_a_narrow_terminal(
    pool: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arms.cli.score.console", lambda: Console(width=80))
    names = [f"a-model-of-some-{number}-parameters" for number in range(14)]
    with arms.Router(pool) as router:
        router.candidates.add([arms.Candidate(name=name) for name in names])
        router.save(pool)
        questions = [f"What is in the box of number {number}?" for number in range(6)]
        scores = router.score([(None, text) for text in questions], names)
    status, output, _ = command("score", pool, *questions)
    assert (status, "…" in output) == (0, False)
    rows = [line.split() for line in output.splitlines()]
    for name, expected in zip(names, scores.T, strict=True):
        shown = [cell for row in rows if row[:1] == [name] for cell in row[1:]]
        assert shown == [f"{score:.3f}" for score in expected]


def test_score_reads_json_lines(pool: Path, png: Path, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = [
        {"question": "What is shown?", "image": png.name},
        {"question": "What is shown?", "image": None},
        {"question": "What differs?", "image": [png.name, str(png)]},
    ]
    path = tmp_path / "queries.jsonl"
    path.write_text("\n\n".join(map(json.dumps, asked)))
    scored = records("score", pool, "--queries", path, "-c", "large", "-c", "small")
    with arms.Router(pool) as router:
        expected = router.score(
            [(png, "What is shown?"), (None, "What is shown?"), ([png, png], "What differs?")],
            ["large", "small"],
        )
    assert [record["question"] for record in scored] == [one["question"] for one in asked]
    for record, row in zip(scored, expected, strict=True):
        assert record["scores"] == pytest.approx(
            dict(zip(["large", "small"], row.tolist(), strict=True)), rel=1e-5
        )
    many = (json.dumps({"question": "What is shown?"}) + "\n") * 150
    assert len(records("score", pool, "-q", "-", stdin=many.encode())) == 150


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"image": "a.png"}',
        '{"question": "?", "image": 7}',
        '{"question": 1}',
        "[" * 200_000,
        f'{{"question": {"9" * 5000}}}',
    ],
)
def test_score_names_the_malformed_line(line: str, pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text('{"question": "?"}\n' + line)
    assert_fails(run("score", pool, "-q", path, "--json"), 1, "queries.jsonl:2")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"question": "\xff"}', "not UTF-8"),
        (b'{"question": "?", "image": "absent.png"}', "absent.png cannot be opened"),
        (b'{"question": "?", "image": "queries.jsonl"}', "unknown format"),
        (rb'{"question": "\ud800"}', "surrogate"),
        (b'{"question": "?", "image": [' + b'"absent.png", ' * 99 + b'"absent.png"]}', "100"),
    ],
)
def test_score_names_the_line_that_cannot_be_scored(
    line: bytes, words: str, pool: Path, tmp_path: Path
) -> None:
    path = tmp_path / "queries.jsonl"
    good = b'{"question": "?"}\n'
    path.write_bytes(good * 3 + line + b"\n" + good)
    assert_fails(run("score", pool, "-q", path, "--json"), 1, "queries.jsonl:4: ", words)


def test_score_names_no_line_for_an_unknown_candidate(pool: Path) -> None:
    done = run("score", pool, "-q", "-", "-c", "nobody", stdin=b'{"question": "?"}')
    assert_fails(done, 1, "nobody")
    assert "standard input" not in done.stderr


def test_score_reads_a_byte_order_mark(pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "queries.jsonl"
    path.write_text('{"question": "Où?"}\n', encoding="utf-8-sig")
    assert [one["question"] for one in records("score", pool, "-q", path)] == ["Où?"]
    # Whatever the encoding of the terminal.
    done = run(
        "score", pool, "-q", "-", "--json", stdin=path.read_bytes(), PYTHONIOENCODING="ascii"
    )
    assert json.loads(done.stdout)["question"] == "Où?"


def test_score_says_that_images_are_ignored(png: Path) -> None:
    default = arms.default_model()
    done = run("score", default, "What is shown?", "-i", png)
    assert (done.returncode, done.stderr.count("\n")) == (0, 1)
    assert "no image encoder" in done.stderr
    assert run("score", default, "What is shown?", "-i", "none").stderr == ""


def test_score_prints_logits(pool: Path) -> None:
    (logits,) = records("score", pool, "What is shown?", "--scores", "logit")
    with arms.Router(pool) as router:
        expected = router.score([(None, "What is shown?")], output="logit")[0]
    assert list(logits["scores"].values()) == pytest.approx(expected.tolist(), rel=1e-5)


def test_candidates_are_listed(pool: Path) -> None:
    listed = records("candidates", "list", pool)
    assert [record["name"] for record in listed] == ["small", "large", "unpriced"]
    assert listed[0]["cost"] == 0.001
    assert listed[1]["profile"] == "A model of 72B parameters."
    assert listed[2]["latency"] is None
    done = run("candidates", "list", pool)
    assert "$0.001" in done.stdout
    assert "900 ms" in done.stdout


def test_names_and_profiles_say_nothing_to_the_terminal(pool: Path) -> None:
    clear, colour = "\x1b[2J", "\x9b31m"
    name = f"sly{colour}"
    with arms.Router(pool) as router:
        router.candidates.add(arms.Candidate(name=name, profile=f"A model.{clear}"))
        router.save(pool)
    for arguments in (
        ["candidates", "list", pool],
        ["inspect", pool],
        ["route", pool, "none", "Why?"],
        ["score", pool, f"Why?{clear}"],
    ):
        done = run(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "sly\ufffd31m" in done.stdout
        assert not {"\x1b", "\x9b"} & set(done.stdout)
    done = run("candidates", "remove", pool, f"no{clear}")
    assert done.returncode == 1
    assert "\x1b" not in done.stderr


def closed(descriptor: int, *arguments: object) -> tuple[int, bytes, bytes]:
    """Run ``arms`` with one of the three streams closed."""
    code = (
        f"import os, sys; os.close({descriptor}); "
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arms_command(*arguments)[1:]],
        capture_output=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_closed_output_takes_nothing(pool: Path) -> None:
    assert closed(1, "candidates", "list", pool) == (0, b"", b"")
    assert closed(2, "candidates", "list", "/absent.gguf") == (1, b"", b"")


def test_closed_input_gives_nothing(pool: Path) -> None:
    assert closed(0, "score", pool, "-q", "-", "--json") == (0, b"", b"")
    code, output, errors = closed(0, "route", pool, "-", "What is shown?")
    assert (code, output, errors.count(b"\n")) == (1, b"", 1)
    assert errors.startswith(b"arms: ")


def test_output_that_has_no_letter_for_a_result_gets_it_all_the_same(pool: Path) -> None:
    question = "Où est-ce ?"
    done = run("score", pool, question, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert "O? est-ce ?" in done.stdout
    done = run("score", pool, question, "--json", PYTHONIOENCODING="ascii")
    assert json.loads(done.stdout)["question"] == question
    done = run("route", pool, "none", question, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["--version"],
        ["candidates", "list", MODEL],
        ["candidates", "list", MODEL, "--json"],
        ["inspect", MODEL],
        # More than is held back until the end.
        ["score", MODEL, *["What is shown?"] * 300, "--json"],
    ],
)
def test_a_reader_that_goes_away_is_no_failure(words: list[object]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as output:
        done = subprocess.run(
            arms_command(*words),
            stdout=output,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (0, b"")


def test_candidates_are_edited(pool: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.gguf"
    options = ["--parameters", "7B", "--cost", 0.002, "--max-images", 0, "--output", copy]
    done = run("candidates", "add", pool, "--name", "new", *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert run("candidates", "remove", copy, "small", "large").returncode == 0
    assert run("candidates", "disable", copy, "new").returncode == 0
    with arms.Router(copy) as router:
        assert list(router.candidates) == ["unpriced", "new"]
        new = router.candidates["new"]
        assert (new.cost, new.max_images, new.enabled) == (0.002, 0, False)
        assert "7B" in router.candidates.profile("new")
    assert run("candidates", "enable", copy, "new").returncode == 0
    with arms.Router(copy) as router:
        assert router.candidates["new"].enabled
    with arms.Router(pool) as router:
        assert list(router.candidates) == ["small", "large", "unpriced"]


def test_candidates_are_updated(pool: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.gguf"
    with arms.Router(pool) as router:
        before = router.candidates["small"]
        others = router.candidates.list()[1:]
        embedding = router.candidates.embedding("small")
    options = ["--cost", 0.25, "--bias", -0.5, "--max-images", 3, "--disable", "--output", copy]
    done = run("candidates", "update", pool, "small", *options)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with arms.Router(copy) as router:
        small = router.candidates["small"]
        assert small == replace(before, cost=0.25, bias=-0.5, max_images=3, enabled=False)
        assert router.candidates.list()[1:] == others
        assert (router.candidates.embedding("small") == embedding).all()
    options = ["--cost", "unknown", "--latency", "unknown", "--max-images", "any", "--enable"]
    assert run("candidates", "update", copy, "small", *options).returncode == 0
    with arms.Router(copy) as router:
        assert router.candidates["small"] == replace(before, cost=None, latency=None, bias=-0.5)
    with arms.Router(pool) as router:
        assert router.candidates["small"] == before


def test_updates_keep_what_was_learned(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "learned.gguf"
    with arms.Router(model) as router:
        (name, *_) = learned = [one.name for one in router.candidates.list() if one.beta]
        before = router.score([(None, "What is shown?")], learned)
        router.save(path)
    assert run("candidates", "update", path, name, "--cost", 0.5).returncode == 0
    with arms.Router(path) as router:
        assert router.candidates[name].cost == 0.5
        assert (router.score([(None, "What is shown?")], learned) == before).all()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        ([], 2, "nothing to change"),
        (["--cost", "free"], 2, "expected a number or unknown, not 'free'"),
        (["--max-images", "-1"], 2, "expected a number of images or any, not '-1'"),
        (["--cost", "nan"], 1, "cost is nan"),
        (["--temperature", "0"], 1, "temperature"),
    ],
)
def test_unusable_updates_are_refused(
    options: list[str], code: int, words: str, pool: Path
) -> None:
    assert_fails(run("candidates", "update", pool, "small", *options), code, words)


def test_failed_edits_leave_the_file(pool: Path) -> None:
    before = pool.read_bytes()
    assert_fails(run("candidates", "update", pool, "nobody", "--cost", 1), 1, "nobody")
    assert_fails(run("candidates", "remove", pool, "small", "nobody"), 1, "nobody")
    assert_fails(run("candidates", "add", pool, "--name", "small"), 1, "small")
    assert pool.read_bytes() == before


def test_candidates_come_from_a_file(pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "candidates.json"
    added: list[dict[str, object]] = [
        {"name": "a", "parameters": "8.3B", "cost_per_query_usd": 0.00024, "latency_ms": None},
        {"name": "b", "profile": "A sentence.", "latency": 12, "enabled": False, "pool": "free"},
    ]
    path.write_text(json.dumps({"note": "Two.", "candidates": added}))
    done = run("candidates", "add", pool, "--from", path)
    assert done.returncode == 0
    assert done.stderr == f"arms: {path}: ignored: pool\n"
    with arms.Router(pool) as router:
        a, b = router.candidates["a"], router.candidates["b"]
    assert (a.cost, a.latency, a.enabled) == (0.00024, None, True)
    assert (b.cost, b.latency, b.enabled) == (None, 12, False)


@pytest.mark.parametrize(
    "options", [["--cost", 0.5], ["--parameters", "7B"], ["--profile", "x"], ["--max-images", 0]]
)
def test_a_file_of_candidates_describes_them_itself(
    options: list[object], pool: Path, tmp_path: Path
) -> None:
    path = tmp_path / "candidates.json"
    path.write_text('[{"name": "a"}]')
    before = pool.read_bytes()
    done = run("candidates", "add", pool, "--from", path, *options)
    assert_fails(done, 2, f"{options[0]} goes with --name")
    assert pool.read_bytes() == before


def test_yaml_need_not_be_of_strings(pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "candidates.yaml"
    path.write_text("- {name: a, 7: free, note: One., cost: 0.5}")
    done = run("candidates", "add", pool, "--from", path)
    assert (done.returncode, done.stderr) == (0, f"arms: {path}: ignored: 7, note\n")
    path.write_text("- {name: b, profile: !!timestamp 2024-99-99}")
    assert_fails(run("candidates", "add", pool, "--from", path), 1, "candidates.yaml: not YAML")
    path.write_bytes(b"\xff")
    assert_fails(run("candidates", "add", pool, "--from", path), 1, "candidates.yaml: not YAML")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("7", "expected a list"),
        ('{"models": []}', "candidates"),
        ('[{"parameters": "7B"}]', "candidate 1"),
        ('[{"name": "a"}, {"name": 7}]', "candidate 2: name must be a string"),
        ('[{"name": "a", "cost": "free"}]', "cost must be a number"),
        ('[{"name": "a", "max_images": 1.5}]', "max_images must be an integer"),
        ('[{"name": "a", "enabled": 1}]', "enabled must be true or false"),
        ('[{"name": "a", "embedding": ["x"]}]', "embedding must be a list of numbers"),
        (f'[{{"name": "a", "cost": {"9" * 400}}}]', "candidate 1: cost is too large"),
        (f'[{{"name": "a", "embedding": [-{"9" * 400}]}}]', "embedding is too large"),
        ("[" * 200_000, "nested too deep"),
    ],
)
def test_malformed_files_are_named(content: str, words: str, pool: Path, tmp_path: Path) -> None:
    path = tmp_path / "candidates.json"
    path.write_text(content)
    assert_fails(run("candidates", "add", pool, "--from", path), 1, "candidates.json", words)
