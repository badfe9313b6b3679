"""Gives the built library damaged models, images and texts, and wrong arguments, and checks that it holds.

Whatever comes in, every call must return in time with a status, say in one line what is wrong, write nothing
when it fails and only finite numbers when it succeeds. The cases run in child processes, so that a crash or a
hang is one failed case, named with its seed, and the run goes on::

    python Tests/Fuzz/hostile_input.py [--count N] [--seed S] [--only KIND] [LIBRARY]

Repeat a failed case with ``--only KIND --seed S --count 1``. Needs numpy.
"""

from __future__ import annotations

import argparse
import contextlib
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import known

CHILD: Final = Path(__file__).resolve().with_name("child.py")
# Cases of each kind in a run of the default length; races and leaks take seconds each.
COUNTS: Final = {
    "known": len(known.CASES),
    "models": 1_500,
    "images": 700,
    "texts": 250,
    "arguments": 900,
    "races": 2,
    "leaks": 2,
}
# Seconds without a word from a child. A case takes milliseconds, those of the last two kinds some seconds.
PATIENCE: Final = {"known": 30.0, "races": 60.0, "leaks": 300.0}


def lines(process: subprocess.Popen[str], patience: float) -> Iterator[str]:
    """Yield what a child says, and kill it when it is silent for too long."""
    received: queue.Queue[str | None] = queue.Queue()

    def listen(stream: IO[str]) -> None:
        for line in stream:
            received.put(line.rstrip("\n"))
        received.put(None)

    assert process.stdout
    threading.Thread(target=listen, args=(process.stdout,), daemon=True).start()
    while True:
        try:
            line = received.get(timeout=patience)
        except queue.Empty:
            process.kill()
            yield "hang"
            return
        if line is None:
            return
        yield line


def run(library: Path, kind: str, first: int, count: int) -> tuple[int, int]:
    """Run `count` cases from seed `first` on. Returns how many passed and failed."""
    passed, failed, seed, end = 0, 0, first, first + count
    while seed < end:
        # A known case has a process of its own: it may depend on what was not loaded before.
        last = seed + 1 if kind == "known" else end
        command = [sys.executable, str(CHILD), kind, str(seed), str(last), str(library)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        noise: list[str] = []
        reader = threading.Thread(target=lambda p=process, n=noise: n.append(p.stderr.read()))
        reader.start()
        what, wrong, open_case = "", "", False
        for line in lines(process, PATIENCE.get(kind, 10.0)):
            word, _, rest = line.partition(" ")
            if word == "begin":
                seed, what, wrong, open_case = int(rest), "", "", True
            elif word == "doing":
                what = rest
            elif word == "wrong":
                wrong = rest
            elif word == "hang":
                wrong = f"hangs for more than {PATIENCE.get(kind, 10.0):g} s"
            elif word == "done":
                open_case = False
                passed, failed = passed + (not wrong), failed + bool(wrong)
                if wrong:
                    print(f"FAILED {kind} {seed} ({what}): {wrong}", flush=True)
        status = process.wait()
        reader.join()
        if open_case or status != 0:
            failed += 1
            how = wrong or (f"killed by signal {-status}" if status < 0 else f"ended with status {status}")
            print(f"FAILED {kind} {seed} ({what}): {how}", flush=True)
            with contextlib.suppress(IndexError):
                print("  " + "\n  ".join(noise[0].strip().splitlines()[-25:]), flush=True)
        seed += 1
    return passed, failed


def main() -> int:
    """Run all kinds of cases. Returns 1 if a case failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "library", nargs="?", type=Path, help=".build/release/libarms.so of this checkout if not given"
    )
    parser.add_argument(
        "--count", type=int, help="cases of each kind, of the slow kinds no more than by default"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the first case")
    parser.add_argument(
        "--only", choices=list(COUNTS), action="append", help="run this kind; may be repeated"
    )
    arguments = parser.parse_args()
    if arguments.count is not None and arguments.count < 1:
        parser.error(f"--count {arguments.count}: at least 1 is needed")
    library = arguments.library or Path(__file__).resolve().parents[2] / ".build/release/libarms.so"
    if not library.is_file():
        print(
            f"there is no library {library}; build it with 'swift build -c release --product arms'",
            file=sys.stderr,
        )
        return 1
    passed = failed = 0
    for kind, count in COUNTS.items():
        if arguments.only and kind not in arguments.only:
            continue
        wanted = arguments.count or count
        if kind in PATIENCE:
            wanted = min(wanted, count)
        more, wrong = run(library.resolve(), kind, arguments.seed, wanted)
        print(f"{kind}: {more} passed, {wrong} failed", flush=True)
        passed, failed = passed + more, failed + wrong
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
