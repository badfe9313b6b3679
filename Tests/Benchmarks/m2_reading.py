"""Compares reading a million M2 records with pandas reading the same JSON Lines.

Run it from the repository's root::

    PYTHONPATH=bindings/python/src python Tests/Benchmarks/m2_reading.py

Each reader runs in a process of its own, in alternation; its memory is what its resident set grows by from
after the imports to its peak. `rows` streams the file in batches; `table` makes the (queries x models) table.
pandas holds all that it reads, and is faster with its engine of pyarrow, which is compared too.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

MODELS = 10


def write(path: Path, rows: int) -> None:
    """Write a data set of rows like those of charts and figures, some 400 bytes each."""
    question = "In the chart, which year had the highest sales of product {}, and by how much did they exceed those before?"
    with path.open("w") as file:
        for number in range(rows):
            query, model = divmod(number, MODELS)
            record = {
                "id": f"benchmark-{query}",
                "group": f"seed-{query // 10}",
                "image": f"images/{query}.jpg",
                "question": question.format(query),
                "model": f"model-{model}",
                "output": f"{number % 97}",
                "answer": f"{number % 31}",
                "label": number % 3 == 0,
                "task": ("chart", "geometry", "map")[query % 3],
                "language": "en",
                "benchmark": "benchmark",
                "cost": 0.00024 * (model + 1),
                "latency": 900.5 + number % 1000,
            }
            file.write(json.dumps(record) + "\n")


def read_rows(path: Path) -> Callable[[], int]:
    """Stream the rows."""
    from arms.data import read_batches

    return lambda: sum(len(batch.rows) for batch in read_batches(path))


def read_table(path: Path) -> Callable[[], int]:
    """Read the table of outcomes."""
    from arms.data import OutcomeTable, reading  # noqa: F401

    return lambda: OutcomeTable.read(path).labels.size


def read_pandas(path: Path) -> Callable[[], int]:
    """Read with pandas as its documentation says."""
    import pandas as pd

    return lambda: len(pd.read_json(path, lines=True))


def read_pandas_pyarrow(path: Path) -> Callable[[], int]:
    """Read with pandas and its fastest engine."""
    import pandas as pd

    return lambda: len(pd.read_json(path, lines=True, engine="pyarrow"))


READERS = {
    "rows": read_rows,
    "table": read_table,
    "pandas": read_pandas,
    "pandas-pyarrow": read_pandas_pyarrow,
}


def resident() -> float:
    """Return the peak of the resident set in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(reader: str, path: Path) -> None:
    """Print the rows, the seconds, the CPU seconds and the MB of one reader."""
    read = READERS[reader](path)
    before, start, processor = resident(), time.perf_counter(), time.process_time()
    rows = read()
    seconds, busy = time.perf_counter() - start, time.process_time() - processor
    print(json.dumps([rows, seconds, busy, resident() - before]))


def spawn(reader: str, path: Path) -> list[float]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", reader, str(path)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(value) for value in json.loads(output)]


def compare(rows: int, rounds: int, sizes: list[int]) -> None:
    """Print a table of the readers, and the memory over sizes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m2.jsonl"
        write(path, rows)
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:.0f} MB, medians of {rounds}")
        found: dict[str, list[list[float]]] = {reader: [] for reader in READERS}
        for _ in range(rounds):
            for reader in READERS:
                found[reader].append(spawn(reader, path))
        medians = {
            reader: [statistics.median(one) for one in zip(*runs, strict=True)]
            for reader, runs in found.items()
        }
        for reader, (count, seconds, busy, memory) in medians.items():
            assert count == rows
            ratios = [f"{seconds / medians[peer][1]:.3f} of {peer}" for peer in ("pandas", "pandas-pyarrow")]
            print(
                f"{reader:14} {seconds:6.2f} s {busy:6.2f} CPU s {rows / seconds:10,.0f} rows/s "
                f"{memory:7.0f} MB  {', '.join(ratios)}"
            )
        for size in sizes:
            write(path, size)
            print(f"rows over {size:,} rows: {spawn('rows', path)[3]:.0f} MB")


def main() -> None:
    """Compare, or measure one reader."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000, 1_000_000, 4_000_000])
    parser.add_argument("--measure", nargs=2, metavar=("READER", "FILE"))
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]))
    else:
        compare(options.rows, options.rounds, options.sizes)


if __name__ == "__main__":
    main()
