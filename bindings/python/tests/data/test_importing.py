"""Importers, on files in the formats that their projects document."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from arms import InvalidArgumentError
from arms.data import BadRowError, BadRowKind, BadRows, DataError, Row, read_records
from arms.data.importing import ImportFormat, ImportOptions, import_records, import_rows
from samples import make_image, plain


def write_csv(path: Path, rows: list[dict[str, Any]], delimiter: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_excel(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    book = Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append(list(row.values()))
    book.save(path)
    return path


def assert_round_trips(
    kind: str, paths: list[Path], folder: Path, options: ImportOptions | None = None
) -> list[Row]:
    """Import, write in both formats and read again: the rows stay, their images move along."""
    rows = list(import_rows(kind, paths, options))
    target = folder / "imported"
    target.mkdir(exist_ok=True)
    for name in ("d.jsonl.gz", "d.parquet"):
        assert import_records(kind, paths, target / name, options) == len(rows)
        read = list(read_records(target / name))
        for one, again in zip(rows, read, strict=True):
            (before,) = plain([one])
            (after,) = plain([again])
            for image in (before, after):
                places = image.pop("image") or []
                image["files"] = [places] if isinstance(places, str) else places
            assert [Path(file).resolve() for file in before.pop("files")] == [
                (target / file).resolve() for file in after.pop("files")
            ]
            assert before == after
    return rows


# The paper's Fig. 2.

SAMPLE = {
    "Question": "How many bars?",
    "Image": "images/0.png",
    "VLM": "claude3.5-sonnet",
    "Output": "5",
    "Language": "English",
    "Task": "chart reading",
    "Ground Truth": "4",
    "Label": "False",
    "Benchmark": "MMT-Bench",
    "Cost": "0.0045",
    "Latency": "1200",
}


@pytest.mark.parametrize("suffix", ["csv", "tsv", "xlsx", "parquet", "json", "jsonl"])
def test_m2(suffix: str, tmp_path: Path) -> None:
    other = SAMPLE | {"VLM": "gpt-4o", "Output": "4", "Label": "True", "Cost": "", "Latency": ""}
    samples: list[dict[str, Any]] = [SAMPLE, other]
    path = tmp_path / f"m2.{suffix}"
    make_image(tmp_path / "images" / "0.png")
    match suffix:
        case "xlsx":
            write_excel(path, samples)
        case "parquet":
            pq.write_table(pa.Table.from_pylist(samples), path)
        case "json":
            path.write_text(json.dumps(samples))
        case "jsonl":
            path.write_text("\n".join(map(json.dumps, samples)))
        case _:
            write_csv(path, samples, "\t" if suffix == "tsv" else ",")
    first, second = assert_round_trips("m2", [path], tmp_path)
    assert first.id == second.id
    assert first == Row(
        id=first.id,
        question="How many bars?",
        image=str(tmp_path / "images" / "0.png"),
        model="claude3.5-sonnet",
        output="5",
        answer="4",
        label=False,
        task="chart reading",
        language="English",
        benchmark="MMT-Bench",
        cost=0.0045,
        latency=1200,
    )
    assert (second.label, second.cost, second.latency) == (True, None, None)


def test_m2_needs_its_fields(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "d.csv", [{"Question": "?", "Output": "4"}])
    with pytest.raises(DataError, match="no column for the model; there are: Question, Output"):
        list(import_rows("m2", [path]))
    (row,) = import_rows("m2", [path], ImportOptions(constants={"model": "m"}))
    assert row.model == "m"


# VLMEvalKit.

PREDICTIONS: list[dict[str, Any]] = [
    {
        "index": 12,
        "hint": "Look closely.",
        "question": "Which colour?",
        "A": "red",
        "B": 4.0,
        "answer": "B",
        "category": "colour",
        "prediction": "B",
    },
    {
        "index": 1000012,
        "hint": None,
        "question": "Which colour?",
        "A": "blue",
        "B": "red",
        "answer": "A",
        "category": "colour",
        "prediction": "B.",
    },
]


def judged(*hits: Any, **names: str) -> list[dict[str, Any]]:
    name = names.get("name", "hit")
    return [row | {name: hit, "log": ""} for row, hit in zip(PREDICTIONS, hits, strict=True)]


def test_vlmevalkit_runs(tmp_path: Path) -> None:
    root = tmp_path / "outputs"
    dataset = "MMBench_DEV_EN_V11"
    for model, hits in (("Qwen2.5-VL-7B-Instruct", (1, 0)), ("llava_v1.5_7b", (0, 1))):
        folder = root / model / "T20251025_G12345678"
        write_excel(folder / f"{model}_{dataset}.xlsx", PREDICTIONS)
        write_excel(folder / f"{model}_{dataset}_openai_result.xlsx", judged(*hits))
        write_csv(folder / f"{model}_{dataset}_acc.csv", [{"split": "dev", "Overall": 0.5}])
    make_image(tmp_path / "LMUData" / dataset / "12.png")
    options = ImportOptions(images=tmp_path / "LMUData", constants={"language": "en"})
    rows = assert_round_trips("vlmevalkit", [root], tmp_path, options)
    assert [(row.model, row.id, row.label) for row in rows] == [
        ("Qwen2.5-VL-7B-Instruct", f"{dataset}/12", True),
        ("Qwen2.5-VL-7B-Instruct", f"{dataset}/1000012", False),
        ("llava_v1.5_7b", f"{dataset}/12", False),
        ("llava_v1.5_7b", f"{dataset}/1000012", True),
    ]
    assert rows[0].question == "Look closely.\nWhich colour?\nA. red\nB. 4"
    assert rows[0].group == rows[1].group == f"{dataset}/12"
    assert rows[0].image == str(tmp_path / "LMUData" / dataset / "12.png")
    assert rows[1].image is None
    assert (rows[0].output, rows[0].answer, rows[0].task) == ("B", "B", "colour")
    assert (rows[0].benchmark, rows[0].language) == (dataset, "en")


def test_vlmevalkit_scores_in_json(tmp_path: Path) -> None:
    folder = tmp_path / "GPT4o"
    write_csv(folder / "GPT4o_MathVista_MINI.tsv", PREDICTIONS, "\t")
    scores = {"12": {"score": 1.0}, "1000012": {"score": 0.4}}
    (folder / "GPT4o_MathVista_MINI_gpt-4o-mini_score.json").write_text(json.dumps(scores))
    first, second = assert_round_trips("vlmevalkit", [folder], tmp_path)
    assert (first.model, first.benchmark, first.label) == ("GPT4o", "MathVista_MINI", True)
    assert (second.label, second.judge) == (False, 0.4)
    (third, fourth) = import_rows("vlmevalkit", [folder], ImportOptions(threshold=0.4))
    assert (third.label, fourth.label) == (True, True)


def test_vlmevalkit_files_and_refusals(tmp_path: Path) -> None:
    path = write_excel(tmp_path / "results.xlsx", judged(1, "unsure"))
    with pytest.raises(DataError, match="say it with model=NAME"):
        list(import_rows("vlmevalkit", [path]))
    named = ImportOptions(constants={"model": "m", "benchmark": "b"})
    with pytest.raises(
        BadRowError, match="the verdict must be a number, true or false, not 'unsure'"
    ):
        list(import_rows("vlmevalkit", [path], named))
    bad = BadRows()
    (row,) = import_rows("vlmevalkit", [path], named, strict=False, bad=bad)
    assert (row.id, row.model) == ("b/12", "m")
    assert bad.counts == {BadRowKind.LABEL: 1}
    averages = write_csv(tmp_path / "m" / "m_b_acc.csv", [{"split": "dev", "Overall": 0.5}])
    with pytest.raises(DataError, match="no column index; does it hold averages"):
        list(import_rows("vlmevalkit", [averages]))
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match="no table"):
        list(import_rows("vlmevalkit", [tmp_path / "none"]))
    broken = tmp_path / "m" / "m_b.xlsx"
    broken.write_bytes(b"no spreadsheet")
    with pytest.raises(DataError, match="not an Excel file"):
        list(import_rows("vlmevalkit", [broken]))


def test_vlmevalkit_rows_without_an_index(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    rows = [row | {"hit": 1} for row in PREDICTIONS]
    write_csv(folder / "m_D.csv", [rows[0], rows[0] | {"index": ""}, rows[1]])
    with pytest.raises(BadRowError, match=r"m_D\.csv:3: the cell of index is empty"):
        list(import_rows("vlmevalkit", [folder]))
    bad = BadRows()
    read = list(import_rows("vlmevalkit", [folder], strict=False, bad=bad))
    assert [row.id for row in read] == ["D/12", "D/1000012"]
    assert bad.counts == {BadRowKind.MISSING_FIELD: 1}


def test_vlmevalkit_runs_are_not_mixed(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    for run in ("T1", "T2"):
        write_csv(folder / run / "m_D.csv", PREDICTIONS)
    write_csv(folder / "T1" / "m_D_openai_result.csv", judged(1, 1))
    with pytest.raises(DataError, match=r"two runs of m on D: in .*T1 and in .*T2; name the"):
        list(import_rows("vlmevalkit", [folder]))
    assert [row.label for row in import_rows("vlmevalkit", [folder / "T1"])] == [True, True]
    # VLMEvalKit links to the newest run; a copy of its folders may have lost where to.
    (folder / "T2" / "m_D.csv").unlink()
    (folder / "m_D.csv").symlink_to("T1/m_D.csv")
    (folder / "m_E.csv").symlink_to("T9/m_E.csv")
    (folder / "T1" / "._m_D.csv").write_bytes(b"of another system")
    assert [row.label for row in import_rows("vlmevalkit", [folder])] == [True, True]


# MMR-Bench.

OUTCOMES: list[dict[str, Any]] = [
    {
        "question": "What is written?",
        "answer": "STOP",
        "dataset_idx": "OCRBench_7",
        "gpt-5_correct": 1,
        "gpt-5_cost": 0.01,
        "Qwen2.5-VL-3B_correct": 0.0,
        "Qwen2.5-VL-3B_cost": 0.00003,
    },
    {
        "question": "Which?",
        "answer": "",
        "dataset_idx": "SEEDBench2_Plus_0",
        "gpt-5_correct": 0.5,
        "gpt-5_cost": 0.02,
        "Qwen2.5-VL-3B_correct": "",
        "Qwen2.5-VL-3B_cost": "",
    },
]


def test_mmr_bench(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "data" / "MMR_Bench.csv", OUTCOMES)
    make_image(path.parent / "OCRBench" / "7.png")
    rows = assert_round_trips("mmr-bench", [path.parent], tmp_path)
    assert [(row.id, row.model, row.label, row.cost) for row in rows] == [
        ("OCRBench_7", "gpt-5", True, 0.01),
        ("OCRBench_7", "Qwen2.5-VL-3B", False, 0.00003),
        ("SEEDBench2_Plus_0", "gpt-5", False, 0.02),
    ]
    assert (rows[0].benchmark, rows[0].answer) == ("OCRBench", "STOP")
    assert rows[0].image == str(path.parent / "OCRBench" / "7.png")
    assert rows[2].image == str(path.parent / "SEEDBenchv2Plus" / "0.jpg")
    assert (rows[2].benchmark, rows[2].answer, rows[2].judge) == ("SEEDBench2_Plus", None, 0.5)


def test_mmr_bench_of_one_data_set(tmp_path: Path) -> None:
    outcome = {"question": "?", "img_path": "toy/0.jpg", "m_is_correct": 1}
    path = write_csv(tmp_path / "toy.csv", [outcome])
    (row,) = import_rows("mmr-bench", [path])
    assert (row.id, row.benchmark, row.image) == ("toy_1", "toy", str(tmp_path / "toy" / "0.jpg"))
    write_csv(path, [outcome | {"m_is_correct": "maybe"}])
    with pytest.raises(
        BadRowError, match="m_is_correct must be a number, true or false, not 'maybe'"
    ):
        list(import_rows("mmr-bench", [path]))
    write_csv(path, [{"question": "?"}])
    with pytest.raises(DataError, match="no column ends in _correct"):
        list(import_rows("mmr-bench", [path]))


# HELM.


def request_state(number: int, **fields: Any) -> dict[str, Any]:
    """A multiple-choice request of VHELM's, as its runner writes it."""
    instance = {
        "input": {
            "text": "",
            "multimedia_content": {
                "media_objects": [
                    {
                        "content_type": "image/png",
                        "location": f"benchmark_output/scenarios/mmmu/{number}.png",
                    },
                    {"content_type": "text/plain", "text": "Who painted this?"},
                ]
            },
        },
        "references": [
            {"output": {"text": "Monet"}, "tags": []},
            {"output": {"text": "Manet"}, "tags": ["correct"]},
        ],
        "split": "valid",
        "id": f"id{number}",
    }
    state = {
        "instance": instance,
        "train_trial_index": 0,
        "output_mapping": {"A": "Monet", "B": "Manet"},
        "request": {"model": "openai/gpt-4o", "prompt": "", "temperature": 0},
        "result": {
            "success": True,
            "embedding": [],
            "completions": [{"text": "B", "logprob": 0, "tokens": []}],
            "cached": False,
            "request_time": 1.25,
        },
        "num_train_instances": 0,
        "prompt_truncated": False,
        "num_conditioning_tokens": 0,
    }
    return state | fields


