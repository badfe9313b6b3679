"""Makes the small model files in ``models/`` and the values that the engine must compute.

The encoders are tiny random ``transformers`` models, converted by ``arms.convert``; the expected
values come from ``transformers`` and from the reference head in ``Tests/Parity/reference.py``. All
weights, biases and LayerNorms are random, so that nothing is right by being zero or one.

Run it from the repository's root when the format changes::

    PYTHONPATH=bindings/python/src python Tests/Fixtures/make_models.py

``<name>.json`` holds, of each ``<name>.gguf``:

- ``questions``: text, token ids (``[CLS]`` and ``[SEP]`` included, truncated), their number before
  truncation, pooled embedding q.
- ``images``: of image k, prepared as ``pixels[c, y, x] = ((7 c + 3 y + 5 x + 11 k) mod 17) / 8 -
  1``, the embedding g and the tokens X (without the image-index embedding).
- ``candidates``: as they stand in the file, or to be added if ``candidates_in_file`` is false.
- ``routes``: for a question and a list of images the gate p, the mixture e, and by candidate the
  cosine s, the logit t and the confidence c.

All values are those of float32 arithmetic. ``tolerance`` is how far the engine may be off in any
value; for int8 files, whose values come from the weights before they were quantised, ``cosine`` is
the least cosine of an embedding instead.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFValueType
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    DistilBertConfig,
    DistilBertModel,
)

from arms.convert import Fusion, Head, HeadConfig, WeightType, assemble, save
from arms.convert.model_file import Part, array

FIXTURES = Path(__file__).parent
sys.path.insert(0, str(FIXTURES.parent / "Parity"))

from reference import ModelFile, ReferenceHead  # noqa: E402

WORDS = [
    "what",
    "is",
    "the",
    "how",
    "many",
    "are",
    "in",
    "image",
    "color",
    "of",
    "chart",
    "value",
    "highest",
    "which",
    "year",
    "angle",
    "degrees",
    "number",
    "between",
    "a",
    "model",
    "strong",
    "weak",
    "at",
    "math",
    "charts",
    "reading",
    "text",
    "small",
    "fast",
    "large",
    "vision",
    "language",
    "good",
    "count",
    "##s",
    "##ing",
    "##ed",
    "##er",
    "##est",
    "##ly",
    "##al",
    "##tion",
]
QUESTIONS = [
    "What is the highest value in the chart?",
    "How many reds are counted in image 27?",
    "unbelievably (x+1) = 14.5",
    "",
    "what is the number between the angles " * 6,
]
PROFILES = {
    "small": "A small fast model, weak at math.",
    "large": "A large vision language model, good at charts.",
    "reader": "Strong at reading text.",
}


@dataclass(frozen=True)
class Fixture:
    """One model file."""

    family: str
    fusion: Fusion
    head: Head
    weight_type: WeightType = WeightType.F32
    top_k: int = 0
    candidates_in_file: bool = True

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        suffix = "" if self.weight_type is WeightType.F32 else f"-{self.weight_type}"
        return f"{self.family}-{self.fusion}-{self.head}{suffix}"


MODELS = [
    Fixture("distilbert", Fusion.PATCHES, Head.SCALED),
    Fixture("distilbert", Fusion.PATCHES, Head.SCALED, WeightType.INT8),
    Fixture("distilbert", Fusion.PATCHES, Head.SCALED, WeightType.BF16),
    Fixture("distilbert", Fusion.POOLED, Head.PAPER),
    Fixture("distilbert", Fusion.CONCAT, Head.SCALED, top_k=2),
    Fixture("bert", Fusion.PATCHES, Head.PAPER),
    Fixture("bert", Fusion.PATCHES, Head.PAPER, WeightType.INT8),
    Fixture("bert", Fusion.POOLED, Head.SCALED),
    Fixture("bert", Fusion.CONCAT, Head.PAPER, candidates_in_file=False),
]


def randomize(named: Iterator[tuple[str, torch.nn.Parameter]], seed: int) -> None:
    """Give every parameter values that matter: none is 0 or 1 throughout."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in named:
            noise = torch.randn(parameter.shape, generator=generator)
            if "embedding" in name and parameter.ndim == 2:
                parameter.copy_(noise * 0.5)
            elif parameter.ndim > 1:
                parameter.copy_(noise * 1.5 / math.sqrt(parameter[0].numel()))
            elif "norm" in name.lower() and name.endswith("weight"):
                parameter.copy_(1 + 0.2 * noise)
            else:
                parameter.copy_(0.2 * noise)


