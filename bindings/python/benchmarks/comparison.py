"""The comparisons: for each, who is measured, how, and what ratio is wanted.

A ratio is ARMS divided by the peer, so less is better.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.inputs import BATCH
from benchmarks.models import FUSIONS, Folder
from benchmarks.process import Process, Samples, alternate, wait_for_quiet

_ARMS: Final = tuple(f"arms-{fusion}" for fusion in FUSIONS)
_FLEET: Final = 8
_ROUTES: Final = 100


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    rounds: int = 12
    """Turns of every engine in an alternation."""
    seconds: float = 0.4
    """Length of a turn."""
    starts: int = 7
    """Fresh processes of every engine, where starting is what is measured."""


@dataclass(frozen=True)
class Row:
    """One comparison."""

    work: str
    ours: str
    peer: str
    unit: str
    our_median: float
    peer_median: float
    ratio: float
    """Of the medians."""
    least_ratio: float | None = None
    """Of the least samples."""
    cpu_ratio: float | None = None
    """Of the medians of the processes' CPU time."""
    bar: float | None = None
    """What the ratio must not exceed."""
    goal: float | None = None
    """What is reached for."""


def _timed(
    work: str,
    ours: tuple[str, Samples],
    peer: tuple[str, Samples],
    bar: float | None = None,
    goal: float | None = None,
    *,
    per: int = 1,
    unit: str = "ms",
) -> Row:
    scale = {"ms": 1e3, "us": 1e6}[unit] / per
    (our_name, our), (peer_name, other) = ours, peer
    return Row(
        work,
        our_name,
        peer_name,
        unit,
        scale * our.median,
        scale * other.median,
        our.median / other.median,
        our.least / other.least,
        our.cpu_median / other.cpu_median,
        bar,
        goal,
    )