def statistics(number: int, **values: float) -> dict[str, Any]:
    stats = [
        {"name": {"name": name, "split": "valid"}, "count": 1, "sum": value, "sum_squared": 0}
        for name, value in values.items()
    ]
    return {"instance_id": f"id{number}", "train_trial_index": 0, "stats": stats}


def write_run(folder: Path, model: str, states: list[Any], stats: list[Any]) -> Path:
    folder.mkdir(parents=True)
    state = {
        "adapter_spec": {"method": "multiple_choice_joint", "model": model},
        "request_states": states,
    }
    (folder / "scenario_state.json").write_text(json.dumps(state, indent=2))
    (folder / "per_instance_stats.json").write_text(json.dumps(stats, indent=2))
    return folder


def test_helm_runs(tmp_path: Path) -> None:
    runs = tmp_path / "runs" / "v1"
    perturbed = request_state(0)
    perturbed["instance"] = perturbed["instance"] | {"perturbation": {"name": "robustness"}}
    plain_text = request_state(2, output_mapping=None)
    plain_text["instance"] = {"id": "id2", "input": {"text": "Name it."}, "references": []}
    cached = request_state(1)
    cached["result"] = cached["result"] | {"cached": True}
    states = [request_state(0), perturbed, cached, plain_text, request_state(3, reference_index=0)]
    stats = [
        statistics(0, exact_match=1, num_output_tokens=1),
        statistics(1, exact_match=0, quasi_exact_match=1),
        {**statistics(0, exact_match=0), "perturbation": {"name": "robustness"}},
    ]
    for model in ("openai_gpt-4o", "google_gemini"):
        name = f"mmmu:subject=Art,question_type=multiple-choice,model={model},split=valid"
        write_run(runs / name, model.replace("_", "/"), states, stats)
    make_image(tmp_path / "images" / "mmmu" / "0.png")
    options = ImportOptions(images=tmp_path / "images")
    rows = assert_round_trips("helm", [runs], tmp_path, options)
    assert len(rows) == 6
    run = "mmmu:subject=Art,question_type=multiple-choice,split=valid"
    assert {(row.id, row.model) for row in rows} == {
        (f"{run}/id{number}", model)
        for number in range(3)
        for model in ("openai/gpt-4o", "google/gemini")
    }
    first, second, third = rows[:3]
    assert first.question == "Who painted this?\nA. Monet\nB. Manet"
    assert (first.answer, first.output, first.label, first.latency) == ("B", "B", True, 1250)
    assert first.image == str(tmp_path / "images" / "mmmu" / "0.png")
    assert (first.benchmark, first.task) == (
        "mmmu",
        "subject=Art,question_type=multiple-choice,split=valid",
    )
    assert (second.label, second.latency) == (False, None)
    assert (third.question, third.image, third.answer, third.label) == (
        "Name it.",
        None,
        None,
        None,
    )
    other = list(import_rows("helm", [runs], ImportOptions(metric="quasi_exact_match")))
    assert [row.label for row in other[:3]] == [None, True, None]


