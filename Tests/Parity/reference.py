"""The router's head in PyTorch, written as the equations stand, to compare the engine with.

Nothing is folded or reordered: attention projects every token to keys and values and runs as
textbook multi-head attention. Weights come from an ARMS model file of type f32, f16 or bf16. The
encoders' reference is ``transformers``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from gguf import GGMLQuantizationType, GGUFReader
from torch import Tensor
from torch.nn import functional


class Routing(NamedTuple):
    """What the head computes for one query and n candidates."""

    gate: Tensor
    """p [N], after top-k."""
    fused: Tensor
    """e [d_e]."""
    cosine: Tensor
    """s [n]."""
    logit: Tensor
    """t [n]."""
    confidence: Tensor
    """c [n]."""


class ModelFile:
    """The keys and tensors of a file, of a cascade those of the first router."""

    def __init__(self, path: str | Path) -> None:
        reader = GGUFReader(path)
        self.keys: dict[str, Any] = {name: field.contents() for name, field in reader.fields.items()}
        self.tensors: dict[str, Tensor] = {}
        for tensor in reader.tensors:
            data: Any = tensor.data
            if tensor.tensor_type is GGMLQuantizationType.BF16:
                data = (data.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
            elif tensor.tensor_type in (GGMLQuantizationType.F16, GGMLQuantizationType.F32):
                data = data.astype(np.float32)
            else:
                continue
            shape = [int(size) for size in reversed(tensor.shape)]
            self.tensors[tensor.name] = torch.from_numpy(np.array(data)).reshape(shape)

    def key(self, name: str) -> Any:
        """Return the value of the router's key."""
        return self.keys[f"arms.{name}"]

    def tensor(self, name: str) -> Tensor:
        """Return the router's tensor."""
        return self.tensors[name]


