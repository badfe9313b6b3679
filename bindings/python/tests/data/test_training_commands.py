"""``arms train``, ``extend``, ``fit``, ``calibrate`` and ``merge``: what is theirs alone."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arms
from arms.data import DataError, OutcomeTable, Record, write_records
from arms.training import ExtendOptions, Strategy, TrainOptions, read_configuration, train
from arms.training.parts import in_listed_groups
from conftest import MODELS as FIXTURES
from conftest import Command
from samples import record, records, with_images

BRISK = ["--epochs", "2", "--batch-size", "4", "--learning-rate", "3e-3", "--threads", "1"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model file without candidates."""
    path = tmp_path / "fresh.gguf"
    with arms.Router(FIXTURES / "distilbert-patches-scaled.gguf") as router:
        router.candidates.remove(*router.candidates)
        router.save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """12 queries of 6 groups, answered by ``small``, ``large`` and ``paid``."""
    with_images(tmp_path)
    path = tmp_path / "m2.jsonl"
    write_records(path, records())
    return path


@pytest.fixture
def trained(model: Path, data: Path, command: Command) -> Path:
    """A router for ``small`` and ``large``."""
    path = model.with_name("router.gguf")
    known = ["--models", "small", "--models", "large", "--name-only"]
    code, _, errors = command("train", model, data, "-o", path, *known, *BRISK)
    assert (code, errors) == (0, "")
    return path


def assert_fails(done: tuple[int, str, str], code: int, *words: str) -> None:
    """Assert that a command failed with one line that holds some words."""
    assert done[:2] == (code, "")
    assert done[2].startswith("arms: ")
    assert done[2].count("\n") == 1
    for word in words:
        assert word in done[2]


# Training.


def test_options_take_paths_as_texts_and_names_as_several(
    model: Path, data: Path, tmp_path: Path
) -> None:
    given: dict[str, Any] = {
        "model": str(model),
        "data": (str(data),),
        "output": str(tmp_path / "z.gguf"),
        "candidates": "profiles.json",
    }
    options = TrainOptions(**given)
    assert (options.model, options.output) == (model, tmp_path / "z.gguf")
    assert options.candidates == Path("profiles.json")
    assert train(replace(options, candidates=None, name_only=True, epochs=1)).output is not None
    for name in ("data", "models", "lora_targets"):
        with pytest.raises(TypeError, match=f"{name}: expected several strings, not the one"):
            TrainOptions(**(given | {name: "m2.jsonl"}))
    with pytest.raises(TypeError, match="new: expected several strings"):
        ExtendOptions(**given, new="gpt-4o")  # type: ignore[arg-type]


def test_a_run_can_be_made_again(model: Path, data: Path, tmp_path: Path, command: Command) -> None:
    path = tmp_path / "router.gguf"
    said = ["--name-only", "--text-layers", "1", "--validation", "0.34", "--calibrate", *BRISK]
    code, output, _ = command("train", model, data, "-o", path, *said)
    assert code == 0
    assert "validation, epoch 2" in output
    assert f"{path}: trained on 8 queries, 24 outcomes, calibrated" in output
    written = tomllib.loads((tmp_path / "router.gguf.toml").read_text())
    assert written["command"] == "train"
    assert (written["model"], written["data"]) == (str(model), [str(data)])
    assert (written["epochs"], written["text_layers"], written["threads"]) == (2, 1, 1)
    assert written["weight_decay"] == 0.01  # What was not said is there too.

    first = path.read_bytes()
    path.unlink()
    assert command("train", "--config", f"{path}.toml")[0] == 0
    assert path.read_bytes() == first
    assert tomllib.loads((tmp_path / "router.gguf.toml").read_text()) == written
    other = tmp_path / "other.gguf"
    again = ["--config", f"{path}.toml", "-o", other]
    assert command("train", *again, "--epochs", "3")[0] == 0
    assert tomllib.loads((tmp_path / "other.gguf.toml").read_text())["epochs"] == 3
    assert other.read_bytes() != first