def test_helm_refusals(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no run folder with scenario_state\.json"):
        list(import_rows("helm", [tmp_path]))
    folder = write_run(tmp_path / "a:model=b", "b", [request_state(0), {"instance": {}}], [])
    with pytest.raises(BadRowError, match="request_state 2 is not of HELM's form"):
        list(import_rows("helm", [folder]))
    with pytest.raises(DataError, match="no metric 'f1'"):
        list(import_rows("helm", [folder], ImportOptions(metric="f1")))
    (folder / "scenario_state.json").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        list(import_rows("helm", [folder]))
    (folder / "scenario_state.json").write_text("{}")
    with pytest.raises(DataError, match=r"no adapter_spec\.model"):
        list(import_rows("helm", [folder]))


# Verdicts of any format.


@pytest.fixture(params=["vlmevalkit", "mmr-bench", "helm"])
def labels_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., list[bool | None]]:
    """Import two verdicts in a format and return the labels."""

    def labels(verdicts: tuple[Any, Any], threshold: float | None = None) -> list[bool | None]:
        match request.param:
            case "vlmevalkit":
                path = write_csv(tmp_path / "m" / "m_D.csv", judged(*verdicts, name="score"))
            case "mmr-bench":
                path = write_csv(tmp_path / "d.csv", [{"m_correct": one} for one in verdicts])
            case _:
                stats = [
                    statistics(n, exact_match=float(str(one).replace("True", "1")))
                    for n, one in enumerate(verdicts)
                ]
                path = tmp_path / f"a:model=b,n={len(list(tmp_path.iterdir()))}"
                write_run(path, "b", [request_state(0), request_state(1)], stats)
        options = ImportOptions(threshold=threshold, constants={"question": "?"})
        return [row.label for row in import_rows(request.param, [path], options)]

    return labels


