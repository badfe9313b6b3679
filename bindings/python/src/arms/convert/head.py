"""Makes a fresh head: gate, fusion experts and classifier, initialised from a seed.

Every linear layer starts as PyTorch's ``Linear`` does: weight and bias uniform in
+-1 / sqrt(inputs). LayerNorms start as the identity, the "no image" vectors and the image-index
embeddings normal with deviation 0.02, alpha at 10: an untrained cosine of +-0.2 then covers
confidences of .12 to .88.

Each tensor draws from a PCG64 generator of its own, seeded with the pair (seed, CRC-32 of the
tensor's name), so a tensor depends on the seed, its name and its shape alone: heads that differ in
fusion or number of experts agree in the rest.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arms.convert.errors import ConversionError
from arms.convert.model_file import Kind, Part, f32, string, u32
from arms.options import Fusion, Head

MAX_EXPERTS = 32


@dataclass(frozen=True)
class HeadConfig:
    """Sizes and settings of a head; the defaults are the design's.

    `fusion` and `head` may be given by name.
    """

    fusion: Fusion = Fusion.PATCHES
    head: Head = Head.SCALED
    experts: int = 4
    attention_heads: int = 8
    attention_width: int = 512
    feed_forward: int = 2048
    expert_output: int = 768
    shared_width: int = 512
    top_k: int = 0
    max_images: int = 8
    logit_min: float = -4.0
    logit_max: float = 4.0
    layer_norm_epsilon: float = 1e-5
    cosine_epsilon: float = 1e-8

    def __post_init__(self) -> None:
        object.__setattr__(self, "fusion", Fusion.parse(self.fusion))
        object.__setattr__(self, "head", Head.parse(self.head))

    def check(self) -> None:
        """Raise ConversionError if the settings contradict each other."""
        for name in (
            "experts",
            "attention_heads",
            "attention_width",
            "feed_forward",
            "expert_output",
            "shared_width",
            "max_images",
        ):
            if not 0 < getattr(self, name) < 2**20:
                raise ConversionError(
                    f"{name} = {getattr(self, name)} must be from 1 to {2**20 - 1}"
                )
        if self.experts > MAX_EXPERTS:
            raise ConversionError(f"experts = {self.experts} must be at most {MAX_EXPERTS}")
        if self.attention_width % self.attention_heads:
            raise ConversionError(
                f"attention_heads = {self.attention_heads} does not divide "
                f"attention_width = {self.attention_width}"
            )
        if not 0 <= self.top_k <= self.experts:
            raise ConversionError(
                f"top_k = {self.top_k} must be from 0 to experts = {self.experts}"
            )
        if not self.logit_min < self.logit_max:
            raise ConversionError(
                f"logit_min = {self.logit_min} must be below logit_max = {self.logit_max}"
            )


class _Initializer:
    def __init__(self, part: Part, seed: int) -> None:
        self.part = part
        self.seed = seed

    def generator(self, name: str) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64([self.seed, zlib.crc32(name.encode())]))

    def _uniform(self, name: str, bound: float, *shape: int) -> NDArray[np.float32]:
        return self.generator(name).uniform(-bound, bound, shape).astype(np.float32)

    def linear(
        self,
        name: str,
        rows: int,
        columns: int,
        kind: Kind = Kind.MATRIX,
        heads: int = 1,
        bias: bool = True,
    ) -> None:
        bound = 1 / math.sqrt(columns)
        weight = f"{name}.weight"
        self.part.add(weight, self._uniform(weight, bound, rows, columns), kind, heads)
        if bias:
            self.part.add(f"{name}.bias", self._uniform(f"{name}.bias", bound, rows))

    def layer_norm(self, name: str, width: int) -> None:
        self.part.add(f"{name}.weight", np.ones(width, dtype=np.float32))
        self.part.add(f"{name}.bias", np.zeros(width, dtype=np.float32))

    def normal(self, name: str, *shape: int) -> None:
        self.part.add(name, self.generator(name).normal(0, 0.02, shape).astype(np.float32))


def make_head(
    config: HeadConfig, text_width: int, image_width: int, patch_width: int, seed: int
) -> Part:
    """Make a fresh head.

    Parameters
    ----------
    config
        Its sizes and settings.
    text_width, image_width, patch_width
        d_t, d_v and d_p of the encoders.
    seed
        Not negative. The same seed gives the same bits.

    Raises
    ------
    ConversionError
        If the settings contradict each other.
    """
    config.check()
    if not 0 <= seed < 2**63:
        raise ConversionError(f"seed = {seed} must be from 0 to 2^63 - 1")
    part = Part(
        keys={
            "arms.fusion": string(config.fusion),
            "arms.head": string(config.head),
            "arms.logit_min": f32(config.logit_min),
            "arms.logit_max": f32(config.logit_max),
            "arms.shared_width": u32(config.shared_width),
            "arms.layer_norm_epsilon": f32(config.layer_norm_epsilon),
            "arms.cosine_epsilon": f32(config.cosine_epsilon),
            "arms.gate.top_k": u32(config.top_k),
            "arms.expert.count": u32(config.experts),
            "arms.expert.attention.head_count": u32(config.attention_heads),
            "arms.expert.attention.width": u32(config.attention_width),
            "arms.expert.feed_forward_length": u32(config.feed_forward),
            "arms.expert.output_length": u32(config.expert_output),
            "arms.max_images": u32(config.max_images),
        }
    )
    make = _Initializer(part, seed)
    make.linear("gate", config.experts, text_width + image_width, Kind.FLOAT)
    make.normal("no_image.pooled", image_width)
    if config.fusion is Fusion.PATCHES:
        make.normal("no_image.tokens", 1, patch_width)
        make.normal("image_index.weight", config.max_images, patch_width)
    for expert in range(config.experts):
        _make_expert(make, f"expert.{expert}", config, text_width, image_width, patch_width)
    make.layer_norm("classifier.ln", text_width + config.expert_output)
    make.linear("classifier.query", config.shared_width, text_width + config.expert_output)
    make.linear("classifier.candidate", config.shared_width, text_width, bias=False)
    if config.head is Head.SCALED:
        part.add("classifier.alpha", np.array([10], dtype=np.float32))
    return part


def _make_expert(
    make: _Initializer,
    name: str,
    config: HeadConfig,
    text_width: int,
    image_width: int,
    patch_width: int,
) -> None:
    width = config.attention_width
    match config.fusion:
        case Fusion.PATCHES:
            make.linear(f"{name}.attn_q", width, text_width)
            make.linear(f"{name}.attn_k", width, patch_width, Kind.KEY, config.attention_heads)
            make.linear(f"{name}.attn_v", width, patch_width)
            make.linear(f"{name}.attn_out", width, width)
        case Fusion.POOLED:
            make.linear(f"{name}.attn_v", width, image_width)
            make.linear(f"{name}.attn_out", width, width)
        case Fusion.CONCAT:
            make.linear(f"{name}.image", width, image_width)
    make.layer_norm(f"{name}.ln", text_width + width)
    make.linear(f"{name}.ffn_up", config.feed_forward, text_width + width)
    make.linear(f"{name}.ffn_down", config.expert_output, config.feed_forward)
