"""Kills a training process at random moments and lets another go on, until the run is done.

The model that comes out must have the bytes of one from a run that nobody killed; every checkpoint
on the way must be whole; and nothing may be left beside the files. Run it from the repository's
root, after ``swift build -c release --product train-run``::

    python Tests/Reliability/kill_training.py --kills 50
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "Tests/Fixtures/models/distilbert-patches-scaled-int8.gguf"


def kill_after(command: list[str], steps: int, seconds: float) -> int:
    """Kill a process amid what follows so many of its steps, and return the step that it had reached.

    After none it dies while it begins.
    """
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        made, reached = 0, 0
        while made < steps:
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"the run ended by itself at step {reached}: {process.wait()}")
            if line.startswith("step "):
                made, reached = made + 1, int(line.split()[1])
        time.sleep(seconds)
        process.kill()
        rest = process.stdout.read()
    lines = [line for line in rest.splitlines() if re.fullmatch(r"step \d+", line)]
    return int(lines[-1].split()[1]) if lines else reached


def main() -> int:
    """Kill and resume; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=50, help="processes that are killed")
    parser.add_argument("--epochs", type=int, default=400, help="epochs of six steps each")
    parser.add_argument("--seed", type=int, default=0, help="decides when processes are killed")
    parser.add_argument(
        "--program", type=Path, default=ROOT / ".build/release/train-run", help="what is killed"
    )
    options = parser.parse_args()
    if min(options.kills, options.epochs) < 1:
        parser.error("--kills and --epochs must be at least 1")
    moments = random.Random(options.seed)
    steps = 6 * options.epochs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        whole, killed = folder / "whole", folder / "killed"
        whole.mkdir()
        killed.mkdir()

        def command(place: Path) -> list[str]:
            files = [MODEL, place / "run.ckpt", place / "model.gguf"]
            return [str(options.program), *map(str, files), str(options.epochs)]

        began = time.monotonic()
        subprocess.run(command(whole), check=True, stdout=subprocess.DEVNULL)
        step_seconds = (time.monotonic() - began) / steps
        kills, furthest = 0, 0
        while kills < options.kills:
            # By steps, so that the run does not end before the last kill, however busy the machine is.
            wanted = moments.randint(0, steps // options.kills)
            delay = moments.uniform(0, step_seconds if wanted else 20 * step_seconds)
            furthest = max(furthest, kill_after(command(killed), wanted, delay))
            kills += 1
        subprocess.run(command(killed), check=True, stdout=subprocess.DEVNULL)
        same = (whole / "model.gguf").read_bytes() == (killed / "model.gguf").read_bytes()
        left = sorted(path.name for path in killed.iterdir())
        print(
            f"{kills} kills, the furthest at step {furthest} of {steps}; "
            f"the model's bytes are {'the same' if same else 'DIFFERENT'}; files: {', '.join(left)}"
        )
        return 0 if same and left == ["model.gguf", "run.ckpt"] else 1


if __name__ == "__main__":
    sys.exit(main())
