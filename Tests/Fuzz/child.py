"""Runs cases in this process, and reports on standard output. Started by ``hostile_input.py``."""

from __future__ import annotations

import os
import random
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import cases
import known
from abi import Library, ViolationError

# A size that a file claims must be refused, and not be taken from the machine.
MEMORY_LIMIT: Final = 6 << 30


def say(line: str) -> None:
    """Tell the parent."""
    print(line.encode("unicode_escape").decode(), flush=True)


def case(kind: str, seed: int, random_cases: cases.Cases) -> None:
    """Run one case."""
    if kind == "known":
        function = known.CASES[seed % len(known.CASES)]
        say(f"doing {function.__name__}")
        function(random_cases.library, random_cases.scratch)
    else:
        method: Callable[[random.Random, Callable[[str], None]], None] = getattr(random_cases, kind)
        method(random.Random(f"{kind} {seed}"), lambda what: say(f"doing {what}"))


def main(kind: str, first: str, end: str, library: str) -> None:
    """Run the cases of a kind with the seeds from first to before end."""
    if "ASAN_OPTIONS" not in os.environ:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as scratch:
        random_cases = cases.Cases(Library(Path(library)), Path(scratch))
        for seed in range(int(first), int(end)):
            say(f"begin {seed}")
            try:
                case(kind, seed, random_cases)
            except ViolationError as violation:
                say(f"wrong {violation}")
            say("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