def test_scores_above_1_need_a_threshold(labels_of: Callable[..., list[bool | None]]) -> None:
    with pytest.raises(DataError, match=r": a score of 3, above 1: say .* --threshold"):
        labels_of((1, 3))
    assert labels_of((1, 3), 2.5) == [False, True]
    assert labels_of((1, 0.9)) == [True, False]


@pytest.mark.parametrize("kind", ["vlmevalkit", "mmr-bench"])
def test_verdicts_may_be_words(kind: str, tmp_path: Path) -> None:
    rows = judged("True", "False", name="hit" if kind == "vlmevalkit" else "m_correct")
    path = write_csv(tmp_path / "m" / "m_D.csv", rows)
    for threshold in (None, 5.0):
        read = import_rows(kind, [path], ImportOptions(threshold=threshold))
        assert [row.label for row in read] == [True, False]


# Any table.


def test_any_table_by_its_columns(tmp_path: Path) -> None:
    rows = [
        {"Prompt": "How many?", "Picture": "a.png", "Said": "4", "Right?": "yes", "Price": "0.01"},
        {"Prompt": "Which?", "Picture": "", "Said": "red", "Right?": "", "Price": ""},
    ]
    path = write_csv(tmp_path / "t.csv", rows)
    columns = {
        "question": "Prompt",
        "image": "Picture",
        "output": "Said",
        "label": "Right?",
        "cost": "Price",
    }
    options = ImportOptions(columns=columns, constants={"model": "m", "language": "en"})
    first, second = assert_round_trips("csv", [path], tmp_path, options)
    assert (first.label, first.cost, first.image) == (True, 0.01, str(tmp_path / "a.png"))
    assert (second.label, second.cost, second.image, second.language) == (None, None, None, "en")
    assert first.id != second.id
    with pytest.raises(DataError, match="there is no field 'prompt'"):
        list(import_rows("csv", [path], ImportOptions(columns={"prompt": "Prompt"})))
    with pytest.raises(DataError, match="none of the columns Nope; there are Prompt"):
        list(import_rows("csv", [path], ImportOptions(columns={"question": "Nope"})))


