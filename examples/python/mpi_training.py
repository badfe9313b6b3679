"""Train a router data-parallel, over processes and machines, with MPI.

usage: mpiexec -n 2 python mpi_training.py MODEL DATA OUT

DATA has a JSON object a line, {"question": "...", "image": "path" or null, "outcomes": {"name": 0 or 1}};
OUT is the trained model file. The losses are those of one process, up to rounding.

Needs mpi4py and an MPI: pip install mpi4py mpich
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

import arms

EPOCHS = 4
BATCH_SIZE = 8
LEARNING_RATE = 1e-3


def main(model: str, rows: str, out: str) -> None:
    """Train, every process on its share of each batch."""
    world = MPI.COMM_WORLD
    with Path(rows).open(encoding="utf-8") as lines:
        samples = [json.loads(line) for line in lines if line.strip()]
    data = arms.DataSet((row["image"], row["question"], row["outcomes"]) for row in samples)
    if len(data) != len(samples):
        raise ValueError("DATA has two lines of one query: give all its outcomes in one")
    # A batch's loss is a mean over its outcomes, and so is a share's: shares count by their outcomes.
    outcomes = np.array([len(row["outcomes"]) for row in samples])

    with arms.Router(model, threads=1) as router:
        trainer = arms.Trainer(router, threads=1)
        order = np.random.default_rng(0)  # The same in every process.
        for epoch in range(EPOCHS):
            losses = []
            for batch in np.split(order.permutation(len(data)), range(BATCH_SIZE, len(data), BATCH_SIZE)):
                # A query stays with its process, which alone encodes it.
                share = batch[batch % world.size == world.rank]
                losses.append(
                    step(world, trainer, data, share, outcomes[share].sum() / outcomes[batch].sum())
                )
            if world.rank == 0:
                print(f"epoch {epoch + 1}: loss {np.mean(losses):.6f}", flush=True)
        if world.rank == 0:
            trainer.save(out)


def step(world: MPI.Comm, trainer: arms.Trainer, data: arms.DataSet, share: np.ndarray, part: float) -> float:
    """Compute the gradients of a share, exchange them, and make the same step in every process."""
    gradients = trainer.gradients
    loss = 0.0
    if share.size:
        loss = trainer.compute_gradients(data, share) * part
        gradients *= part
    else:
        gradients[:] = 0
    world.Allreduce(MPI.IN_PLACE, gradients)
    trainer.apply_gradients(LEARNING_RATE)
    return world.allreduce(loss)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: mpiexec -n 2 python mpi_training.py MODEL DATA OUT")
    try:
        main(*sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - whatever it is
        # The other processes would wait for this one.
        print(f"mpi_training: {error}", file=sys.stderr, flush=True)
        MPI.COMM_WORLD.Abort(1)
