"""The models of a collection as candidates of a router: their profiles, and what they measured."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, median
from typing import Any

from arms._output import replacing
from arms.data.collecting.config import CollectConfig
from arms.data.files import Source
from arms.data.reading import read_batches

_PROFILE = ("parameters", "architecture", "language_model", "vision_model", "profile", "max_images")


def describe_candidates(config: CollectConfig, source: Source) -> list[dict[str, Any]]:
    """Return the models as ``arms candidates add --from`` takes them.

    Parameters
    ----------
    config
        The collection, which has the profiles.
    source
        What was collected. A candidate's cost is the mean over its rows, in US dollars a query; its
        latency is the median, in milliseconds, since a few answers take very long.
    """
    costs: dict[str, list[float]] = {model.name: [] for model in config.models}
    latencies: dict[str, list[float]] = {model.name: [] for model in config.models}
    for batch in read_batches(source):
        for row in batch.rows:
            if row.model in costs and row.cost is not None:
                costs[row.model].append(row.cost)
            if row.model in latencies and row.latency is not None:
                latencies[row.model].append(row.latency)
    return [
        {
            "name": model.name,
            **{name: getattr(model, name) for name in _PROFILE if getattr(model, name) is not None},
            **({"cost": fmean(costs[model.name])} if costs[model.name] else {}),
            **({"latency": median(latencies[model.name])} if latencies[model.name] else {}),
        }
        for model in config.models
    ]


def write_candidates(path: str | Path, config: CollectConfig, source: Source) -> None:
    """Write `describe_candidates` as a JSON file, in one step."""
    text = json.dumps({"candidates": describe_candidates(config, source)}, indent=1)
    with replacing(Path(path)) as aside:
        aside.write_text(text + "\n", encoding="utf-8")