class Comparison:
    """Runs the comparisons over the models of a folder."""

    def __init__(self, folder: Folder, effort: Effort) -> None:
        self.folder = folder
        self.effort = effort
        self.versions: dict[str, str] = {}

    def rows(self, parts: Sequence[str]) -> Iterator[Row]:
        """Run some of the `PARTS`, in their order, and give each row when it is known."""
        for name, run in PARTS.items():
            if name in parts:
                yield from run(self)

    def _open(
        self,
        stack: ExitStack,
        names: Sequence[str],
        threads: int,
        environment: Mapping[str, str] | None = None,
    ) -> list[Process]:
        processes = [
            stack.enter_context(Process(name, self.folder, threads, environment)) for name in names
        ]
        for process in processes:
            self.versions[process.engine] = process.ask("open")["version"]
        return processes

    def _alternate(
        self, processes: Sequence[Process], work: str, **arguments: Any
    ) -> list[Samples]:
        return alternate(
            processes, self.effort.rounds, work, seconds=self.effort.seconds, **arguments
        )

    def routes(self) -> Iterator[Row]:
        """Compare one route, on one and on two threads, with every peer."""
        peers = ("openvino", "onnxruntime", "pytorch")
        goals = {1: 0.77, 2: 0.70}
        for threads in (1, 2):
            with ExitStack() as stack:
                processes = self._open(stack, (*_ARMS, *peers), threads)
                samples = self._alternate(processes, "route", batch=1)
            named = dict(zip((*_ARMS, *peers), samples, strict=True))
            for peer in peers:
                bar, goal = (0.85, goals[threads]) if peer == "openvino" else (None, None)
                for ours in _ARMS:
                    work = f"one route, {threads} thread{'s' * (threads > 1)}"
                    yield _timed(work, (ours, named[ours]), (peer, named[peer]), bar, goal)

    def batches(self) -> Iterator[Row]:
        """Compare a batch on two threads, for each of its routes."""
        peers = ("openvino", "onnxruntime")
        with ExitStack() as stack:
            processes = self._open(stack, (*_ARMS, *peers), 2)
            samples = self._alternate(processes, "route", batch=BATCH)
        named = dict(zip((*_ARMS, *peers), samples, strict=True))
        for peer in peers:
            bar, goal = (0.85, 0.75) if peer == "openvino" else (None, None)
            for ours in _ARMS:
                work = f"batch {BATCH}, per route, 2 threads"
                yield _timed(work, (ours, named[ours]), (peer, named[peer]), bar, goal, per=BATCH)

    def loads(self) -> Iterator[Row]:
        """Compare opening the models up to the first answer, in fresh processes."""
        names = (*_ARMS, "onnxruntime", "openvino")
        seconds: dict[str, list[float]] = {name: [] for name in names}
        # The first turn only fills the page cache.
        for turn in range(self.effort.starts + 1):
            for name in names:
                with Process(name, self.folder, 2) as process:
                    process.ask("memory")  # answered when its libraries are imported
                    wait_for_quiet()
                    answer = process.ask("open")
                self.versions[name] = answer["version"]
                if turn > 0:
                    seconds[name].append(answer["seconds"])
        for peer in ("onnxruntime", "openvino"):
            bar, goal = (0.15, 0.08) if peer == "onnxruntime" else (None, None)
            for ours in _ARMS:
                our, other = median(seconds[ours]), median(seconds[peer])
                least = min(seconds[ours]) / min(seconds[peer])
                yield Row(
                    "load to first route done", ours, peer, "ms", 1e3 * our, 1e3 * other,
                    our / other, least, None, bar, goal,
                )  # fmt: skip

    def memories(self) -> Iterator[Row]:
        """Compare resident memory after 100 routes, and what further processes add."""
        used = {}
        for name in (*_ARMS, "onnxruntime", "openvino"):
            with ExitStack() as stack:
                (process,) = self._open(stack, [name], 2)
                used[name] = process.ask("routes", count=_ROUTES)
        for peer in ("onnxruntime", "openvino"):
            bar, goal = (0.75, 0.62) if peer == "onnxruntime" else (None, None)
            for ours in _ARMS:
                yield _sized(f"resident memory after {_ROUTES} routes", ours, peer,
                             used[ours]["rss"], used[peer]["rss"], bar, goal)  # fmt: skip
        for name in _ARMS:
            with ExitStack() as stack:
                processes = self._open(stack, [name] * _FLEET, 2)
                for process in processes:
                    process.ask("routes", count=_ROUTES)
                shared = sum(process.ask("memory")["pss"] for process in processes)
            yield _sized(f"proportional memory of {_FLEET} processes", name,
                         f"{_FLEET} times one process", shared, _FLEET * used[name]["pss"],
                         0.30, 0.20)  # fmt: skip

    def images(self) -> Iterator[Row]:
        """Compare the way of 12 megapixels to an embedding; ARMS as it is by default."""
        names = (*_ARMS, "openvino")
        with ExitStack() as stack:
            processes = self._open(stack, names, 2)
            drafted = dict(zip(names, self._alternate(processes, "embed", draft=True), strict=True))
            whole = dict(zip(names, self._alternate(processes, "embed", draft=False), strict=True))
        work = "JPEG of 12 megapixels to embedding, 2 threads"
        for ours in _ARMS:
            yield _timed(work, (ours, drafted[ours]),
                         ("Pillow with draft, openvino", drafted["openvino"]),
                         0.95, 0.85)  # fmt: skip
            yield _timed(work, (ours, drafted[ours]), ("Pillow, openvino", whole["openvino"]),
                         0.25, 0.18)  # fmt: skip
            yield _timed(f"{work}, decoded whole", (f"{ours} (exact)", whole[ours]),
                         ("Pillow, openvino", whole["openvino"]))  # fmt: skip

    def tokenising(self) -> Iterator[Row]:
        """Compare the way of some 15 words to token ids, both from Python."""
        names = (_ARMS[0], "tokenizers")
        with ExitStack() as stack:
            processes = [
                stack.enter_context(Process(name, self.folder, threads=1)) for name in names
            ]
            for process in processes:
                self.versions[process.engine] = process.ask("tokenize", seconds=0)["version"]
            ours, theirs = self._alternate(processes, "tokenize")
        yield _timed(
            "tokenise a question of 15 words", (f"{_ARMS[0]} from Python", ours),
            ("tokenizers from Python", theirs), 0.25, 0.10, unit="us",
        )  # fmt: skip

    def restricted(self) -> Iterator[Row]:
        """Compare one route without AVX-512 and VNNI, as far as the peers can be told."""
        # ONNX Runtime has no such setting: its processes use what the CPU has.
        limits = {
            "arms-patches": {"ARMS_ISA": "avx2"},
            "arms-pooled": {"ARMS_ISA": "avx2"},
            "openvino": {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2"},
            "pytorch": {
                "ATEN_CPU_CAPABILITY": "avx2",
                "FBGEMM_ENABLE_INSTRUCTIONS": "AVX2",
                "ONEDNN_MAX_CPU_ISA": "AVX2",
            },
            "onnxruntime": {},
        }
        for threads in (1, 2):
            with ExitStack() as stack:
                processes = [
                    self._open(stack, [name], threads, limit)[0] for name, limit in limits.items()
                ]
                samples = self._alternate(processes, "route", batch=1)
            named = dict(zip(limits, samples, strict=True))
            for peer in ("pytorch", "openvino", "onnxruntime"):
                for ours in _ARMS:
                    label = peer if limits[peer] else f"{peer}, not restricted"
                    work = f"one route, AVX2 alone, {threads} thread{'s' * (threads > 1)}"
                    bar = 1.0 if peer == "pytorch" else None
                    yield _timed(work, (ours, named[ours]), (label, named[peer]), bar)

    def peak(self) -> Iterator[Row]:
        """Compare one route with the CPU's int8 rate for all its work, by ``arms-bench``."""
        program = Path(os.environ.get("ARMS_BENCH", _BENCH))
        for fusion in FUSIONS:
            command = [str(program), str(self.folder.router(fusion)), "--json", "--routes"]
            tables = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            for route in tables["route"]:
                if route["tokens"] == 32:
                    threads, time = route["threads"], route["median_ms"]
                    at_peak = time / route["times_peak"]
                    yield Row(
                        f"one route, {threads} thread{'s' * (threads > 1)}", f"arms-{fusion}",
                        "time at the int8 peak", "ms", time, at_peak, route["times_peak"],
                        route["least_ms"] / at_peak, None, 1.30, 1.15,
                    )  # fmt: skip


_BENCH: Final = Path(__file__).parents[3] / ".build" / "release" / "arms-bench"

PARTS: Final = {
    "routes": Comparison.routes,
    "peak": Comparison.peak,
    "batches": Comparison.batches,
    "loads": Comparison.loads,
    "memories": Comparison.memories,
    "images": Comparison.images,
    "tokenising": Comparison.tokenising,
    "avx2": Comparison.restricted,
}
"""The comparisons by their name on the command line."""


def _sized(
    work: str, ours: str, peer: str, our: int, other: int, bar: float | None, goal: float | None
) -> Row:
    return Row(work, ours, peer, "MB", our / 1e6, other / 1e6, our / other, bar=bar, goal=goal)