def test_images_of_the_same_name_stay_apart(tmp_path: Path) -> None:
    images = tmp_path / "imgs"
    for name in ("0001.png", "sub/2.png"):
        make_image(images / name)
    names = {
        "chartqa/0001.png": None,
        "docvqa/0001.png": None,
        r"docvqa\0001.png": None,
        "0001.png": "0001.png",
        "imgs/0001.png": "0001.png",
        r"sub\2.png": "sub/2.png",
        "/elsewhere/sub/2.png": "sub/2.png",
        r"C:\elsewhere\sub\2.png": "sub/2.png",
        "C:/elsewhere/0001.png": "0001.png",
        r"\\server\share\sub\2.png": "sub/2.png",
        "/elsewhere/3.png": None,
    }
    path = write_csv(
        tmp_path / "t.csv", [{"question": "?", "model": "m", "image": name} for name in names]
    )
    rows = list(import_rows("csv", [path], ImportOptions(images=images)))
    for row, (name, found) in zip(rows, names.items(), strict=True):
        assert row.image == str(images / (found or name))


def test_ids_are_the_same_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = {"question": "How many?", "model": "a", "label": "1", "image": "img/1.png"}
    path = write_csv(tmp_path / "logs" / "t.csv", [sample])
    make_image(tmp_path / "logs" / "img" / "1.png")
    monkeypatch.chdir(tmp_path)
    rows = list(import_rows("csv", [Path("logs/t.csv")]))
    rows += import_rows("csv", [path], ImportOptions(images=Path("logs")))
    rows += import_rows("csv", [path], ImportOptions(images=tmp_path / "logs"))
    monkeypatch.chdir(path.parent)
    rows += import_rows("m2", [Path("t.csv")])
    assert len({row.image for row in rows}) == 3
    assert len({row.id for row in rows}) == 1
    write_csv(path, [sample | {"image": "img/2.png"}])
    assert next(import_rows("csv", [path])).id != rows[0].id