def test_no_output_takes_the_place_of_an_input(
    model: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    groups, profiles = tmp_path / "groups.txt", tmp_path / "profiles.json"
    groups.write_text("g1\n")
    profiles.write_text("[]")
    out = tmp_path / "out.gguf"
    new = ["--new", "paid", "--name-only"]
    ranked = ["--text-layers", "1", "--lora-rank", "2"]
    runs: list[list[object]] = [
        ["train", model, tmp_path / "*.jsonl", "-o", data],
        ["train", model, data, "-o", groups, "--held-out", groups],
        ["train", model, data, "-o", profiles, "--candidates", profiles],
        ["train", model, data, "-o", out, "--checkpoint", data],
        ["train", model, data, "-o", out, *ranked, "--adapter", model],
        ["train", model, data, "-o", model, "--checkpoint", model],
        ["extend", model, data, "-o", data, *new],
        ["fit", model, data, "-o", data, *new],
        ["fit", model, data, "-o", profiles, "--candidates", profiles, *new],
        ["calibrate", model, data, "-o", data],
        ["calibrate", model, data, "-o", groups, "--groups", groups],
        ["merge", model, model, "-o", model],
        ["evaluate", model, data, "--html", data],
        ["evaluate", model, data, "--html", model],
        ["evaluate", model, data, "--vectors", groups, "--held-out", groups],
        ["evaluate", model, data, "--training", groups.parent, "--vectors", data],
    ]
    before = {path: path.read_bytes() for path in (model, data, groups, profiles)}
    for words in runs:
        assert_fails(command(*words), 1, "is read as", "would be lost")
    assert {path: path.read_bytes() for path in before} == before
    assert not out.exists()


def test_no_output_takes_the_place_of_another(
    model: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    out, other = tmp_path / "out.gguf", tmp_path / "other"
    ranked = ["--text-layers", "1", "--lora-rank", "2"]
    runs: list[list[object]] = [
        ["--checkpoint", out],
        [*ranked, "--adapter", out],
        ["--checkpoint", f"{out}.toml"],
        [*ranked, "--adapter", other, "--checkpoint", other],
    ]
    for words in runs:
        failed = command("train", model, data, "-o", out, *words)
        assert_fails(failed, 1, "is written twice by this run")
    assert not out.exists()
    assert not other.exists()


def test_a_run_that_replaces_its_model_does_not_promise_to_be_made_again(
    model: Path, data: Path, command: Command
) -> None:
    said = ["--name-only", "--epochs", "1", "--threads", "1"]
    code, output, _ = command("train", model, data, "-o", model, *said)
    assert (code, "trained on" in output, "again" in output) == (0, True, False)
    assert Path(f"{model}.toml").exists()
    code, output, _ = command("train", model, data, "-o", model, *said, "--json")
    assert (code, json.loads(output)["configuration"]) == (0, None)
    other = model.with_name("other.gguf")
    code, output, _ = command("train", model, data, "-o", other, *said)
    assert (code, f"; {other}.toml runs it again" in output) == (0, True)


def test_a_run_may_round_its_operands(
    model: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    path, logits = tmp_path / "router.gguf", []
    for more in ([], [], ["--bfloat16"]):
        assert command("train", model, data, "-o", path, "--name-only", *BRISK, *more)[0] == 0
        assert tomllib.loads(Path(f"{path}.toml").read_text())["bfloat16"] is bool(more)
        with arms.Router(path) as router:
            logits.append(router.score([(None, "What is shown?")], output="logit"))
    exact, again, rounded = logits
    np.testing.assert_array_equal(exact, again)
    assert (rounded != exact).all()
    np.testing.assert_allclose(rounded, exact, rtol=0.1)


@pytest.mark.usefixtures("model", "data")
def test_paths_in_a_configuration_start_at_its_folder(tmp_path: Path, command: Command) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        'command = "train"\nmodel = "fresh.gguf"\ndata = ["m2.jsonl"]\noutput = "out.gguf"\n'
        'epochs = 1\nname_only = true\ntext_layers = "all"\nvalidation = 0\n'
    )
    assert command("train", "--config", config)[0] == 0
    assert (tmp_path / "out.gguf").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("epochs = ", "not TOML"),
        pytest.param(f"data = {'[' * 100_000}", "nested too deep", id="deep"),
        ("epoch = 2", "unknown option 'epoch'"),
        ("epochs = 2.5", "epochs must be an integer, not 2.5"),
        ("epochs = true", "epochs must be an integer, not True"),
        ('clip = "much"', "clip must be a number"),
        ("calibrate = 1", "calibrate must be true or false"),
        ('schedule = "linear"', "schedule must be one of constant, cosine"),
        ('text_layers = "some"', "text_layers must be 'all' or a number"),
        ("models = [1]", "models must be a list of strings"),
        ("held_out = 3", "held_out must be a path"),
    ],
)
def test_malformed_configurations_are_named(
    line: str, words: str, tmp_path: Path, command: Command
) -> None:
    config = tmp_path / "run.toml"
    config.write_text(f'command = "train"\n{line}\n')
    assert_fails(command("train", "--config", config), 1, "run.toml", words)
    assert_fails(command("extend", "--config", config), 1, "run.toml")


