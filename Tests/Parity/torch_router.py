"""A router in PyTorch as its user would write it, to compare training with: values, time and memory.

The encoders are those of ``transformers``, with its fastest attention; a batch runs through everything
together. Parameters have their own names; `TorchRouter.named` gives them the model file's.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from embeddings_parity import save_image, save_text
from reference import ModelFile, ReferenceHead, adamw
from torch import Tensor
from torch.nn import functional
from training_inputs import Batch
from transformers import CLIPVisionModelWithProjection, DistilBertModel, PreTrainedTokenizerFast

from arms.convert import HeadConfig, convert_checkpoints

SMALL_TEXT = {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4, "vocab_size": 256}
SMALL_IMAGE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "projection_dim": 20,
}
SMALL_HEAD = HeadConfig(
    experts=3, attention_heads=2, attention_width=16, feed_forward=22, expert_output=18, shared_width=12
)
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)

TEXT_BLOCK = {
    "attn_q": "attention.q_lin",
    "attn_k": "attention.k_lin",
    "attn_v": "attention.v_lin",
    "attn_out": "attention.out_lin",
    "ln1": "sa_layer_norm",
    "ffn_up": "ffn.lin1",
    "ffn_down": "ffn.lin2",
    "ln2": "output_layer_norm",
}
IMAGE_BLOCK = {
    "ln1": "layer_norm1",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_out": "self_attn.out_proj",
    "ln2": "layer_norm2",
    "ffn_up": "mlp.fc1",
    "ffn_down": "mlp.fc2",
}
OTHERS = {
    "t.token_embd.weight": "embeddings.word_embeddings.weight",
    "t.position_embd.weight": "embeddings.position_embeddings.weight",
    "t.embd_norm.weight": "embeddings.LayerNorm.weight",
    "t.embd_norm.bias": "embeddings.LayerNorm.bias",
    "v.class_embd": "embeddings.class_embedding",
    "v.patch_embd.weight": "embeddings.patch_embedding.weight",
    "v.position_embd.weight": "embeddings.position_embedding.weight",
    "v.pre_ln.weight": "pre_layrnorm.weight",
    "v.pre_ln.bias": "pre_layrnorm.bias",
    "v.post_ln.weight": "post_layernorm.weight",
    "v.post_ln.bias": "post_layernorm.bias",
    "v.projection.weight": "visual_projection.weight",
}


class LoRALinear(torch.nn.Module):  # type: ignore[misc]
    """A frozen linear layer with a low-rank adapter beside it (Hu et al., arXiv 2106.09685)."""

    def __init__(self, base: torch.nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.base = base
        self.scale = alpha / rank
        self.lora_a = torch.nn.Parameter(torch.zeros(rank, base.in_features))
        self.lora_b = torch.nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``W x + b + s B (A x)``."""
        output: Tensor = self.base(x) + self.scale * (x @ self.lora_a.T) @ self.lora_b.T
        return output


class BatchedHead(ReferenceHead):
    """The reference head over a batch."""

    def attend(self, name: str, q: Tensor, tokens: Tensor) -> Tensor:
        """Return the attention's output [batch, w]."""
        batch, count, _ = tokens.shape
        query = self.linear(f"{name}.attn_q", q).reshape(batch, self.heads, 1, -1)
        key = self.linear(f"{name}.attn_k", tokens).reshape(batch, count, self.heads, -1)
        value = self.linear(f"{name}.attn_v", tokens).reshape(batch, count, self.heads, -1)
        mixed = functional.scaled_dot_product_attention(query, key.transpose(1, 2), value.transpose(1, 2))
        return self.linear(f"{name}.attn_out", mixed.reshape(batch, -1))

    def batch(self, q: Tensor, g: Tensor, tokens: Tensor, profiles: Tensor, beta: Tensor) -> Tensor:
        """Return the logits [batch, candidates]."""
        p = torch.softmax(self.linear("gate", torch.cat([q, g], dim=1)), dim=1)
        if self.fusion == "patches":
            tokens = tokens + self.weight("image_index.weight")[0]
        outputs = []
        for number in range(self.experts):
            name = f"expert.{number}"
            if self.fusion == "patches":
                fused = self.attend(name, q, tokens)
            elif self.fusion == "pooled":
                fused = self.linear(f"{name}.attn_out", self.linear(f"{name}.attn_v", g))
            else:
                fused = self.linear(f"{name}.image", g)
            normed = self.layer_norm(f"{name}.ln", torch.cat([q, fused], dim=1))
            hidden = functional.gelu(self.linear(f"{name}.ffn_up", normed))
            outputs.append(self.linear(f"{name}.ffn_down", hidden))
        mixture = (p.unsqueeze(2) * torch.stack(outputs, dim=1)).sum(dim=1)
        z = self.linear("classifier.query", self.layer_norm("classifier.ln", torch.cat([q, mixture], dim=1)))
        keys = self.normalize(self.linear("classifier.candidate", profiles))
        return self.logits(self.normalize(z) @ keys.T, beta)


