"""Run folders of HELM and VHELM: ``scenario_state.json`` and ``per_instance_stats.json``.

The first has what was asked and answered, the second what each metric says of each instance. A
folder is named like its run, ``mmmu:subject=Art,model=openai_gpt-4o``: without the model that is
the same for all models, and names the queries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from arms.data.errors import BadRow, BadRowKind, DataError
from arms.data.images import is_there
from arms.data.importing.cells import as_number, as_row, locate
from arms.data.importing.options import ImportOptions
from arms.data.importing.verdicts import verdict_fields
from arms.data.schema import Row

_STATE: Final = "scenario_state.json"
_STATS: Final = "per_instance_stats.json"
_METRICS: Final = (
    "exact_match",
    "quasi_exact_match",
    "quasi_leave_articles_exact_match",
    "prefix_exact_match",
    "quasi_prefix_exact_match",
)
_MODEL: Final = re.compile(r"(?<=[:,])model(?:_deployment)?=[^,]*,?")


def read(paths: list[Path], options: ImportOptions, bad: Callable[[BadRow], None]) -> Iterator[Row]:
    """Read run folders, or all of those below folders.

    Perturbed instances and requests for single references are passed over. The label is the metric
    ``options.metric``, by default the first kind of exact match that the run has.
    """
    for path in paths:
        folders = (
            [path]
            if (path / _STATE).is_file()
            else sorted(state.parent for state in path.rglob(_STATE))
        )
        if not folders:
            raise DataError(f"{path}: no run folder with {_STATE}")
        for folder in folders:
            yield from _read(folder, options, bad)


def _read(folder: Path, options: ImportOptions, bad: Callable[[BadRow], None]) -> Iterator[Row]:
    state = _load(folder / _STATE, dict)
    model = _model(state, folder)
    run = _MODEL.sub("", folder.resolve().name).rstrip(",:")
    benchmark, _, arguments = run.partition(":")
    labels = _labels(folder, options)
    requests = state.get("request_states")
    if not isinstance(requests, list):
        raise DataError(f"{folder / _STATE}: no list of request_states")
    for number, request in enumerate(requests, 1):
        common = {"benchmark": benchmark, "task": arguments or None, **options.constants}
        try:
            values = _values(request, run, labels, folder, options)
        except (AttributeError, IndexError, KeyError, TypeError) as error:
            message = f"request_state {number} is not of HELM's form: {error!r}"
            bad(BadRow(folder / _STATE, number, BadRowKind.TYPE, message))
            continue
        if values is not None:
            row = as_row(common | {"model": model} | values, folder / _STATE, number, bad)
            if row is not None:
                yield row


def _model(state: dict[str, Any], folder: Path) -> str:
    specification = state.get("adapter_spec")
    model = specification.get("model") if isinstance(specification, dict) else None
    if not isinstance(model, str) or not model:
        raise DataError(f"{folder / _STATE}: no adapter_spec.model")
    return model


def _values(
    request: dict[str, Any],
    run: str,
    labels: dict[tuple[str, int], dict[str, Any]],
    folder: Path,
    options: ImportOptions,
) -> dict[str, Any] | None:
    """Return the fields of a request, or `None` if it is none for the model as it is."""
    instance = request["instance"]
    if instance.get("perturbation") is not None or request.get("reference_index") is not None:
        return None
    trial = request.get("train_trial_index", 0)
    name = f"{run}/{instance['id']}"
    result = request.get("result") or {}
    completions = result.get("completions") or []
    label = labels.get((instance["id"], trial), {})
    seconds = None if result.get("cached") else as_number(result.get("request_time"))
    letters = request.get("output_mapping") or {}
    return label | {
        "id": f"{name}#{trial}" if trial else name,
        "group": name,
        "question": _question(instance["input"], letters),
        "image": _images(instance["input"], folder, options) or None,
        "answer": _answers(instance.get("references") or [], letters) or None,
        "output": completions[0]["text"] if completions else None,
        "latency": None if seconds is None else seconds * 1000,
    }


def _media(content: dict[str, Any]) -> list[dict[str, Any]]:
    multimedia = content.get("multimedia_content") or {}
    return list(multimedia.get("media_objects") or [])


def _question(content: dict[str, Any], letters: dict[str, str]) -> str:
    texts = [media["text"] for media in _media(content) if media.get("text")]
    question = "".join(texts) or content.get("text") or ""
    return "\n".join([question, *(f"{letter}. {text}" for letter, text in letters.items())])


def _images(content: dict[str, Any], folder: Path, options: ImportOptions) -> list[str]:
    names = [
        media["location"]
        for media in _media(content)
        if str(media.get("content_type", "")).startswith("image/") and media.get("location")
    ]
    return [_located(name, (options.images, Path(), folder)) for name in names]


def _located(name: str, folders: tuple[Path | None, ...]) -> str:
    """Find an image, which HELM names ``benchmark_output/scenarios/mmmu/1.png``.

    ``--images`` may be the folder that HELM ran in, or that of all scenarios wherever it is now.
    """
    _, found, rest = name.partition("/scenarios/")
    located = locate(name, *folders)
    if not found or is_there(Path(located)):
        return located
    shorter = locate(rest, *folders)
    return shorter if is_there(Path(shorter)) else located


def _answers(references: list[dict[str, Any]], letters: dict[str, str]) -> list[str]:
    texts = [one["output"]["text"] for one in references if "correct" in one.get("tags", [])]
    if not letters:
        return texts
    return [letter for letter, text in letters.items() if text in texts]


def _labels(folder: Path, options: ImportOptions) -> dict[tuple[str, int], dict[str, Any]]:
    """Return what the metric says of each instance and trial, as fields."""
    path = folder / _STATS
    scores = _scores(path, options.metric)
    return {
        key: verdict_fields(score, options, f"{path}: instance {key[0]}") or {}
        for key, score in scores.items()
    }


def _scores(path: Path, metric: str | None) -> dict[tuple[str, int], float]:
    """Return a metric of each instance and trial."""
    if not path.is_file():
        return {}
    found: dict[str, dict[tuple[str, int], float]] = {}
    try:
        for instance in _load(path, list):
            if instance.get("perturbation") is not None:
                continue
            key = (instance["instance_id"], instance.get("train_trial_index", 0))
            for stat in instance["stats"]:
                # A stat's name says the split and the perturbation too.
                if stat.get("count") and stat["name"].get("perturbation") is None:
                    mean = stat["sum"] / stat["count"]
                    found.setdefault(stat["name"]["name"], {})[key] = mean
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not of HELM's form: {error!r}") from error
    if metric is not None:
        if metric not in found:
            raise DataError(f"{path}: no metric {metric!r}; there are {', '.join(sorted(found))}")
        return found[metric]
    return next((found[name] for name in _METRICS if name in found), {})


def _load(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_bytes())
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, kind):
        raise DataError(f"{path}: expected {'a list' if kind is list else 'an object'}")
    return content
