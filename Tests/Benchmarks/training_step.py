"""Times a training step of all parameters, beside PyTorch's, in alternation.

DistilBERT-base and CLIP ViT-B/32 of random weights, a head of full size, images of 224 x 224 and questions of 32
tokens, each with the outcomes of 14 candidates whose profiles run through the text encoder in every step. A
step is forward, backward and AdamW. Each side runs in a process of its own, and one waits while the other
works. ``--sides engine adapters`` compares with the engine that trains low-rank adapters of all blocks, and
``--sides bfloat16 torch-bfloat16`` has both multiply operands rounded to bfloat16, PyTorch by autocast::

    PYTHONPATH=bindings/python/src python Tests/Benchmarks/training_step.py [--batch 8 32]

PyTorch is float32 with scaled dot-product attention and fused AdamW. Prints medians, least
times, CPU times, the largest resident memory of both processes, and the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "Parity"))

CANDIDATES = 14
RATE = 8e-5
RANK = 8


def engine_step(directory: Path, batch: int, threads: int, **options: Any) -> Callable[[], object]:
    """Return the engine's step with options of its trainer, ready to run."""
    from training_inputs import add_candidates, data_set, make_batch, profiles

    import arms

    router = arms.Router(directory / "model.gguf", threads=threads)
    names = add_candidates(router, profiles(CANDIDATES))
    data = data_set(make_batch(batch, CANDIDATES, [32]), names)
    trainer = arms.Trainer(router, text_layers="all", image_layers="all", threads=threads, **options)

    def step() -> None:
        trainer.compute_gradients(data, range(batch))
        trainer.apply_gradients(RATE)

    return step


def torch_step(directory: Path, batch: int, threads: int, *, bfloat16: bool = False) -> Callable[[], object]:
    """Return PyTorch's step, ready to run; with bfloat16 under its autocast."""
    import torch
    from torch_router import TorchRouter
    from training_inputs import make_batch, profiles
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(threads)
    router = TorchRouter(
        directory / "text", directory / "image", directory / "model.gguf", profiles(CANDIDATES)
    )
    inputs = router.inputs(make_batch(batch, CANDIDATES, [32]))
    optimizer = router.optimizer(RATE)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = router.loss(*inputs)
        loss.backward()
        optimizer.step()

    return step


SIDES = {
    "engine": engine_step,
    "torch": torch_step,
    "torch-bfloat16": partial(torch_step, bfloat16=True),
    "adapters": partial(engine_step, lora_rank=RANK),
    "bfloat16": partial(engine_step, bfloat16=True),
}


def resident(field: str) -> float:
    """Return a size of this process from /proc, in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{field}:"))


def work(side: str, directory: Path, batch: int, threads: int) -> None:
    """Answer each line of input with as many steps' seconds and CPU seconds, and its end with the memory."""
    step = SIDES[side](directory, batch, threads)
    step()
    print("ready", flush=True)
    for line in sys.stdin:
        for _ in range(int(line)):
            start, used = time.perf_counter(), time.process_time()
            step()
            print(time.perf_counter() - start, time.process_time() - used, flush=True)
    print(resident("VmHWM"), flush=True)


class Side:
    """A process that makes steps when asked."""

    def __init__(self, name: str, directory: Path, batch: int, threads: int) -> None:
        command = [sys.executable, __file__, "--worker", name, str(directory), str(batch), str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seconds: list[float] = []
        self.cpu_seconds: list[float] = []
        self._line()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args}: ended with {self.process.wait()}")
        return line

    def run(self, steps: int) -> None:
        """Make some steps."""
        assert self.process.stdin
        print(steps, file=self.process.stdin, flush=True)
        for _ in range(steps):
            seconds, cpu_seconds = map(float, self._line().split())
            self.seconds.append(seconds)
            self.cpu_seconds.append(cpu_seconds)

    def close(self) -> float:
        """End the process, and return its largest resident memory in megabytes."""
        assert self.process.stdin
        self.process.stdin.close()
        return float(self._line())


def compare(names: list[str], directory: Path, batch: int, threads: int, rounds: int, steps: int) -> None:
    """Print the times of a batch size, and the ratios of the first side's to the second's."""
    sides = {name: Side(name, directory, batch, threads) for name in names}
    for _ in range(rounds):
        for side in sides.values():
            side.run(steps)
    memory = {name: side.close() for name, side in sides.items()}
    rows = {
        "median s": {name: statistics.median(side.seconds) for name, side in sides.items()},
        "least s": {name: min(side.seconds) for name, side in sides.items()},
        "median CPU s": {name: statistics.median(side.cpu_seconds) for name, side in sides.items()},
        "memory MB": memory,
    }
    for what, row in rows.items():
        first, second = (row[name] for name in names)
        values = ", ".join(f"{name} {row[name]:.4g}" for name in names)
        print(f"batch {batch}, {what}: {values}, ratio {first / second:.3f}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sides", choices=SIDES, nargs=2, default=["engine", "torch"])
    parser.add_argument("--batch", type=int, nargs="+", default=[8, 32])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=2, help="steps of a side before it is the other's turn")
    parser.add_argument("--files", type=Path, help="a folder to keep the checkpoints in for the next time")
    options = parser.parse_args()
    from torch_router import make_files
    from transformers.utils import logging

    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as temporary:
        directory = options.files or Path(temporary)
        if not (directory / "model.gguf").exists():
            make_files(directory, small=False)
        for batch in options.batch:
            compare(options.sides, directory, batch, options.threads, options.rounds, options.steps)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]))
    else:
        main()