def save_text(directory: Path, family: str) -> None:
    """Save a text checkpoint: DistilBERT uncased, pooled by CLS; BERT cased, by mean."""
    lowercase = family == "distilbert"
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    if not lowercase:
        letters += ["W", "H", "A", "L", "S"]
    characters = [*letters, *"0123456789?.,()+="]
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    tokens += [f"##{one}" for one in characters if one.isalnum()] + WORDS
    directory.mkdir()
    vocabulary = directory / "vocab.txt"
    vocabulary.write_text("\n".join(tokens) + "\n", encoding="utf-8")
    model: Any
    if family == "distilbert":
        model = DistilBertModel(
            DistilBertConfig(
                vocab_size=len(tokens),
                dim=32,
                hidden_dim=48,
                n_layers=2,
                n_heads=4,
                max_position_embeddings=20,
            )
        )
    else:
        model = BertModel(
            BertConfig(
                vocab_size=len(tokens),
                hidden_size=24,
                intermediate_size=42,
                num_hidden_layers=2,
                num_attention_heads=3,
                max_position_embeddings=20,
            )
        )
        pooling = directory / "1_Pooling"
        pooling.mkdir()
        (pooling / "config.json").write_text(
            json.dumps({"word_embedding_dimension": 24, "pooling_mode_mean_tokens": True})
        )
    randomize(model.named_parameters(), seed=1)
    model.save_pretrained(directory)
    ids = {token: one for one, token in enumerate(tokens)}
    BertTokenizerFast(vocab=ids, do_lower_case=lowercase, model_max_length=20).save_pretrained(directory)
    vocabulary.unlink()


def save_image(directory: Path, activation: str) -> None:
    """Save an image checkpoint: 32 pixels a side in patches of 8."""
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
        projection_dim=20,
        hidden_act=activation,
    )
    model = CLIPVisionModelWithProjection(config)
    randomize(model.named_parameters(), seed=2)
    model.save_pretrained(directory)
    preprocessing = {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": 36},
        "crop_size": {"height": 32, "width": 32},
        "resample": 3,
    }
    (directory / "preprocessor_config.json").write_text(json.dumps(preprocessing))


def pixels(image: int) -> torch.Tensor:
    """Return the prepared pixels of image k, [1, 3, 32, 32]."""
    channel, row, column = np.meshgrid(np.arange(3), np.arange(32), np.arange(32), indexing="ij")
    values = ((7 * channel + 3 * row + 5 * column + 11 * image) % 17) / 8 - 1
    return torch.from_numpy(values.astype(np.float32))[None]


def add_candidates(part: Part, embeddings: torch.Tensor) -> None:
    """Add the three candidates; the last one's embedding counts as given by the caller."""
    count, width = embeddings.shape
    generator = np.random.default_rng(5)
    text_hash = part.keys["arms.text.hash"].value
    part.keys |= {
        "arms.candidate.names": array(list(PROFILES), GGUFValueType.STRING),
        "arms.candidate.profiles": array(list(PROFILES.values()), GGUFValueType.STRING),
        "arms.candidate.encoders": array([text_hash, text_hash, ""], GGUFValueType.STRING),
        "arms.candidate.costs": array([0.0005, 0.01, math.nan], GGUFValueType.FLOAT64),
        "arms.candidate.latencies": array([120.0, math.nan, 300.0], GGUFValueType.FLOAT64),
        "arms.candidate.max_images": array([0, 2, 0], GGUFValueType.INT32),
        "arms.candidate.enabled": array([True, True, True], GGUFValueType.BOOL),
    }
    part.add("candidate.embedding", embeddings.numpy())
    part.add("candidate.delta", generator.normal(0, 0.1, (count, width)).astype(np.float32))
    part.add("candidate.beta", np.array([0.25, -0.5, 0.125], dtype=np.float32))
    part.add("candidate.temperature", np.array([1, 0.5, 2], dtype=np.float32))
    part.add("candidate.bias", np.array([0, 0.25, -0.125], dtype=np.float32))