class ReferenceHead(torch.nn.Module):  # type: ignore[misc]
    """Gate, fusion experts, mixture, classifier and logit of one router.

    Parameters
    ----------
    file
        Where the weights come from. They are trainable parameters here, named as in the file with
        ``/`` in place of ``.``.
    """

    def __init__(self, file: ModelFile) -> None:
        super().__init__()
        self.fusion: str = file.key("fusion")
        self.head: str = file.key("head")
        self.logit_min: float = file.key("logit_min")
        self.logit_max: float = file.key("logit_max")
        self.top_k: int = file.key("gate.top_k")
        self.experts: int = file.key("expert.count")
        self.heads: int = file.key("expert.attention.head_count")
        self.epsilon: float = file.key("layer_norm_epsilon")
        self.cosine_epsilon: float = file.key("cosine_epsilon")
        for name in file.tensors:
            if name.split(".")[0] in ("gate", "no_image", "image_index", "expert", "classifier"):
                self.register_parameter(name.replace(".", "/"), torch.nn.Parameter(file.tensor(name).clone()))

    def weight(self, name: str) -> Tensor:
        """Return a parameter by its name in the file."""
        return self.get_parameter(name.replace(".", "/"))

    def trained(self) -> dict[str, torch.nn.Parameter]:
        """Return what is trained, by the file's names. The keys' biases change nothing: the softmax drops them."""
        named = {name.replace("/", "."): one for name, one in self.named_parameters()}
        return {name: one for name, one in named.items() if not name.endswith("attn_k.bias")}

    def linear(self, name: str, x: Tensor) -> Tensor:
        """Apply a linear layer, with its bias if it has one."""
        bias = self.weight(f"{name}.bias") if f"{name}.bias".replace(".", "/") in self._parameters else None
        return functional.linear(x, self.weight(f"{name}.weight"), bias)

    def layer_norm(self, name: str, x: Tensor) -> Tensor:
        """Apply a LayerNorm."""
        weight, bias = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return functional.layer_norm(x, x.shape[-1:], weight, bias, self.epsilon)

    def pooled_image(self, pooled: Sequence[Tensor]) -> Tensor:
        """Return g [d_v]: the mean over the images, or the learned vector if there is none."""
        return torch.stack(list(pooled)).mean(dim=0) if pooled else self.weight("no_image.pooled")

    def image_tokens(self, tokens: Sequence[Tensor]) -> Tensor:
        """Return X [tokens, d_p] of all images in turn, each with its index embedding."""
        if not tokens:
            return self.weight("no_image.tokens")
        index = self.weight("image_index.weight")
        return torch.cat([one + index[image] for image, one in enumerate(tokens)])

    def gate(self, q: Tensor, g: Tensor) -> Tensor:
        """Return p [N] (Eq. 2-3); with top-k the largest k, renormalised."""
        p = torch.softmax(self.linear("gate", torch.cat([q, g])), dim=0)
        if self.top_k == 0:
            return p
        kept = torch.zeros_like(p).scatter(0, p.topk(self.top_k).indices, 1.0)
        return p * kept / (p * kept).sum()

    def attention(self, name: str, q: Tensor, tokens: Tensor) -> Tensor:
        """Return multi-head attention [w] with q as the one query over the image's tokens."""
        query = self.linear(f"{name}.attn_q", q)
        width = query.numel() // self.heads
        query = query.reshape(self.heads, 1, width)
        key = self.linear(f"{name}.attn_k", tokens).reshape(-1, self.heads, width).transpose(0, 1)
        value = self.linear(f"{name}.attn_v", tokens).reshape(-1, self.heads, width).transpose(0, 1)
        weights = torch.softmax(query @ key.transpose(1, 2) / width**0.5, dim=-1)
        return self.linear(f"{name}.attn_out", (weights @ value).reshape(-1))

    def expert(self, number: int, q: Tensor, g: Tensor, tokens: Tensor | None) -> Tensor:
        """Return e^(n) [d_e] (Eq. 4)."""
        name = f"expert.{number}"
        if self.fusion == "patches":
            assert tokens is not None
            fused = self.attention(name, q, tokens)
        elif self.fusion == "pooled":
            # One key: its weight is 1 whatever the query is.
            fused = self.linear(f"{name}.attn_out", self.linear(f"{name}.attn_v", g))
        else:
            fused = self.linear(f"{name}.image", g)
        normed = self.layer_norm(f"{name}.ln", torch.cat([q, fused]))
        return self.linear(f"{name}.ffn_down", functional.gelu(self.linear(f"{name}.ffn_up", normed)))

    def normalize(self, x: Tensor) -> Tensor:
        """Divide vectors by their norms, or by the epsilon where the norm is smaller."""
        return x / x.norm(dim=-1, keepdim=True).clamp_min(self.cosine_epsilon)

    def logits(self, cosine: Tensor, beta: Tensor) -> Tensor:
        """Return t [n] (Eq. 6 for the paper head)."""
        if self.head == "scaled":
            return self.weight("classifier.alpha") * cosine + beta
        # Clipped before the atanh, whose gradient at +-1 is infinite.
        low, high = np.tanh([self.logit_min, self.logit_max])
        return torch.atanh(cosine.clamp(float(low), float(high))).clamp(self.logit_min, self.logit_max)

    def forward(
        self,
        q: Tensor,
        pooled: Sequence[Tensor],
        tokens: Sequence[Tensor],
        profiles: Tensor,
        *,
        delta: Tensor | None = None,
        beta: Tensor | None = None,
        temperature: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Routing:
        """Score candidates.

        Parameters
        ----------
        q
            The pooled question [d_t].
        pooled, tokens
            Of each image: g [d_v] and X [1 + G G, d_p]; empty for a query without an image.
        profiles
            m [n, d_t].
        delta, beta, temperature, bias
            delta [n, d_t]; beta, T and b [n]; by default 0, 0, 1 and 0.
        """
        count = profiles.shape[0]
        g = self.pooled_image(pooled)
        image_tokens = self.image_tokens(tokens) if self.fusion == "patches" else None
        p = self.gate(q, g)
        outputs = torch.stack([self.expert(number, q, g, image_tokens) for number in range(self.experts)])
        fused = p @ outputs
        z = self.linear("classifier.query", self.layer_norm("classifier.ln", torch.cat([q, fused])))
        m = profiles if delta is None else profiles + delta
        cosine = self.normalize(self.linear("classifier.candidate", m)) @ self.normalize(z)
        logit = self.logits(cosine, torch.zeros(count) if beta is None else beta)
        scale = torch.ones(count) if temperature is None else temperature
        confidence = torch.sigmoid(logit / scale + (torch.zeros(count) if bias is None else bias))
        return Routing(p, fused, cosine, logit, confidence)


def adamw(parameters: Mapping[str, Tensor], rate: float, *, fused: bool = False) -> torch.optim.AdamW:
    """Return AdamW that decays matrices alone, as the engine does."""
    decayed: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in parameters.items():
        is_matrix = parameter.ndim > 1 and parameter.shape[0] > 1
        (decayed if is_matrix or name == "candidate.delta" else others).append(parameter)
    groups = [{"params": decayed, "weight_decay": 1e-2}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, fused=fused)
