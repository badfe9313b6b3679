"""Times scoring one query against many candidates, beside OpenBLAS's sgemv on a matrix of that size.

The question is encoded before. The head, which makes one vector of the query whatever the number of
candidates, is timed on a router with one candidate and subtracted; what remains are the cosines with every
candidate and the confidences. Both sides run on the same number of threads, in alternation::

    PYTHONPATH=bindings/python/src python Tests/Benchmarks/candidates.py MODEL [--threads N]

Prints a row for each number of candidates: medians in milliseconds, their ratio, and the time a candidate.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from arms import Candidate, Router

Floats = NDArray[np.float32]


def sgemv(library: ctypes.CDLL, matrix: Floats, x: Floats, y: Floats) -> None:
    """Compute y = matrix x by OpenBLAS, row-major."""
    pointer = ctypes.POINTER(ctypes.c_float)
    rows, columns = matrix.shape
    library.cblas_sgemv(
        ctypes.c_int(101),
        ctypes.c_int(111),
        ctypes.c_int(rows),
        ctypes.c_int(columns),
        ctypes.c_float(1),
        matrix.ctypes.data_as(pointer),
        ctypes.c_int(columns),
        x.ctypes.data_as(pointer),
        ctypes.c_int(1),
        ctypes.c_float(0),
        y.ctypes.data_as(pointer),
        ctypes.c_int(1),
    )


def alternate(first: Callable[[], object], second: Callable[[], object], rounds: int) -> list[float]:
    """Return the median seconds of two functions that run in turn."""
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for index, function in enumerate((first, second)):
            start = time.perf_counter()
            function()
            times[index].append(time.perf_counter() - start)
    return [statistics.median(each) for each in times]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="a model file; what its weights are does not matter")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=41)
    arguments = parser.parse_args()
    library = ctypes.CDLL("libopenblas.so.0")
    generator = np.random.default_rng(0)
    head = score_time(arguments, generator, 1, library)[0]
    print(f"head: {head * 1e3:.3f} ms")
    print("candidates   score ms   sgemv ms   ratio   ns a candidate")
    for count in (12_500, 25_000, 50_000, 100_000, 200_000):
        ours, theirs = score_time(arguments, generator, count, library)
        ours -= head
        print(
            f"{count:10d} {ours * 1e3:10.3f} {theirs * 1e3:10.3f} {ours / theirs:7.2f} "
            f"{ours / count * 1e9:16.1f}"
        )


def score_time(
    arguments: argparse.Namespace, generator: np.random.Generator, count: int, library: ctypes.CDLL
) -> list[float]:
    """Return the median seconds of scoring ``count`` candidates, head included, and of sgemv."""
    with Router(arguments.model, threads=arguments.threads) as router:
        info = router.info
        router.candidates.remove(*list(router.candidates))
        embeddings = generator.standard_normal((count, info.text_width), dtype=np.float32)
        candidates = [Candidate(name=f"candidate {number}") for number in range(count)]
        router.candidates.add(candidates, embeddings=embeddings)
        question = router.encode_question("Which of them answers this?")
        scores = np.empty((1, count), np.float32)
        matrix = generator.standard_normal((count, info.shared_width), dtype=np.float32)
        x = generator.standard_normal(info.shared_width, dtype=np.float32)
        y = np.empty(count, np.float32)
        # Now, since a router with float weights has set the same library to one thread.
        library.openblas_set_num_threads(ctypes.c_int(arguments.threads))
        return alternate(
            lambda: router.score([(None, question)], out=scores),
            lambda: sgemv(library, matrix, x, y),
            arguments.rounds,
        )


if __name__ == "__main__":
    main()