class Encoders:
    """The two encoders as ``transformers`` computes them."""

    def __init__(self, text: Path, image: Path, family: str) -> None:
        kind = DistilBertModel if family == "distilbert" else BertModel
        self.tokenizer: Any = BertTokenizerFast.from_pretrained(text)
        self.text: Any = kind.from_pretrained(text, attn_implementation="eager").eval()
        self.image: Any = CLIPVisionModelWithProjection.from_pretrained(
            image, attn_implementation="eager"
        ).eval()
        self.mean = family == "bert"

    def encode_text(self, text: str) -> tuple[list[int], int, torch.Tensor]:
        """Return the token ids, their number before truncation, and q."""
        total = len(self.tokenizer(text, verbose=False)["input_ids"])
        ids = self.tokenizer(text, truncation=True, max_length=20)["input_ids"]
        hidden = self.text(torch.tensor([ids])).last_hidden_state[0]
        return ids, total, hidden.mean(dim=0) if self.mean else hidden[0]

    def encode_image(self, image: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return g and X."""
        output = self.image(pixel_values=pixels(image))
        post_norm = next(
            module for name, module in self.image.named_modules() if name.endswith("post_layernorm")
        )
        return output.image_embeds[0], post_norm(output.last_hidden_state)[0]


def rounded(values: torch.Tensor) -> Any:
    """Return a tensor as lists of numbers of nine digits, which are exact for float32."""
    flat = [float(f"{value:.9g}") for value in values.reshape(-1).tolist()]
    return np.array(flat).reshape(values.shape).tolist()


def make(fixture: Fixture, text: Path, image: Path) -> None:
    """Write one model file and its values."""
    encoders = Encoders(text, image, fixture.family)
    config = HeadConfig(
        fusion=fixture.fusion,
        head=fixture.head,
        experts=3,
        attention_heads=2,
        attention_width=16,
        feed_forward=22,
        expert_output=18,
        shared_width=12,
        top_k=fixture.top_k,
        max_images=4,
    )
    part = assemble(text, image, config, seed=7)
    generator = np.random.default_rng(4)
    for name, parameter in part.parameters.items():
        if (name.startswith(("expert.", "classifier.ln.")) and ".ln." in name) or name.startswith(
            "no_image."
        ):
            noise = generator.normal(0, 0.3, parameter.values.shape).astype(np.float32)
            part.parameters[name] = dataclasses.replace(parameter, values=parameter.values + noise)
    profiles = torch.stack([encoders.encode_text(profile)[2] for profile in PROFILES.values()])
    with_candidates = Part(dict(part.keys), dict(part.parameters))
    add_candidates(with_candidates, profiles)
    written = with_candidates if fixture.candidates_in_file else part
    path = FIXTURES / "models" / f"{fixture.name}.gguf"
    save(written, path, fixture.name, fixture.weight_type)

    # int8 is compared with the float weights, bf16 with its own: those are exact in float32.
    reference_path = path
    if fixture.weight_type is WeightType.INT8:
        reference_path = text.parent / "float.gguf"
        save(written, reference_path, fixture.name)
    head = ReferenceHead(ModelFile(reference_path))
    candidate = {
        name: torch.from_numpy(with_candidates.parameters[f"candidate.{name}"].values)
        for name in ("delta", "beta", "temperature", "bias")
    }
    if not fixture.candidates_in_file:
        # Only training gives these; a candidate that is added starts without them.
        candidate |= {name: torch.zeros_like(candidate[name]) for name in ("delta", "beta")}
    questions = [encoders.encode_text(question) for question in QUESTIONS]
    images = [encoders.encode_image(one) for one in range(2)]
    routes = []
    for question, chosen in ((0, []), (0, [0]), (0, [0, 1]), (1, [1]), (2, [])):
        pooled = [images[one][0] for one in chosen]
        tokens = [images[one][1] for one in chosen]
        result = head(questions[question][2], pooled, tokens, profiles, **candidate)
        values = {name: rounded(value) for name, value in result._asdict().items()}
        routes.append({"question": question, "images": chosen, **values})
    expected = {
        "model": f"{fixture.name}.gguf",
        **({"cosine": 0.998} if fixture.weight_type is WeightType.INT8 else {"tolerance": 1e-4}),
        "questions": [
            {"text": text, "tokens": ids, "total_tokens": total, "embedding": rounded(q)}
            for text, (ids, total, q) in zip(QUESTIONS, questions, strict=True)
        ],
        "images": [
            {"image": one, "embedding": rounded(g), "tokens": rounded(x)} for one, (g, x) in enumerate(images)
        ],
        "candidates_in_file": fixture.candidates_in_file,
        "candidates": [
            {
                "name": name,
                "profile": profile,
                "embedding": rounded(profiles[row]),
                "delta": rounded(candidate["delta"][row]),
                "beta": float(candidate["beta"][row]),
                "temperature": float(candidate["temperature"][row]),
                "bias": float(candidate["bias"][row]),
            }
            for row, (name, profile) in enumerate(PROFILES.items())
        ],
        "routes": routes,
    }
    path.with_suffix(".json").write_text(json.dumps(expected, separators=(",", ":")) + "\n", encoding="utf-8")


def main() -> None:
    """Write all model files."""
    (FIXTURES / "models").mkdir(exist_ok=True)
    for fixture in MODELS:
        with tempfile.TemporaryDirectory() as directory:
            text, image = Path(directory, "text"), Path(directory, "image")
            save_text(text, fixture.family)
            save_image(image, "quick_gelu" if fixture.family == "distilbert" else "gelu")
            if fixture.weight_type is WeightType.BF16:
                round_checkpoint(text)
                round_checkpoint(image)
            with torch.no_grad():
                make(fixture, text, image)


def round_checkpoint(directory: Path) -> None:
    """Round a checkpoint's weights to bfloat16, so that a bf16 file holds exactly them."""
    from safetensors.torch import load_file, save_file

    path = directory / "model.safetensors"
    tensors = {name: value.bfloat16().float() for name, value in load_file(path).items()}
    save_file(tensors, path, metadata={"format": "pt"})


if __name__ == "__main__":
    main()
