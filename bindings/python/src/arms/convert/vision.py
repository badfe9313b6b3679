"""Reads an image encoder: CLIP's vision tower with its projection and preprocessing."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from gguf import GGUFValueType

from arms.convert.blocks import add_blocks, add_layer_norm
from arms.convert.checkpoint import Checkpoint, Fields, is_number
from arms.convert.errors import ConversionError
from arms.convert.model_file import Kind, Part, array, f32, string, u32

_BLOCK_TENSORS = {
    "ln1": "layer_norm1",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_out": "self_attn.out_proj",
    "ln2": "layer_norm2",
    "ffn_up": "mlp.fc1",
    "ffn_down": "mlp.fc2",
}
_BICUBIC = 3
_CLIP_SIZE = 224
_CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
_CLIP_STD = [0.26862954, 0.26130258, 0.27577711]


def read_image_encoder(checkpoint: Checkpoint) -> Part:
    """Read an image encoder.

    Parameters
    ----------
    checkpoint
        A CLIPVisionModelWithProjection, a whole CLIPModel, of which the vision tower is read, or a
        CLIPVisionModel: that one has no projection, so g is the post-norm CLS token itself and the
        file holds the identity in the projection's place.

    Raises
    ------
    ConversionError
        If anything is not supported; the message names the field.
    """
    top = checkpoint.config
    whole = top.require("model_type", "clip_vision_model", "clip") == "clip"
    # Older files have both; the one with the longer name counts, and leaves none to the other.
    nested = "vision_config_dict" if "vision_config_dict" in top else "vision_config"
    config = top.nested(nested) if whole else top
    activation = config.require("hidden_act", "gelu", "quick_gelu", default="quick_gelu")
    config.require("num_channels", 3, default=3)
    # CLIP's own defaults, which transformers leaves out of a nested config.
    width = config.integer("hidden_size", 768)
    hidden = config.integer("intermediate_size", 3072)
    blocks = config.integer("num_hidden_layers", 12)
    heads = config.integer("num_attention_heads", 12)
    size = config.integer("image_size", 224)
    patch = config.integer("patch_size", 32)
    if width % heads:
        raise ConversionError(
            f"{config.source}: num_attention_heads = {heads} does not divide hidden_size = {width}"
        )
    if size % patch:
        raise ConversionError(
            f"{config.source}: patch_size = {patch} does not divide image_size = {size}"
        )
    grid = size // patch
    bare = "CLIPVisionModel" in top.list("architectures")
    projection = width if bare else (top if whole else config).integer("projection_dim", 512)

    part = Part(
        keys={
            "arms.vision.block_count": u32(blocks),
            "arms.vision.embedding_length": u32(width),
            "arms.vision.feed_forward_length": u32(hidden),
            "arms.vision.attention.head_count": u32(heads),
            "arms.vision.attention.layer_norm_epsilon": f32(config.number("layer_norm_eps", 1e-5)),
            "arms.vision.projection_length": u32(projection),
            "arms.vision.activation": string(activation),
            "arms.vision.image_size": u32(size),
            "arms.vision.patch_size": u32(patch),
        }
    )
    _read_preprocessing(part, checkpoint, size)

    prefix = checkpoint.find_prefix("embeddings.class_embedding")
    part.add("v.class_embd", checkpoint.tensor(f"{prefix}embeddings.class_embedding", width))
    patches = checkpoint.tensor(
        f"{prefix}embeddings.patch_embedding.weight", width, 3, patch, patch
    )
    part.add("v.patch_embd.weight", patches.reshape(width, 3 * patch * patch), Kind.MATRIX)
    positions = checkpoint.tensor(
        f"{prefix}embeddings.position_embedding.weight", 1 + grid * grid, width
    )
    part.add("v.position_embd.weight", positions)
    # "layrnorm" is how CLIP spells it.
    for ours, theirs in (("v.pre_ln", "pre_layrnorm"), ("v.post_ln", "post_layernorm")):
        add_layer_norm(part, checkpoint, ours, f"{prefix}{theirs}", width)
    add_blocks(
        part,
        checkpoint,
        "v.blk.",
        f"{prefix}encoder.layers.",
        _BLOCK_TENSORS,
        count_field="num_hidden_layers",
        count=blocks,
        width=width,
        hidden=hidden,
    )
    if bare:
        part.add("v.projection.weight", np.eye(width, dtype=np.float32), Kind.MATRIX)
    else:
        part.add(
            "v.projection.weight",
            checkpoint.tensor("visual_projection.weight", projection, width),
            Kind.MATRIX,
        )
    part.keys["arms.vision.hash"] = string(part.digest())
    return part


def _read_preprocessing(part: Part, checkpoint: Checkpoint, size: int) -> None:
    """Read how pixels are prepared; absent fields have CLIP's values, as in transformers."""
    # As in transformers, whose processors leave an older preprocessor_config.json where it lies.
    processor = checkpoint.optional_fields("processor_config.json")
    if "image_processor" in processor:
        config = processor.nested("image_processor")
    elif checkpoint.has("preprocessor_config.json"):
        config = checkpoint.fields("preprocessor_config.json")
    else:
        raise ConversionError(
            f"{checkpoint.path('preprocessor_config.json')}: no such file; "
            "save the checkpoint's image processor beside it"
        )
    kind = config.get(
        "image_processor_type", config.get("feature_extractor_type", "CLIPImageProcessor")
    )
    if not str(kind).startswith("CLIP"):
        raise config.unsupported("image_processor_type", kind, "CLIPImageProcessor")
    for name in ("do_resize", "do_center_crop", "do_rescale", "do_normalize"):
        # Null leaves the step out.
        if config.values.get(name, True) is not True:
            raise config.unsupported(name, config.values[name], True)
    config.require("do_convert_rgb", True, default=True)
    for name in ("do_pad", "default_to_square", "use_square_size"):
        config.require(name, False, default=False)
    config.require("resample", _BICUBIC, default=_BICUBIC)
    factor = config.number("rescale_factor", 1 / 255)
    if not math.isclose(factor, 1 / 255, rel_tol=1e-6):
        raise config.unsupported("rescale_factor", factor, 1 / 255)
    crop = config.get("crop_size", _CLIP_SIZE)
    if crop not in (size, {"height": size, "width": size}):
        raise config.unsupported("crop_size", crop, {"height": size, "width": size})
    part.keys["arms.vision.resize_size"] = u32(_resize_size(config, size))
    part.keys["arms.vision.image_mean"] = array(
        _channels(config, "image_mean", _CLIP_MEAN), GGUFValueType.FLOAT32
    )
    deviation = _channels(config, "image_std", _CLIP_STD)
    if min(deviation) <= 0:
        raise ConversionError(
            f"{config.source}: image_std = {json.dumps(deviation)} must be positive"
        )
    part.keys["arms.vision.image_std"] = array(deviation, GGUFValueType.FLOAT32)


def _resize_size(config: Fields, size: int) -> int:
    value = config.get("size", _CLIP_SIZE)
    side = (
        value.get("shortest_edge")
        if isinstance(value, dict) and set(value) == {"shortest_edge"}
        else value
    )
    if isinstance(side, bool) or not isinstance(side, int) or not size <= side < 2**31:
        # {"height", "width"} would stretch the image, a side below image_size need padding.
        raise config.unsupported("size", value, {"shortest_edge": size})
    return side


def _channels(config: Fields, name: str, default: list[float]) -> list[float]:
    values: Any = config.get(name, default)
    if (
        not isinstance(values, list)
        or len(values) != 3
        or not all(is_number(one) for one in values)
    ):
        raise ConversionError(
            f"{config.source}: {name} = {json.dumps(values)} must be three numbers"
        )
    return [float(one) for one in values]
