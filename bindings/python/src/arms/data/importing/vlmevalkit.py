"""Result tables of VLMEvalKit, which VL-RouterBench is built from.

A run leaves ``<model>/<model>_<dataset>.xlsx`` (or ``.tsv``, ``.json``) with the columns ``index``,
``question``, ``answer``, ``prediction``, options ``A``, ``B``, ..., ``hint`` and ``category``;
judging it leaves a second table of the same name and an ending such as ``_openai_result`` with
``hit`` or ``score`` for each index. Both, which lie in one folder, are joined by index. Tables
without an index in the first row hold averages and are passed over in folders.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Final

from arms.data.errors import BadRow, BadRowKind, DataError
from arms.data.images import is_there
from arms.data.importing.cells import as_row, as_text, locate
from arms.data.importing.options import ImportOptions
from arms.data.importing.tables import read_table
from arms.data.importing.verdicts import verdict_fields
from arms.data.schema import Row

_TABLES: Final = (".xlsx", ".tsv", ".csv", ".json")
_VERDICTS: Final = ("hit", "is_correct", "score", "match")
# What the judges' files add to the name of the predictions' file.
_ENDING: Final = re.compile(
    r"(?:_(?:openai|exact_matching|chatgpt[\w.-]*?|gpt-?\d[\w.-]*?|qwen[\w.-]*?|deepseek[\w.-]*?))?"
    r"(?:_(?:vanilla|circular))?(?:_(?:results?|auxmatch|score|extract|eval|detailed_results))?$",
    re.IGNORECASE,
)
_AVERAGES: Final = ("_acc", "_rating", "_acc_all")
# Circular evaluation asks a question again with its options moved: index + k * 10**6.
_CIRCLE: Final = 10**6
_IMAGE_SUFFIXES: Final = (".jpg", ".png", ".jpeg", ".webp")
# Longer cells hold the image itself.
_PATH_LENGTH: Final = 1024


def read(paths: list[Path], options: ImportOptions, bad: Callable[[BadRow], None]) -> Iterator[Row]:
    """Read result tables, or all of those in folders.

    The model is the folder that a file's name begins with, or ``options.constants["model"]``; the
    data set is the rest of the name, or ``options.constants["benchmark"]``. Links to a file, which
    VLMEvalKit makes to the newest run, count as the file.
    """
    runs: dict[tuple[str, str], dict[Path, tuple[Path, bool]]] = {}
    for path in paths:
        for file in _files(path):
            files = runs.setdefault(_run(file, options), {})
            files.setdefault(file.resolve(), (file, path.is_dir()))
    for (model, dataset), files in runs.items():
        _require_one_run(model, dataset, files)
        yield from _read(model, dataset, list(files.values()), options, bad)


def _require_one_run(model: str, dataset: str, files: Iterable[Path]) -> None:
    """Refuse files of two folders: one run's verdicts are none on another's predictions."""
    folders = list(dict.fromkeys(file.parent for file in files))
    if len(folders) > 1:
        raise DataError(
            f"two runs of {model} on {dataset}: in {folders[0]} and in {folders[1]}; "
            "name the files or the folder of one of them"
        )


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [file for file in path.rglob("[!.]*") if file.suffix in _TABLES and file.is_file()]
    kept = sorted(file for file in files if not file.stem.endswith(_AVERAGES))
    if not kept:
        raise DataError(f"{path}: no table ({', '.join(_TABLES)}) lies in this folder")
    return kept


def _run(file: Path, options: ImportOptions) -> tuple[str, str]:
    """Return the model and the data set of a file."""
    model = options.constants.get("model")
    if model is None:
        folders = (parent.name for parent in file.resolve().parents)
        model = next((name for name in folders if name and file.stem.startswith(f"{name}_")), None)
    if model is None:
        raise DataError(
            f"{file}: the model cannot be told from the name, which should be "
            "<model>/<model>_<dataset>.xlsx; say it with model=NAME"
        )
    rest = _ENDING.sub("", file.stem.removeprefix(f"{model}_"), count=1)
    return model, options.constants.get("benchmark", rest)


def _read(
    model: str,
    dataset: str,
    files: list[tuple[Path, bool]],
    options: ImportOptions,
    bad: Callable[[BadRow], None],
) -> Iterator[Row]:
    questions: dict[str, tuple[Path, int, dict[str, Any]]] = {}
    for file, in_folder in files:
        is_first = True
        for number, cells in read_table(file, bad):
            index = as_text(cells.get("index", cells.get("id")))
            if index is None and is_first:
                if in_folder:
                    break
                raise DataError(f"{file}: no column index; does it hold averages?")
            is_first = False
            if index is None:
                bad(BadRow(file, number, BadRowKind.MISSING_FIELD, "the cell of index is empty"))
                continue
            first = questions.setdefault(str(index), (file, number, {}))
            first[2].update(cells)
    for index, (file, number, cells) in questions.items():
        row = _row(model, dataset, index, cells, file, number, options, bad)
        if row is not None:
            yield row


def _row(
    model: str,
    dataset: str,
    index: str,
    cells: dict[str, Any],
    file: Path,
    number: int,
    options: ImportOptions,
    bad: Callable[[BadRow], None],
) -> Row | None:
    values: dict[str, Any] = {"id": f"{dataset}/{index}", **options.constants}
    values |= {"model": model, "benchmark": dataset, "group": f"{dataset}/{_circle(index)}"}
    for field, column in (("answer", "answer"), ("output", "prediction"), ("task", "category")):
        if column in cells:
            values[field] = as_text(cells[column])
    if "question" in cells:
        values["question"] = _question(cells)
    image = _image(index, dataset, cells, options.images, file.parent)
    if image is not None:
        values["image"] = image
    verdict = next((cells[name] for name in _VERDICTS if name in cells), None)
    if verdict is not None:
        fields = verdict_fields(verdict, options, f"{file}:{number}")
        if fields is None:
            message = f"the verdict must be a number, true or false, not {verdict!r}"
            bad(BadRow(file, number, BadRowKind.LABEL, message))
            return None
        values |= fields
    return as_row(values, file, number, bad)


def _circle(index: str) -> str:
    return str(int(index) % _CIRCLE) if index.isascii() and index.isdigit() else index


def _question(cells: dict[str, Any]) -> str:
    """Return the question as models are asked it: hint, question, options."""
    lines = [str(as_text(cells[name])) for name in ("hint", "question") if name in cells]
    # Options have no gap: a column "H" of something else is none.
    for letter in ascii_uppercase:
        if letter not in cells:
            break
        lines.append(f"{letter}. {as_text(cells[letter])}")
    return "\n".join(lines)


def _image(
    index: str, dataset: str, cells: dict[str, Any], images: Path | None, folder: Path
) -> str | list[str] | None:
    named = cells.get("image_path")
    if isinstance(named, list):
        return [locate(str(one), images, folder) for one in named]
    if isinstance(named, str) and len(named) <= _PATH_LENGTH:
        return locate(named, images, folder)
    if images is None:
        return None
    names = [
        place / f"{index}{end}" for place in (images / dataset, images) for end in _IMAGE_SUFFIXES
    ]
    return next((str(name) for name in names if is_there(name)), None)