class TorchRouter(torch.nn.Module):  # type: ignore[misc]
    """Both encoders and the head, on copies of the weights of checkpoints and a model file."""

    def __init__(self, text: Path, image: Path, model: Path, profiles: Sequence[str]) -> None:
        super().__init__()
        self.tokenizer: Any = PreTrainedTokenizerFast(
            tokenizer_file=str(text / "tokenizer.json"), pad_token="[PAD]"
        )
        # Models of transformers in evaluation mode: no dropout, which the engine has not either.
        self.text: Any = DistilBertModel.from_pretrained(text).eval()
        self.image: Any = CLIPVisionModelWithProjection.from_pretrained(image).eval()
        self.head = BatchedHead(ModelFile(model))
        width = self.text.config.dim
        self.delta = torch.nn.Parameter(torch.zeros(len(profiles), width))
        self.beta = torch.nn.Parameter(torch.zeros(len(profiles)))
        self.profiles = self.tokens(profiles)
        self.post_norm = next(m for n, m in self.image.named_modules() if n.endswith("post_layernorm"))

    def tokens(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """Return the padded tokens of texts; without a mask where all have one length."""
        made = self.tokenizer(list(texts), padding=True, return_tensors="pt")
        arguments = {"input_ids": made["input_ids"]}
        if not made["attention_mask"].all():
            arguments["attention_mask"] = made["attention_mask"]
        return arguments

    def encode_text(self, tokens: dict[str, Tensor]) -> Tensor:
        """Return q ``[texts, d_t]``."""
        encoded: Tensor = self.text(**tokens).last_hidden_state[:, 0]
        return encoded

    def logits(self, tokens: dict[str, Tensor], pixels: Tensor) -> Tensor:
        """Return t ``[queries, candidates]``; profiles are embedded by the text encoder as it is now."""
        q, profiles = self.encode_text(tokens), self.encode_text(self.profiles)
        x = self.post_norm(self.image.vision_model(pixel_values=pixels).last_hidden_state)
        g = self.image.visual_projection(x[:, 0])
        return self.head.batch(q, g, x, profiles + self.delta, self.beta)

    def loss(self, tokens: dict[str, Tensor], pixels: Tensor, labels: Tensor) -> Tensor:
        """Return the mean binary cross-entropy."""
        return functional.binary_cross_entropy_with_logits(self.logits(tokens, pixels), labels)

    def inputs(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor, Tensor]:
        """Return what `loss` takes."""
        pixels = (batch.images.astype(np.float32) / 255 - MEAN) / DEVIATION
        images = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)))
        return self.tokens(batch.questions), images, torch.from_numpy(batch.labels)

    def adapt(self, rank: int, alpha: float) -> None:
        """Freeze the encoders, and give an adapter of zeros to every linear layer of their blocks."""
        for model, table, blocks in (
            (self.text, TEXT_BLOCK, "transformer.layer."),
            (self.image, IMAGE_BLOCK, "encoder.layers."),
        ):
            model.requires_grad_(False)
            for name, module in list(model.named_modules()):
                if blocks not in name or not isinstance(module, torch.nn.Linear):
                    continue
                assert any(name.endswith(f".{one}") for one in table.values()), name
                parent, _, own = name.rpartition(".")
                setattr(model.get_submodule(parent), own, LoRALinear(module, rank, alpha))

    def named(self) -> dict[str, torch.nn.Parameter]:
        """Return what is trained, by the names of the model file."""
        named = self.head.trained() | {"candidate.delta": self.delta, "candidate.beta": self.beta}
        parameters = {
            f"{tower}.{name.removeprefix('vision_model.')}": one
            for tower, model in (("t", self.text), ("v", self.image))
            for name, one in model.named_parameters()
            if one.requires_grad
        }
        for ours, theirs in OTHERS.items():
            name = f"{ours[0]}.{theirs}"
            if name in parameters:
                named[ours] = parameters.pop(name)
        for tower, theirs, table in (
            ("t", "transformer.layer", TEXT_BLOCK),
            ("v", "encoder.layers", IMAGE_BLOCK),
        ):
            inverse = {name: ours for ours, name in table.items()}
            for name in [one for one in parameters if one.startswith(f"{tower}.{theirs}.")]:
                number, rest = name.removeprefix(f"{tower}.{theirs}.").split(".", 1)
                layer, kind = rest.rsplit(".", 1)
                kind = f"weight.{kind}" if kind.startswith("lora_") else kind
                named[f"{tower}.blk.{number}.{inverse[layer]}.{kind}"] = parameters.pop(name)
        assert not parameters, f"without a name in the model file: {sorted(parameters)}"
        return named

    def optimizer(self, rate: float) -> torch.optim.Optimizer:
        """Return fused AdamW of all that is trained."""
        return adamw(self.named(), rate, fused=True)


class Files(NamedTuple):
    """Checkpoints, and the model file made of them."""

    text: Path
    image: Path
    model: Path


def make_files(directory: Path, *, small: bool) -> Files:
    """Write random checkpoints of DistilBERT-base and CLIP ViT-B/32, or tiny ones, and the model file."""
    files = Files(directory / "text", directory / "image", directory / "model.gguf")
    save_text(files.text, "distilbert", **(SMALL_TEXT if small else {}))
    save_image(files.image, 32, **(SMALL_IMAGE if small else {}))
    convert_checkpoints(files.text, files.image, files.model, SMALL_HEAD if small else HeadConfig(), seed=4)
    return files
