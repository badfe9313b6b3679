"""Engines in processes of their own, and measurements that alternate between them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, Self

from benchmarks.models import Folder

_PACKAGE: Final = Path(__file__).parents[1]
_SETTLE: Final = 0.1
"""Seconds between two turns, in which threads that still spin go to sleep."""
_PATIENCE: Final = 3.0
"""Seconds to wait for others to leave the machine before a turn is measured all the same."""


@dataclass
class Samples:
    """Seconds of the repetitions of one work by one engine."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median by the clock."""
        return median(self.wall)

    @property
    def least(self) -> float:
        """The least by the clock: what a busy machine disturbs least."""
        return min(self.wall)

    @property
    def cpu_median(self) -> float:
        """The median over all threads of the process."""
        return median(self.cpu)


class Process:
    """A `benchmarks.worker`; ends with its context."""

    def __init__(
        self,
        engine: str,
        folder: Folder,
        threads: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.engine = engine
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", engine, str(folder.root), str(threads)],
            cwd=_PACKAGE,
            env={**os.environ, **_settings(threads), **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def ask(self, work: str, **arguments: Any) -> dict[str, Any]:
        """Send a request to the worker and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"work": work, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.engine} ended without an answer to {work}")
        parsed: dict[str, Any] = json.loads(answer)
        return parsed


def _settings(threads: int) -> dict[str, str]:
    return {
        "PYTHONPATH": os.pathsep.join([str(_PACKAGE), str(_PACKAGE / "src")]),
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
    }


def _busy() -> int:
    """Return the ticks of 10 ms that all cores have been busy since the machine started."""
    user, nice, system, _, _, *rest = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    return sum(map(int, (user, nice, system, *rest[:3])))


def wait_for_quiet() -> None:
    """Wait until nothing runs on the machine, or patience ends."""
    end = time.monotonic() + _PATIENCE
    while True:
        before = _busy()
        time.sleep(_SETTLE)
        if _busy() - before <= 1 or time.monotonic() > end:
            return


def alternate(
    processes: Sequence[Process], rounds: int, work: str, **arguments: Any
) -> list[Samples]:
    """Let every process do the same in turn, again and again: A B C A B C ...

    A turn begins when nothing else runs on the machine, or when patience ends.
    """
    samples = [Samples() for _ in processes]
    for _ in range(rounds):
        for process, collected in zip(processes, samples, strict=True):
            wait_for_quiet()
            answer = process.ask(work, **arguments)
            collected.wall += answer["wall"]
            collected.cpu += answer["cpu"]
    return samples
