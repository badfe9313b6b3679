"""Kills a training process at random moments and lets another go on, until the run is done.

The model that comes out must have the bytes of one from a run that nobody killed; every checkpoint
on the way must be whole; and nothing may be left beside the files. Run it from the repository's
root, after ``swift build -c release --product train-run``::

    python Tests/Reliability/kill_training.py --kills 50
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "Tests/Fixtures/models/distilbert-patches-scaled-int8.gguf"


def last_step(lines: str) -> int:
    """Return the last step that a process said it made."""
    steps = [int(line.split()[1]) for line in lines.splitlines() if line.startswith("step ")]
    return steps[-1] if steps else 0


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
    moments = random.Random(options.seed)
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
        duration = time.monotonic() - began
        kills, runs, furthest = 0, 0, 0
        while True:
            runs += 1
            process = subprocess.Popen(command(killed), stdout=subprocess.PIPE, text=True)
            limit = None
            if kills < options.kills:
                # Some die before they have begun, most amid steps, some amid a write.
                limit = moments.uniform(0.0, 1.6 * duration / options.kills)
            try:
                output, _ = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                process.kill()
                output, _ = process.communicate()
                kills += 1
                furthest = max(furthest, last_step(output))
                continue
            if process.returncode != 0:
                print(f"after {kills} kills the run failed: {output.splitlines()[-1:]}")
                return 1
            if kills >= options.kills or (killed / "model.gguf").exists():
                break
        same = (whole / "model.gguf").read_bytes() == (killed / "model.gguf").read_bytes()
        left = sorted(path.name for path in killed.iterdir())
        print(
            f"{kills} kills in {runs} runs, the furthest at step {furthest} of {6 * options.epochs}; "
            f"the model's bytes are {'the same' if same else 'DIFFERENT'}; files: {', '.join(left)}"
        )
        return 0 if same and left == ["model.gguf", "run.ckpt"] and kills >= options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
