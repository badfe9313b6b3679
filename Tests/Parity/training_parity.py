"""Compares training with PyTorch: the gradient of every parameter, and the losses of AdamW's steps.

First all parameters are trained, then low-rank adapters of all linear layers of both encoders with the head, in
float32, on random checkpoints of DistilBERT-base and CLIP ViT-B/32 that
are made here, or with ``--small`` on tiny ones::

    PYTHONPATH=bindings/python/src python Tests/Parity/training_parity.py [--small]

The largest difference in a gradient must be at most 1e-4 of that tensor's norm. The keys' biases change
nothing, since the softmax drops them: their gradient is 0 but for rounding, and measured against the norm of
all gradients. The loss before each of 20 steps must be within 1e-3. Prints the worst tensors and exits
with 1 if any is out of bounds. Needs the built library.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch_router import TorchRouter, make_files
from training_inputs import add_candidates, data_set, make_batch, profiles
from transformers.utils import logging

import arms

GRADIENT_TOLERANCE = 1e-4
LOSS_TOLERANCE = 1e-3
CANDIDATES = 5
RANK = 4
LENGTHS = [32, 7, 19, 26]


def differences(trainer: arms.Trainer, peer: TorchRouter) -> list[tuple[float, str, float]]:
    """Return of each tensor the largest difference by the norm, its name and the norm, worst first."""
    theirs: dict[str, NDArray[np.float32]] = {
        name: (torch.zeros_like(one) if one.grad is None else one.grad).numpy().reshape(-1)
        for name, one in peer.named().items()
    }
    layout = trainer.layout
    if set(layout) != set(theirs):
        raise SystemExit(f"only one side trains {sorted(set(layout) ^ set(theirs))}")
    norms = {name: float(np.linalg.norm(values.astype(np.float64))) for name, values in theirs.items()}
    total = float(np.linalg.norm(list(norms.values())))
    rows = []
    for name, place in layout.items():
        ours = trainer.gradients[place]
        # A file holds no more positions than the tokenizer makes; the others have no gradient.
        error = float(np.abs(ours - theirs[name][: ours.size]).max())
        norm = total if name.endswith("attn_k.bias") else norms[name]
        share = error / norm if norm > 0 else error
        # NaN would be sorted anywhere, and then be overlooked.
        rows.append((share if np.isfinite(share) else np.inf, name, norms[name]))
    return sorted(rows, reverse=True)


def steps(
    trainer: arms.Trainer, data: arms.DataSet, peer: TorchRouter, inputs: Any, count: int, rate: float
) -> list[tuple[float, float]]:
    """Return the losses of both before each step."""
    optimizer = peer.optimizer(rate)
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = peer.loss(*inputs)
        loss.backward()
        ours = trainer.compute_gradients(data, range(len(data)))
        trainer.apply_gradients(rate)
        optimizer.step()
        losses.append((ours, float(loss.detach())))
    return losses


def begin_adapters(trainer: arms.Trainer, peer: TorchRouter, alpha: float) -> None:
    """Give both sides the same adapters, none of which is 0."""
    random = np.random.default_rng(5)
    peer.adapt(RANK, alpha)
    theirs = peer.named()
    for name, place in trainer.layout.items():
        if name.endswith(".lora_b"):
            trainer.parameters[place] = random.uniform(-0.05, 0.05, place.stop - place.start)
        if ".lora_" in name:
            values = torch.from_numpy(trainer.parameters[place].copy())
            theirs[name].data.copy_(values.reshape(theirs[name].shape))


def compare(
    trainer: arms.Trainer, data: arms.DataSet, peer: TorchRouter, inputs: Any, options: argparse.Namespace
) -> bool:
    """Print how gradients and losses differ, and return whether both are within their bounds."""
    peer.zero_grad()
    peer.loss(*inputs).backward()
    trainer.compute_gradients(data, range(len(data)))
    rows = differences(trainer, peer)
    print(f"{len(rows)} tensors, {trainer.gradients.size:,} parameters; worst by their norm:")
    for error, name, norm in rows[:8]:
        print(f"  {error:.1e}  {name} (norm {norm:.1e})")
    holds = rows[0][0] <= GRADIENT_TOLERANCE
    verdict = "ok" if holds else "FAILED"
    print(f"gradients: {rows[0][0]:.1e}, allowed {GRADIENT_TOLERANCE:.0e}: {verdict}", flush=True)

    start = time.perf_counter()
    losses = steps(trainer, data, peer, inputs, options.steps, options.rate)
    # By NumPy: Python's max() passes over NaN.
    worst = float(np.max([abs(ours - theirs) for ours, theirs in losses]))
    follows = worst <= LOSS_TOLERANCE
    print(
        f"{len(losses)} steps, from {losses[0][1]:.4f} to {losses[-1][1]:.4f}, "
        f"{time.perf_counter() - start:.0f} s"
    )
    print(f"losses: {worst:.1e}, allowed {LOSS_TOLERANCE:.0e}: {'ok' if follows else 'FAILED'}", flush=True)
    return holds and follows


def main() -> int:
    """Run the comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="tiny encoders and head")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rate", type=float, default=8e-5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as directory:
        files = make_files(Path(directory), small=options.small)
        texts = profiles(CANDIDATES)
        batch = make_batch(options.batch, CANDIDATES, LENGTHS)
        router = arms.Router(files.model, threads=options.threads)
        data = data_set(batch, add_candidates(router, texts))
        holds = True
        for rank in (0, RANK):
            peer = TorchRouter(files.text, files.image, files.model, texts)
            with arms.Trainer(
                router,
                text_layers="all",
                image_layers="all",
                lora_rank=rank,
                lora_alpha=2 * rank,
                threads=options.threads,
            ) as trainer:
                if rank:
                    print(f"\nadapters of rank {rank}:")
                    begin_adapters(trainer, peer, 2 * rank)
                holds &= compare(trainer, data, peer, peer.inputs(batch), options)
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