def test_a_run_goes_on_from_its_checkpoint(model: Path, data: Path, tmp_path: Path) -> None:
    options = TrainOptions(
        model=model,
        data=(str(data),),
        output=tmp_path / "whole.gguf",
        name_only=True,
        text_layers=1,
        validation=0,
        epochs=3,
        batch_size=4,
        threads=1,
        checkpoint=tmp_path / "whole.ckpt",
    )
    train(options)

    def stop(progress: arms.Progress) -> None:
        if progress.step == 4:
            raise KeyboardInterrupt

    partial = replace(options, output=tmp_path / "resumed.gguf", checkpoint=tmp_path / "run.ckpt")
    with pytest.raises(KeyboardInterrupt):
        train(partial, progress=stop, resume=True)
    assert not partial.output.exists()
    steps: list[int] = []
    train(partial, progress=lambda progress: steps.append(progress.step), resume=True)
    assert steps == [5, 6, 7, 8, 9]
    assert partial.output.read_bytes() == options.output.read_bytes()


def test_what_is_kept_out_is_measured_in_the_end(
    model: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    groups = tmp_path / "groups.txt"
    groups.write_text("g0\ng3\n")
    output = ["-o", tmp_path / "router.gguf", "--held-out", groups, "--validation", "0.25"]
    said = command("train", model, data, *output, "--name-only", *BRISK, "--json")
    report = json.loads(said[1])
    assert report["held_out"]["query_count"] == 4
    assert [one["query_count"] for one in report["epochs"]] == [2, 2]
    assert report["queries"] == 6
    with arms.Router(report["output"]) as router:
        left = OutcomeTable.read(data).select(groups=["g0", "g3"])
        scores = router.score(
            [
                (image, question)
                for image, question in zip(left.images, left.questions, strict=True)
            ],
            list(left.models),
        )
    chosen = left.labels[np.arange(4), scores.argmax(axis=1)]
    assert report["held_out"]["exact_match"] == pytest.approx(chosen.mean())


def loss_of(path: Path, table: OutcomeTable) -> float:
    """The mean cross-entropy of the confidences that a model file gives."""
    with arms.Router(path) as router:
        queries = list(zip(table.images, table.questions, strict=True))
        right = router.score(queries, list(table.models)).astype(float)
    return float(-np.log(np.where(table.labels == 1, right, 1 - right)).mean())


def test_what_is_measured_is_what_is_written(
    model: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    groups = tmp_path / "groups.txt"
    groups.write_text("g0\ng3\n")
    left = OutcomeTable.read(data).select(groups=["g0", "g3"])
    kept = ["--held-out", groups, "--validation", "0.5", "--json", "--name-only", *BRISK]
    path, known = tmp_path / "router.gguf", ["--models", "small", "--models", "large"]
    for more in (["--calibrate", "--strength", "1"], ["--type", "int8"]):
        code, printed, _ = command("train", model, data, "-o", path, *kept, *known, *more)
        assert code == 0
        expected = loss_of(path, left.select(models=["small", "large"]))
        assert json.loads(printed)["held_out"]["loss"] == pytest.approx(expected, rel=1e-5)
    for strategy, seen in (("incremental", ["small", "large", "paid"]), ("independent", ["paid"])):
        said = ["--new", "paid", "--strategy", strategy, "--calibrate", "--strength", "1"]
        output = tmp_path / f"{strategy}.gguf"
        code, printed, _ = command("extend", path, data, "-o", output, *kept, *said)
        assert code == 0
        expected = loss_of(output, left.select(models=seen))
        assert json.loads(printed)["held_out"]["loss"] == pytest.approx(expected, rel=1e-5)


def test_a_calibration_of_other_weights_is_told(
    trained: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    assert command("calibrate", trained, data, "--strength", "1")[0] == 0
    output = tmp_path / "finer.gguf"
    known = ["--models", "small", "--models", "large", *BRISK]
    code, _, errors = command("train", trained, data, "-o", output, *known)
    assert (code, "calibration was of other weights, and is dropped" in errors) == (0, True)
    with arms.Router(output) as router:
        assert {(one.temperature, one.bias) for one in router.candidates.list()} == {(1, 0)}
    assert command("train", trained, data, "-o", output, *known, "--calibrate")[::2] == (0, "")
    said = ["--new", "paid", "--name-only", "--no-check", *BRISK]
    code, _, errors = command("extend", trained, data, "-o", output, *said)
    assert (code, "old candidates keep the model's calibration" in errors) == (0, True)
    with arms.Router(output) as router, arms.Router(trained) as before:
        assert router.candidates["small"].bias == before.candidates["small"].bias


def test_models_without_outcomes_are_not_added(
    model: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    rows = [
        one.model_copy(update={"label": None} if one.model == "paid" else {}) for one in records()
    ]
    write_records(data, rows)
    output = tmp_path / "router.gguf"
    train = ["train", model, data, "-o", output, "--name-only", *BRISK]
    code, _, errors = command(*train)
    assert code == 0
    assert errors == "arms: left out, as the data to train on has no outcome of theirs: paid\n"
    with arms.Router(output) as router:
        assert list(router.candidates) == ["small", "large"]
    output.unlink()
    for name in ("paid", "nosuch"):
        refused = command(*train, "--models", "small", "--models", name)
        assert_fails(refused, 1, f"no outcome of {name}: look at models")
    assert not output.exists()


def test_a_group_may_hold_whatever_ends_no_line(tmp_path: Path) -> None:
    name = "one\u2028and\x0canother\x85"
    table = OutcomeTable.from_records([record(0, group=name), record(2, group="one")])
    listed = tmp_path / "groups.txt"
    listed.write_bytes(f"{name}\r\n".encode())
    assert in_listed_groups(table, listed).tolist() == [True, False]


def test_listed_groups_are_in_the_data(tmp_path: Path) -> None:
    table = OutcomeTable.from_records([record(query) for query in range(8)])
    listed = tmp_path / "groups.txt"
    # As editors write it: a mark of the encoding first, and an empty line at the end.
    listed.write_bytes(b"\xef\xbb\xbfg0\r\ng2\r\n\r\n")
    assert in_listed_groups(table, listed).tolist() == [True, True, False, False] * 2
    listed.write_text("g0\ng20\ng21\n")
    with pytest.raises(
        arms.InvalidArgumentError, match="2 of the groups listed are not in the data"
    ):
        in_listed_groups(table, listed)


def test_splits_say_what_is_trained_on(model: Path, tmp_path: Path, command: Command) -> None:
    with_images(tmp_path)
    path = tmp_path / "split.jsonl"
    splits = ("train", "test", "ood")
    write_records(path, [replace_split(one, splits[int(one.id[1:]) // 2 % 3]) for one in records()])
    output = ["-o", tmp_path / "router.gguf", "--name-only", *BRISK, "--json"]
    said = command("train", model, path, *output, "--validation-split", "test")
    report = json.loads(said[1])
    assert (report["queries"], report["epochs"][0]["query_count"]) == (4, 4)
    assert_fails(
        command("train", model, path, *output, "--split", "dev"), 1, "no split 'dev'", "ood, test"
    )
    same = ["--split", "test", "--validation-split", "test"]
    assert_fails(command("train", model, path, *output, *same), 1, "among training and validation")
    router = tmp_path / "router.gguf"
    assert_fails(command("calibrate", router, path), 1, "--split", "ood, test, train")


def test_no_split_is_guessed(model: Path, tmp_path: Path, command: Command) -> None:
    with_images(tmp_path)
    path, built, router = (tmp_path / name for name in ("a.jsonl", "b.jsonl", "router.gguf"))
    rows = records()
    write_records(path, [replace_split(one, "test") if one.group == "g0" else one for one in rows])
    train = ["-o", router, "--name-only", *BRISK, "--json"]
    refused = command("train", model, path, *train)
    assert_fails(refused, 1, "have the splits test, and no train: say with --split", "--test 0")
    # As the message says.
    assert command("data", "build", path, "-o", built, "--keep-splits", "--test", "0")[0] == 0
    report = json.loads(command("train", model, built, *train, "--validation", "0")[1])
    assert report["queries"] == 10
    for split in ("train", "ood"):
        write_records(path, [replace_split(one, split) for one in rows])
        refused = command("evaluate", router, path)
        assert_fails(refused, 1, f"have the splits {split}, and no test: say with --split")
    write_records(path, rows[:9] + [replace_split(one, "train") for one in rows[9:]])
    assert_fails(command("evaluate", router, path), 1, "--keep-splits --test 1` makes those")
    said = command("evaluate", router, path, "--split", "train", "--replicates", "2", "--json")
    assert json.loads(said[1])["data"]["queries"] == 9


def replace_split(one: Record, split: str) -> Record:
    """The same row in a split."""
    return one.model_copy(update={"split": split})


def test_profiles_come_from_a_file(
    model: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    profiles = tmp_path / "profiles.yaml"
    profiles.write_text(
        "candidates:\n"
        "  - {name: small, parameters: 2B, cost: 0.001}\n"
        "  - {name: large, profile: A large model., cost: 0.01}\n"
        "  - {name: paid, parameters: 70B}\n"
        "  - {name: absent, parameters: 1B}\n"
    )
    output = tmp_path / "router.gguf"
    given = ["-o", output, "--candidates", profiles, *BRISK]
    assert command("train", model, data, *given)[0] == 0
    with arms.Router(output) as router:
        assert list(router.candidates) == ["small", "large", "paid"]
        assert router.candidates.profile("large") == "A large model."
        assert router.candidates["small"].cost == 0.001
    assert command("train", model, data, *given, "--name-only")[0] == 0
    with arms.Router(output) as router:
        assert [router.candidates.profile(name) for name in router.candidates] == [
            "small",
            "large",
            "paid",
        ]
        assert router.candidates["small"].cost == 0.001
    profiles.write_text("[{name: small, parameters: 2B}]")
    output.unlink()
    assert_fails(command("train", model, data, *given), 1, "profiles.yaml", "large, paid")
    assert not output.exists()


def test_runs_that_make_no_sense_are_refused(
    model: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    good = ["train", model, data, "-o", tmp_path / "out.gguf", "--name-only"]
    assert_fails(command("train"), 2, "MODEL is missing")
    assert_fails(command("train", model), 2, "DATA is missing")
    assert_fails(command("train", model, data), 2, "--output is missing")
    assert_fails(command(*good, "--epochs", "0"), 1, "epochs is 0")
    assert_fails(command(*good, "--learning-rate", "0"), 1, "learning_rate is 0")
    assert_fails(command(*good, "--text-layers", "some"), 2, "some")
    assert_fails(command(*good, "--text-layers", "99"), 1, "99")
    assert_fails(command(*good, "--validation", "1"), 1, "below 1")
    assert_fails(command(*good, "--validation", "0", "--calibrate"), 1, "calibrate needs")
    assert_fails(command(*good, "--validation", "0.01"), 1, "so few groups")
    assert_fails(command(*good, "--models", "nobody"), 1, "no row")
    assert_fails(command(*good, "--resume"), 1, "checkpoint")
    assert_fails(command("train", model, data, "-o", tmp_path / "no" / "out.gguf"), 1, "no such")
    assert_fails(command("train", model, data, "-o", tmp_path), 1, "is a folder")
    # Before anything is read, and not when the first epoch is over.
    unread = ["train", model, tmp_path / "none.jsonl", "-o", tmp_path / "out.gguf"]
    assert_fails(command(*unread, "--calibrate", "--strength", "-5"), 1, "strength is -5.0")
    assert_fails(command(*unread, "--seed", "-1"), 1, "seed must be from 0")
    added = ["extend", *unread[1:], "--strategy", "independent", "--new", "paid"]
    for theta in ("5", "0", "nan"):
        assert_fails(command(*added, "--theta", theta), 1, "theta is", "at most 1")
    assert_fails(command(*unread, "--checkpoint", tmp_path / "no" / "run"), 1, "no such folder")
    assert_fails(command(*unread, "--checkpoint", tmp_path), 1, "is a folder")
    assert_fails(command(*unread, "--checkpoint", "/dev/null"), 1, "is a device")
    (tmp_path / "images" / "3.png").write_bytes(b"no image")
    assert_fails(command(*good), 1, "3.png")
    assert not (tmp_path / "out.gguf").exists()
    assert not [*tmp_path.glob(".*")]


def test_images_are_looked_for_before_the_work(
    trained: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    write_records(data, [*records(), record(90, image="https://x.org/a.png", group="g5")])
    (tmp_path / "images" / "3.png").unlink()
    output = tmp_path / "out.gguf"
    runs: list[list[object]] = [
        ["train", trained, data, "-o", output, "--name-only", *BRISK],
        ["extend", trained, data, "-o", output, "--name-only", "--new", "paid", *BRISK],
        ["fit", trained, data, "-o", output, "--name-only", "--new", "paid"],
        ["calibrate", trained, data, "-o", output],
        ["evaluate", trained, data, "--replicates", "2"],
    ]
    for words in runs:
        refused = command(*words)
        assert (refused[0], output.exists()) == (1, False)
        assert f"query 'q3': image {tmp_path}/images/3.png does not exist" in refused[2]
        code, _, errors = command(*words, "--lenient")
        assert (code, "for an image that does not exist: " in errors) == (0, True)
        output.unlink(missing_ok=True)
    (tmp_path / "images" / "3.png").write_bytes((tmp_path / "images" / "2.png").read_bytes())
    assert "'q90': image https://x.org/a.png is a URL, not a file" in command(*runs[0])[2]


def test_images_that_no_router_sees_are_not_looked_for(tmp_path: Path, command: Command) -> None:
    path, output = tmp_path / "m2.jsonl", tmp_path / "out.gguf"
    write_records(path, [record(query, "gpt-4o", label=query % 2 == 0) for query in range(8)])
    router = arms.default_model()
    assert command("calibrate", router, path, "-o", output)[::2] == (0, "")
    said = command("train", router, path, "-o", output, "--validation", "0", *BRISK)
    assert said[0] == 0, said
    assert command("evaluate", router, path, "--replicates", "2")[0] == 0


def test_queries_that_are_one_are_named() -> None:
    table = OutcomeTable.from_records(
        [record(0, image=None, question="?"), record(1, image=None, question="?")]
    )
    with pytest.raises(DataError, match="'q1' has the question and images of another"):
        table.to_dataset()


def test_a_table_becomes_a_data_set(tmp_path: Path) -> None:
    with_images(tmp_path)
    rows = [record(0), record(1, label=None), record(0, "large", label=False), record(2, "large")]
    table = OutcomeTable.from_records(rows, folder=tmp_path)
    whole, one = table.to_dataset(), table.to_dataset(models=["large"])
    assert (len(whole), whole.outcome_count) == (2, 3)
    assert (len(one), one.outcome_count) == (2, 2)
    assert len(table.take([1]).to_dataset()) == 0
    with pytest.raises(DataError, match="nobody"):
        table.to_dataset(models=["nobody"])


# Extending.


def test_an_extension_can_be_made_again(
    trained: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    output = tmp_path / "larger.gguf"
    said = ["--new", "paid", "--name-only", "--replay", "0.5", "--distill", "0.5", *BRISK]
    checked = ["--tolerance", "1", "--validation", "0.34"]
    assert command("extend", trained, data, "-o", output, *said, *checked)[0] == 0
    first = output.read_bytes()
    output.unlink()
    code, printed, _ = command("extend", "--config", f"{output}.toml", "--json")
    report = json.loads(printed)
    assert code == 0
    assert report["accepted"]
    assert report["before"]["query_count"] == 4
    assert output.read_bytes() == first
    options = read_configuration(Path(f"{output}.toml"), "extend", ExtendOptions)
    assert options["strategy"] is Strategy.INCREMENTAL
    assert options["new"] == ("paid",)


def test_an_extension_that_does_harm_is_not_written(
    trained: Path, tmp_path: Path, command: Command
) -> None:
    # What the router says of the old candidates is held for wrong.
    with_images(tmp_path, 24)
    with arms.Router(trained) as router:
        rows = [record(query, "paid", label=True) for query in range(24)]
        for query in range(24):
            one = record(query)
            asked = [(tmp_path / str(one.image), one.question)]
            scores = router.score(asked, ["small", "large"])[0]
            for name, score in zip(("small", "large"), scores, strict=True):
                # Held for right in the first 6 groups, for wrong in those trained on.
                right = bool(score > 0.5) == (query < 12)
                rows.append(
                    record(query, name, label=right, split="test" if query < 12 else "train")
                )
            rows[query] = rows[query].model_copy(
                update={"split": "test" if query < 12 else "train"}
            )
    harmful = tmp_path / "harmful.jsonl"
    write_records(harmful, rows)
    output = tmp_path / "larger.gguf"
    said = ["--new", "paid", "--name-only", "--replay", "0.9", "--tolerance", "0"]
    much = ["--epochs", "20", "--batch-size", "4", "--learning-rate", "1e-2", "--threads", "1"]
    done = command(
        "extend", trained, harmful, "-o", output, *said, *much, "--validation-split", "test"
    )
    assert done[0] == 1
    assert "old candidates, before" in done[1]
    assert "nothing was written" in done[2]
    assert not output.exists()
    assert not Path(f"{output}.toml").exists()


def test_a_second_router_for_new_candidates(
    trained: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    output = tmp_path / "both.gguf"
    said = ["--strategy", "independent", "--new", "paid", "--name-only", "--theta", "0.9", *BRISK]
    assert command("extend", trained, data, "-o", output, *said)[0] == 0
    with arms.Router(output) as both, arms.Router(trained) as first:
        assert both.info.router_count == 2
        assert both.candidates["paid"].router == 1
        query = [arms.Query(None, "What is shown?")]
        np.testing.assert_array_equal(
            both.score(query, ["small", "large"]), first.score(query, ["small", "large"])
        )
    assert not [*tmp_path.glob(".*")]
    again = ["extend", output, data, "-o", tmp_path / "x.gguf", *said]
    assert_fails(command(*again), 1, "has paid in its pool")


@pytest.mark.parametrize("strategy", list(Strategy))
def test_what_an_extension_keeps_out_is_measured(
    strategy: Strategy, trained: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    groups, output = tmp_path / "groups.txt", tmp_path / "both.gguf"
    groups.write_text("g0\ng3\n")
    said = ["--strategy", strategy.value, "--new", "paid", "--name-only", *BRISK]
    kept = ["--held-out", groups, "--validation", "0", "--json"]
    code, printed, _ = command("extend", trained, data, "-o", output, *said, *kept)
    report = json.loads(printed)
    assert code == 0
    assert report["queries"] == 8
    new = ["paid"] if strategy is Strategy.INDEPENDENT else ["small", "large", "paid"]
    assert report["held_out"]["query_count"] == 4
    assert report["held_out"]["outcome_count"] == 4 * len(new)
    left = OutcomeTable.read(data).select(groups=["g0", "g3"], models=new)
    with arms.Router(output) as router:
        queries = zip(left.images, left.questions, strict=True)
        said_right = router.score(list(queries), new) > 0.5
    accuracy = (said_right == (left.labels == 1)).mean()
    assert report["held_out"]["accuracy"] == pytest.approx(accuracy)


def test_groups_without_new_candidates_are_not_measured(
    trained: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    write_records(data, [one for one in records() if one.model != "paid" or one.group != "g0"])
    groups = tmp_path / "groups.txt"
    groups.write_text("g0\n")
    said = ["--strategy", "independent", "--new", "paid", "--name-only", *BRISK]
    kept = ["--held-out", groups, "--validation", "0", "--json"]
    code, printed, _ = command("extend", trained, data, "-o", tmp_path / "x.gguf", *said, *kept)
    assert code == 0
    assert json.loads(printed)["held_out"] is None


def test_extensions_that_make_no_sense_are_refused(
    trained: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    good = ["extend", trained, data, "-o", tmp_path / "out.gguf", "--name-only"]
    assert_fails(command(*good), 1, "--new")
    assert_fails(command(*good, "--new", "nobody"), 1, "nobody")
    assert_fails(command(*good, "--new", "paid", "--theta", "0.5"), 1, "theta", "incremental")
    independent = [*good, "--new", "paid", "--strategy", "independent"]
    assert_fails(command(*independent, "--replay", "0.5"), 1, "replay", "independent")
    assert_fails(command(*independent, "--theta", "1.5"), 1, "theta")
    only = ["--models", "paid", "--replay", "0.5"]
    assert_fails(command(*good, "--new", "paid", *only), 1, "no outcome of an old candidate")
    assert not (tmp_path / "out.gguf").exists()


# The other commands.


def test_calibrate(trained: Path, data: Path, tmp_path: Path, command: Command) -> None:
    groups = tmp_path / "groups.txt"
    groups.write_text("g0\ng1\n")
    output = tmp_path / "calibrated.gguf"
    said = ["-o", output, "--groups", groups, "--strength", "1", "--json"]
    report = json.loads(command("calibrate", trained, data, *said)[1])
    # The router does not know the third model.
    assert (report["queries"], report["outcomes"]) == (4, 8)
    with arms.Router(output) as router:
        small = router.candidates["small"]
    assert report["candidates"]["small"] == pytest.approx(
        {"temperature": small.temperature, "bias": small.bias}
    )
    assert (small.temperature, small.bias) != (1, 0)
    assert_fails(command("calibrate", trained, data, "--strength", "0"), 1, "strength")
    write_records(data, [record(0, "other")])
    refused = command("calibrate", trained, data)
    assert_fails(refused, 1, "no model in common", "the data has other", "the router small, large")


def test_fit(trained: Path, data: Path, tmp_path: Path, command: Command) -> None:
    output = tmp_path / "fitted.gguf"
    said = ["-o", output, "--new", "paid", "--name-only"]
    code, printed, _ = command("fit", trained, data, *said, "--shots", "8")
    assert code == 0
    assert printed == f"{output}: learned paid from 8 outcomes\n"
    query = [arms.Query(None, "What is shown?")]
    with arms.Router(output) as router, arms.Router(trained) as before:
        assert list(router.candidates) == ["small", "large", "paid"]
        names = ["small", "large"]
        np.testing.assert_array_equal(router.score(query, names), before.score(query, names))
    assert_fails(command("fit", trained, data, "--new", "nobody", "--name-only"), 1, "nobody")
    assert_fails(command("fit", trained, data, "--new", "paid"), 1, "no profile of paid")
    assert_fails(command("fit", trained, data), 2, "--new")


def test_merge(trained: Path, model: Path, tmp_path: Path, command: Command) -> None:
    with arms.Router(model) as router:
        router.candidates.add([arms.Candidate(name="paid", parameters="70B")])
        router.save(model)
    output = tmp_path / "both.gguf"
    code, printed, _ = command("merge", trained, model, "-o", output, "--theta", "0.7", "--json")
    assert code == 0
    assert json.loads(printed) == {
        "output": str(output),
        "bytes": output.stat().st_size,
        "candidates": [2, 1],
    }
    assert_fails(command("merge", trained, trained, "-o", output), 1, "small")
    assert_fails(command("merge", trained, model, "-o", output, "--theta", "0"), 1, "theta")


def test_adapters(model: Path, data: Path, tmp_path: Path, command: Command) -> None:
    output, adapter, merged = (
        tmp_path / f"{name}.gguf" for name in ("router", "adapter", "merged")
    )
    given = ["--name-only", "--text-layers", "all", "--lora-rank", "2", "--lora-targets", "value"]
    code, _, errors = command(
        "train", model, data, "-o", output, "--adapter", adapter, *given, *BRISK
    )
    assert (code, errors) == (0, "")
    code, printed, _ = command("adapter", "apply", model, adapter, "-o", merged, "--json")
    assert code == 0
    assert json.loads(printed) == {
        "output": str(merged),
        "bytes": merged.stat().st_size,
        "candidates": 3,
    }
    query = arms.Query(None, "question 1")
    with arms.Router(output) as trained, arms.Router(merged) as other:
        assert list(trained.candidates) == list(other.candidates) == ["small", "large", "paid"]
        np.testing.assert_array_equal(trained.score([query]), other.score([query]))
    # Another's weights are refused, and no file is written.
    merged.unlink()
    assert_fails(command("adapter", "apply", output, adapter, "-o", merged), 1, "another router")
    assert_fails(command("adapter", "apply", model, output, "-o", merged), 1, "is no adapter")
    assert "is an adapter" in command("inspect", adapter)[2]
    assert not merged.exists()
    # The configuration makes the run again.
    before = adapter.read_bytes()
    adapter.unlink()
    assert command("train", "--config", f"{output}.toml")[0] == 0
    assert adapter.read_bytes() == before


def test_adapters_that_make_no_sense_are_refused(
    model: Path, data: Path, tmp_path: Path, command: Command
) -> None:
    good = ["train", model, data, "-o", tmp_path / "out.gguf", "--name-only"]
    adapter = ["--adapter", tmp_path / "adapter.gguf"]
    assert_fails(command(*good, *adapter), 1, "lora-rank")
    assert_fails(command(*good, "--lora-rank", "2"), 1, "text_layers")
    divided = ["--text-layers", "1", "--lora-rank", "2", "--lora-targets", "query"]
    assert_fails(command(*good, *divided, "--type", "int8"), 1, "adapt all three")
    ranked = [*good, "--text-layers", "1", "--lora-rank", "2"]
    assert_fails(command(*ranked, *adapter, "--calibrate"), 1, "calibrate")
    assert_fails(command(*ranked, *adapter, "--type", "bf16"), 1, "bf16")
    assert_fails(command(*good, "--text-layers", "1", "--lora-alpha", "16"), 1, "lora_rank is 0")
    assert_fails(command(*ranked, "--lora-targets", "gate"), 1, "lora_targets", "query")
    assert_fails(command(*ranked, "--lora-alpha", "-1"), 1, "lora_alpha")
    assert_fails(command(*ranked, "--adapter", tmp_path), 1, "is a folder")
    assert [*tmp_path.glob("*.gguf")] == [model]


def test_the_help_teaches(command: Command) -> None:
    for name in ("train", "extend", "fit", "calibrate", "merge"):
        code, output, _ = command(name, "--help")
        assert code == 0
        assert f"arms {name} " in output