def test_images_move_along_from_each_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        make_image(tmp_path / name / "a.png")
        write_csv(tmp_path / name / "t.csv", [{"question": "?", "model": "m", "image": "a.png"}])
        monkeypatch.chdir(tmp_path / name)
        import_records("csv", ["t.csv"], tmp_path / "out.jsonl")
        (row,) = read_records(tmp_path / "out.jsonl")
        assert row.image == f"{name}/a.png"


@pytest.mark.parametrize("form", ["csv", "m2"])
def test_a_column_that_no_row_has_is_refused(form: str, tmp_path: Path) -> None:
    first = write_csv(tmp_path / "a.csv", [{"question": "?", "model": "m", "label": "1"}])
    second = write_csv(
        tmp_path / "b.csv", [{"question": "?", "model": "m", "label": "1", "Paid": "0.5"}]
    )
    output = tmp_path / "out.jsonl"
    with pytest.raises(DataError, match=r"a\.csv.*'Piad', which was given for the cost"):
        import_records(form, [first, second], output, ImportOptions(columns={"cost": "Piad"}))
    assert not output.exists()
    # One of several tables may lack it.
    rows = list(import_rows(form, [first, second], ImportOptions(columns={"cost": "Paid"})))
    assert [row.cost for row in rows] == [None, 0.5]


def test_options_that_a_format_does_not_heed_are_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [{"question": "?", "model": "m", "label": "1"}])
    with pytest.raises(DataError, match="there is no field 'lang'"):
        list(import_rows("m2", [path], ImportOptions(constants={"lang": "en"})))
    with pytest.raises(DataError, match="mmr-bench has columns of its own"):
        list(import_rows("mmr-bench", [path], ImportOptions(columns={"question": "Q"})))
    with pytest.raises(DataError, match="the format csv has no metrics"):
        list(import_rows("csv", [path], ImportOptions(metric="exact_match")))


