"""Compares the engine's embeddings with ``transformers`` at full size, float weights.

Every value of q (text) and of g (image) must be within 1e-4 of the reference. The checkpoints are
made here: DistilBERT-base, BERT-base, CLIP B/32 and B/16 of random weights, saved by
``transformers``. ``--text`` adds real checkpoints, such as a MiniLM directory::

    PYTHONPATH=bindings/python/src python Tests/Parity/embeddings_parity.py [--text DIR]...

Prints one line a comparison and exits with 1 if any is out of bounds. Needs the built library.
"""

from __future__ import annotations

import argparse
import json
import string
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import BertWordPieceTokenizer
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    DistilBertConfig,
    DistilBertModel,
)

from arms import Router
from arms.convert import convert_checkpoints

TOLERANCE = 1e-4
QUESTIONS = [
    "What is the period of y = sin(2x)?",
    "How many red objects are left of the blue cube?",
    "x",
    "Which bar is the highest, and by how much does it exceed the lowest one? " * 12,
]
SIZES = {"B/32": 32, "B/16": 16}


def save_text(directory: Path, family: str, **sizes: int) -> None:
    """Save a text checkpoint of random weights with a vocabulary of characters, by default of full size."""
    torch.manual_seed(1)
    model: Any = (
        DistilBertModel(DistilBertConfig(**sizes))
        if family == "distilbert"
        else BertModel(BertConfig(**sizes))
    )
    liven(model)
    model.save_pretrained(directory)
    characters = string.ascii_lowercase + string.digits + "?.,()="
    tokens = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *characters,
        *(f"##{one}" for one in characters),
    ]
    (directory / "vocab.txt").write_text("\n".join(tokens) + "\n")
    BertWordPieceTokenizer(str(directory / "vocab.txt")).save(str(directory / "tokenizer.json"))
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))


def save_image(directory: Path, patch: int, **sizes: int) -> None:
    """Save an image checkpoint of random weights, by default of full size."""
    torch.manual_seed(2)
    model = CLIPVisionModelWithProjection(CLIPVisionConfig(patch_size=patch, **sizes))
    liven(model)
    model.save_pretrained(directory)
    (directory / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "size": {"shortest_edge": 224},
                "crop_size": {"height": 224, "width": 224},
                "resample": 3,
            }
        )
    )


def liven(model: torch.nn.Module) -> None:
    """Make biases and LayerNorms matter, which a fresh model starts at 0 and 1."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn(parameter.shape))


def pixels(size: int, count: int) -> NDArray[np.float32]:
    """Return prepared images: smooth colours with noise, normalised as pixels are."""
    generator = np.random.default_rng(3)
    row, column = np.meshgrid(np.linspace(0, 3, size), np.linspace(0, 3, size), indexing="ij")
    images = [
        np.stack([np.sin(row * (k + 1) + channel) + np.cos(column * (channel + 1)) for channel in range(3)])
        + 0.3 * generator.normal(size=(3, size, size))
        for k in range(count)
    ]
    return np.stack(images).astype(np.float32)


def text_reference(directory: Path) -> Callable[[str], NDArray[np.float32]]:
    """Return the function from a text to its pooled embedding, as ``transformers`` computes it."""
    model: Any = AutoModel.from_pretrained(directory, attn_implementation="eager").eval()
    tokenizer: Any = AutoTokenizer.from_pretrained(directory)
    pooling = directory / "1_Pooling" / "config.json"
    mean = pooling.exists() and json.loads(pooling.read_text()).get("pooling_mode_mean_tokens", False)
    limits = [tokenizer.model_max_length, model.config.max_position_embeddings]
    sentence = directory / "sentence_bert_config.json"
    if sentence.exists():
        limits.append(json.loads(sentence.read_text())["max_seq_length"])

    def encode(text: str) -> NDArray[np.float32]:
        inputs = tokenizer(text, truncation=True, max_length=min(limits), return_tensors="pt")
        with torch.no_grad():
            hidden = model(**inputs).last_hidden_state[0]
        result: NDArray[np.float32] = (hidden.mean(dim=0) if mean else hidden[0]).numpy()
        return result

    return encode


def image_reference(directory: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return g of prepared images, [count, d_v], as ``transformers`` computes it."""
    model: Any = CLIPVisionModelWithProjection.from_pretrained(directory, attn_implementation="eager").eval()
    with torch.no_grad():
        embeddings = model(pixel_values=torch.from_numpy(images)).image_embeds
    result: NDArray[np.float32] = embeddings.numpy()
    return result


def report(what: str, error: float) -> bool:
    """Print a comparison and say whether it holds."""
    holds = error <= TOLERANCE
    print(
        f"{what}: largest difference {error:.2e}, allowed {TOLERANCE:.0e}: {'ok' if holds else 'FAILED'}",
        flush=True,
    )
    return holds


def compare_text(router: Router, directory: Path, name: str) -> bool:
    """Compare the text encoder."""
    encode = text_reference(directory)
    errors = [
        np.abs(np.asarray(router.encode_question(text).embedding) - encode(text)).max() for text in QUESTIONS
    ]
    # By NumPy: Python's max() passes over NaN.
    return report(name, float(np.max(errors)))


def compare_image(router: Router, directory: Path, name: str) -> bool:
    """Compare the image encoder on prepared pixels."""
    images = pixels(224, 3)
    expected = image_reference(directory, images)
    found = np.stack([np.asarray(router.encode_image(image).embedding) for image in images])
    return report(name, float(np.abs(found - expected).max()))


def main() -> int:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--text", type=Path, action="append", default=[], help="a real text checkpoint")
    arguments = parser.parse_args()
    holds = True
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        images = {name: root / f"clip{patch}" for name, patch in SIZES.items()}
        for name, patch in SIZES.items():
            save_image(images[name], patch)
        texts = {f"{family}-base": root / family for family in ("distilbert", "bert")}
        for family in ("distilbert", "bert"):
            save_text(root / family, family)
        texts |= {path.name: path for path in arguments.text}
        model = root / "model.gguf"
        for name, path in texts.items():
            convert_checkpoints(path, images["B/32"], model)
            holds &= compare_text(Router(model), path, name)
        for name, path in images.items():
            convert_checkpoints(root / "distilbert", path, model)
            holds &= compare_image(Router(model), path, f"CLIP {name}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
