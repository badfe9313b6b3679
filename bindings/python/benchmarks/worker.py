"""A process that holds one engine and does what it is asked, one line of JSON after the other.

Run as ``python -m benchmarks.worker ENGINE FOLDER THREADS``; started by `benchmarks.process`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import engines
from benchmarks.inputs import QUESTIONS, pixels, token_ids
from benchmarks.models import Folder

WARM_UP = 1
"""Calls at the start of a burst that are not counted: the caches belong to whoever ran before."""


def timed(work: Callable[[], None], seconds: float) -> dict[str, list[float]]:
    """Repeat `work` for some seconds.

    Returns
    -------
    dict
        Seconds of each repetition: ``wall`` by the clock, ``cpu`` over all threads of the process.
    """
    for _ in range(WARM_UP):
        work()
    wall: list[float] = []
    cpu: list[float] = []
    end = time.perf_counter() + seconds
    while not wall or time.perf_counter() < end:
        begin, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - used)
    return {"wall": wall, "cpu": cpu}


def memory() -> dict[str, int]:
    """Return the resident and the proportional set size in bytes."""
    fields = dict[str, int]()
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        fields[name] = int(value.split()[0]) << 10
    return {"rss": fields["Rss"], "pss": fields["Pss"]}


class Worker:
    """Answers requests; every public method is one."""

    def __init__(self, engine: str, folder: Folder, threads: int) -> None:
        self._name = engine
        self._folder = folder
        self._threads = threads
        engines.prepare(engine, threads)

    def open(self) -> dict[str, Any]:
        """Open the models and route once: seconds of the whole."""
        asked = pixels(1), token_ids(1)
        begin = time.perf_counter()
        self._engine = engines.open_engine(self._name, self._folder, self._threads)
        self._engine.route(*asked)
        return {"seconds": time.perf_counter() - begin, "version": self._engine.version()}

    def route(self, batch: int, seconds: float) -> dict[str, Any]:
        """Repeat a route, or a batch of them."""
        asked = pixels(batch), token_ids(batch)
        return timed(lambda: self._engine.route(*asked), seconds)

    def routes(self, count: int) -> dict[str, Any]:
        """Route some times; return the memory afterwards."""
        asked = pixels(1), token_ids(1)
        for _ in range(count):
            self._engine.route(*asked)
        return memory()

    def memory(self) -> dict[str, Any]:
        """Return the memory now."""
        return memory()

    def embed(self, draft: bool, seconds: float) -> dict[str, Any]:
        """Repeat the way of a JPEG file to its embedding."""
        jpeg = self._folder.jpeg.read_bytes()
        return timed(lambda: self._engine.embed(jpeg, draft=draft), seconds)

    def tokenize(self, seconds: float) -> dict[str, Any]:
        """Tokenise questions: seconds of each."""
        tokenizer = engines.open_tokenizer(self._name, self._folder)
        times = timed(lambda: tokenizer.tokenize(QUESTIONS), seconds)
        each = {name: [one / len(QUESTIONS) for one in values] for name, values in times.items()}
        return {**each, "version": tokenizer.version()}


def main() -> None:
    """Serve until the parent closes the pipe."""
    engine, folder, threads = sys.argv[1:]
    # Answers have the pipe for themselves: what libraries print goes to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker = Worker(engine, Folder(Path(folder)), int(threads))
    for line in sys.stdin:
        request = json.loads(line)
        answer = getattr(worker, request.pop("work"))(**request)
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