@pytest.mark.parametrize("form", ["csv", "m2"])
def test_labels_may_be_scores(form: str, tmp_path: Path) -> None:
    cells = ["0.7", "0.5", "0.2", "1", "true", "no", ""]
    path = write_csv(
        tmp_path / "t.csv", [{"question": "?", "model": "m", "label": cell} for cell in cells]
    )
    rows = import_rows(form, [path], ImportOptions(threshold=0.5))
    assert [row.label for row in rows] == [True, True, False, True, True, False, None]
    rows = import_rows(form, [path], ImportOptions(threshold=5))
    assert [row.label for row in rows] == [False, False, False, False, True, False, None]
    with pytest.raises(BadRowError, match=r'not "0.7"; of scores, say .* with --threshold'):
        list(import_rows(form, [path]))


def test_bad_cells_are_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(
        b"question,model,label,cost\n"
        b"?,m,perhaps,\n"
        b"?,m,,cheap\n"
        b"?,m,,-1\n"
        b"?,m\xff,,\n"
        b"?,m,,,,\n"
        b",m,true,\n"
        b'"two\nlines",m,true,1\n'
    )
    bad = BadRows()
    (row,) = import_rows("csv", [path], strict=False, bad=bad)
    assert row.question == "two\nlines"
    assert {(one.number, kind) for kind, rows in bad.examples.items() for one in rows} == {
        (2, BadRowKind.LABEL),
        (3, BadRowKind.TYPE),
        (4, BadRowKind.VALUE),
        (5, BadRowKind.UTF8),
        (6, BadRowKind.TYPE),
        (7, BadRowKind.MISSING_FIELD),
    }
    with pytest.raises(
        BadRowError, match=r't\.csv:2: label must be true, false or null, not "perh'
    ):
        list(import_rows("csv", [path]))


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_headers(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{suffix}"

    def write(*rows: list[Any]) -> None:
        book = Workbook()
        for row in rows:
            book.worksheets[0].append(row)
        book.save(path)
        if suffix == "csv":
            path.write_text("\n".join(",".join(map(str, row)) for row in rows))

    # Columns without a name are none, such as pandas' index.
    write(["", " question ", "model", "label", ""], [0, "?", "m", 1, "x"])
    (row,) = import_rows("csv", [path])
    assert (row.question, row.label) == ("?", True)
    write(["question", "model", "label", "label"], ["?", "m", 1, 0])
    with pytest.raises(DataError, match="2 columns are named 'label': rename all but one"):
        list(import_rows("csv", [path]))


@pytest.mark.parametrize(
    ("fields", "is_convertible"),
    [
        ({"label": 1}, True),
        ({"label": "True"}, True),
        ({"id": 1}, True),
        ({"answer": 4}, True),
        ({"cost": "0.5"}, True),
        ({"label": 2}, False),
        ({"label": "maybe"}, False),
        ({"cost": "nan"}, False),
        ({"cost": -1}, False),
        ({"task": ["a", "b"]}, False),
    ],
)
@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_rows_of_other_types_can_be_imported(
    fields: dict[str, Any], is_convertible: bool, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"t.{suffix}"
    row = {"id": "1", "question": "?", "model": "m"} | fields
    if suffix == "parquet":
        pq.write_table(pa.Table.from_pylist([row]), path)
    else:
        path.write_text(json.dumps(row))
    with pytest.raises(BadRowError) as caught:
        list(read_records(path))
    assert ("`arms data import csv` takes it" in str(caught.value)) == is_convertible
    output = tmp_path / "o.jsonl"
    if is_convertible:
        assert import_records("csv", [path], output) == 1
    else:
        with pytest.raises(BadRowError):
            import_records("csv", [path], output)


def test_halves_of_surrogate_pairs_are_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [
        {"question": "?", "model": "m", "output": "\ud83d"},
        {"question": "?", "model": "m", "answer": ["a", "\ud83d"]},
        {"question": "?", "model": "m", "output": "\ud83d\ude00"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(BadRowError, match=r"t\.jsonl:1: output is no Unicode text"):
        import_records("csv", [path], tmp_path / "o.jsonl")
    bad = BadRows()
    assert import_records("csv", [path], tmp_path / "o.jsonl", strict=False, bad=bad) == 1
    assert bad.counts == {BadRowKind.UTF8: 2}


def test_refused_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        list(import_rows(ImportFormat.CSV, [tmp_path / "absent.csv"]))
    path = tmp_path / "t.txt"
    path.write_text("?")
    with pytest.raises(DataError, match=r"the name of a table ends in \.csv"):
        list(import_rows("csv", [path]))
    (tmp_path / "t.csv").write_text("question,question\n?,?\n")
    with pytest.raises(DataError, match=r"t\.csv: 2 columns are named 'question'"):
        list(import_rows("csv", [tmp_path / "t.csv"]))
    (tmp_path / "t.csv").write_text("question,model\n?,m\n", encoding="utf-16")
    with pytest.raises(DataError, match=r"t\.csv: is UTF-16: save the table as UTF-8"):
        list(import_rows("csv", [tmp_path / "t.csv"]))
    (tmp_path / "t.csv").write_text("größe,model\n?,m\n", encoding="latin-1")
    with pytest.raises(DataError, match=r"t\.csv: begins with a line that is not UTF-8"):
        list(import_rows("csv", [tmp_path / "t.csv"]))
    (tmp_path / "t.json").write_text("[1]")
    with pytest.raises(DataError, match="expected a list of objects"):
        list(import_rows("csv", [tmp_path / "t.json"]))
    (tmp_path / "t.csv").write_text("question,model\n")
    with pytest.raises(DataError, match="nothing is written"):
        import_records("csv", [tmp_path / "t.csv"], tmp_path / "o.jsonl")
    (tmp_path / "t.csv").write_text("question,model,label\n?,m,maybe\n?,m,perhaps\n")
    with pytest.raises(DataError, match=r"written: 2 bad rows \(2 label\), such as .*\"maybe\""):
        import_records("csv", [tmp_path / "t.csv"], tmp_path / "o.jsonl", strict=False)
    assert not (tmp_path / "o.jsonl").exists()


def test_what_is_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "raw.jsonl"
    path.write_text('{"question":"?","model":"m","seen":"nowhere else"}\n')
    before = path.read_bytes()
    with pytest.raises(InvalidArgumentError, match=r"raw\.jsonl: is read as"):
        import_records("csv", [path], path)
    assert path.read_bytes() == before


NAMES = ["t.csv", "t.tsv", "t.json", "t.jsonl", "t.xlsx", "t.parquet", "t.csv.gz", "t.jsonl.zst"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["question", "model", "index", "image", "label", "m_correct", "id"]),
            inner,
        )
    ),
    max_leaves=8,
)
CONTENTS = st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode())


@settings(deadline=None, max_examples=300)
@given(
    kind=st.sampled_from(["m2", "vlmevalkit", "mmr-bench", "csv"]),
    name=st.sampled_from(NAMES),
    content=CONTENTS,
)
def test_any_bytes_are_imported_or_refused(
    kind: str, name: str, content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content)
    options = ImportOptions(constants={"model": "m", "benchmark": "b"})
    with suppress(DataError):
        list(import_rows(kind, [path], options, strict=False))


WORDS = ["instance", "id", "input", "text", "references", "output", "tags", "result", "stats"]
WORDS += ["completions", "output_mapping", "instance_id", "name", "count", "sum"]
STATES = st.recursive(
    st.none() | st.integers(0, 2) | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(states=st.lists(STATES, max_size=3), stats=STATES)
def test_any_run_is_imported_or_refused(
    states: list[Any], stats: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any") / "a:model=b"
    write_run(folder, "b", states, stats)
    with suppress(DataError):
        list(import_rows("helm", [folder], strict=False))
