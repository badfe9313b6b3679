"""Compares an epoch of head training with PyTorch's on the same sizes, in alternation.

Run it from the repository's root after ``swift build -c release``::

    PYTHONPATH=bindings/python/src python Tests/Benchmarks/head_epoch.py patches

PyTorch trains the head as its user would write it: queries of a batch together, textbook attention
over all tokens, fused AdamW, on features that lie in memory. With ``--bfloat16`` both sides round
the operands of their products, PyTorch by autocast.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFValueType
from torch import Tensor
from torch.nn import functional
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from arms.convert import Fusion, HeadConfig, assemble, save
from arms.convert.model_file import array

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "Tests" / "Parity"))

from reference import ModelFile  # noqa: E402
from torch_router import BatchedHead  # noqa: E402

TOKENS = 50


def make_model(directory: Path, fusion: Fusion, candidates: int) -> Path:
    """Write a model with a head of full size on encoders of one thin layer."""
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", "the", "chart"]
    text, image = directory / "text", directory / "image"
    BertModel(
        BertConfig(
            vocab_size=len(tokens),
            num_hidden_layers=1,
            intermediate_size=64,
            num_attention_heads=12,
        )
    ).save_pretrained(text)
    ids = {token: one for one, token in enumerate(tokens)}
    BertTokenizerFast(vocab=ids, model_max_length=32).save_pretrained(text)
    CLIPVisionModelWithProjection(
        CLIPVisionConfig(num_hidden_layers=1, intermediate_size=64, projection_dim=512)
    ).save_pretrained(image)
    preprocessing = (
        '{"image_processor_type": "CLIPImageProcessor", "resample": 3, '
        '"size": {"shortest_edge": 224}, "crop_size": {"height": 224, "width": 224}}'
    )
    (image / "preprocessor_config.json").write_text(preprocessing)
    part = assemble(text, image, HeadConfig(fusion=fusion))
    names = [f"candidate {one}" for one in range(candidates)]
    part.keys |= {
        "arms.candidate.names": array(names, GGUFValueType.STRING),
        "arms.candidate.profiles": array(names, GGUFValueType.STRING),
        "arms.candidate.encoders": array([""] * candidates, GGUFValueType.STRING),
        "arms.candidate.costs": array([0.0] * candidates, GGUFValueType.FLOAT64),
        "arms.candidate.latencies": array([0.0] * candidates, GGUFValueType.FLOAT64),
        "arms.candidate.max_images": array([0] * candidates, GGUFValueType.INT32),
        "arms.candidate.enabled": array([True] * candidates, GGUFValueType.BOOL),
    }
    generator = np.random.default_rng(1)
    part.add("candidate.embedding", generator.normal(size=(candidates, 768)))
    part.add("candidate.delta", np.zeros((candidates, 768)))
    for name, value in (("beta", 0), ("temperature", 1), ("bias", 0)):
        part.add(f"candidate.{name}", np.full(candidates, value))
    path = directory / "model.gguf"
    save(part, path, "benchmark")
    return path


def torch_epoch(path: Path, samples: int, batch: int, features: dict[str, Tensor]) -> float:
    """Return the seconds of an epoch after one step that warms up."""
    file = ModelFile(path)
    head = BatchedHead(file)
    delta = torch.nn.Parameter(file.tensor("candidate.delta"))
    beta = torch.nn.Parameter(file.tensor("candidate.beta"))
    embedding = file.tensor("candidate.embedding")
    optimizer = torch.optim.AdamW([*head.parameters(), delta, beta], lr=8e-5, fused=True)
    start = 0.0
    for first in [0, *range(0, samples, batch)]:
        if first == 0:
            start = time.perf_counter()
        rows = torch.arange(first, min(first + batch, samples))
        optimizer.zero_grad()
        logits = head.batch(
            features["q"][rows % 8],
            features["g"][rows // 8 % 8],
            features["x"][rows // 8 % 8],
            embedding + delta,
            beta,
        )
        labels = ((rows[:, None] + torch.arange(len(embedding))) % 2).float()
        functional.binary_cross_entropy_with_logits(logits, labels).backward()
        optimizer.step()
    return time.perf_counter() - start


def engine_epochs(path: Path, samples: int, batch: int, threads: int, *, bfloat16: bool) -> list[float]:
    """Return the seconds of two epochs of the engine."""
    program = ROOT / ".build" / "release" / "head-epoch"
    command: list[Any] = [program, path, samples, batch, threads, 2, *(["bfloat16"] if bfloat16 else [])]
    output = subprocess.run([str(one) for one in command], check=True, stdout=subprocess.PIPE)
    return [float(line) for line in output.stdout.split()]


def main() -> None:
    """Print seconds of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fusion", type=Fusion, choices=list(Fusion))
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--candidates", type=int, default=14)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--bfloat16", action="store_true", help="both sides multiply operands rounded to bfloat16"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    generator = torch.Generator().manual_seed(1)
    features = {
        "q": torch.randn(8, 768, generator=generator),
        "g": torch.randn(8, 512, generator=generator),
        "x": torch.randn(8, TOKENS, 768, generator=generator),
    }
    with tempfile.TemporaryDirectory() as directory:
        path = make_model(Path(directory), options.fusion, options.candidates)
        engine, peer = [], []
        for _ in range(options.rounds):
            engine += engine_epochs(
                path, options.samples, options.batch, options.threads, bfloat16=options.bfloat16
            )
            with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
                peer.append(torch_epoch(path, options.samples, options.batch, features))
    ours, theirs = statistics.median(engine), statistics.median(peer)
    print(f"engine {ours:.2f} s, PyTorch {theirs:.2f} s, ratio {ours / theirs:.3f}")


if __name__ == "__main__":
    main()
