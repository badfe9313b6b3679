"""Reads the transformer blocks of an encoder, which differ in their tensors' names alone."""

from __future__ import annotations

from collections.abc import Mapping

from arms.convert.checkpoint import Checkpoint
from arms.convert.errors import ConversionError
from arms.convert.model_file import Kind, Part


def add_blocks(
    part: Part,
    checkpoint: Checkpoint,
    ours: str,
    theirs: str,
    tensors: Mapping[str, str],
    *,
    count_field: str,
    count: int,
    width: int,
    hidden: int,
) -> None:
    """Add all blocks, and refuse a checkpoint whose blocks hold more than is read of them.

    Parameters
    ----------
    ours, theirs
        What stands before a block's number in the model file and in the checkpoint.
    tensors
        Names of the layers by those of the model file.
    count_field
        What ``config.json`` calls `count`.
    count, width, hidden
        How many blocks there are, their width and that of their feed-forward.
    """
    square = dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_out"), (width, width))
    shapes = {**square, "ffn_up": (hidden, width), "ffn_down": (width, hidden)}
    for block in range(count):
        for name, source in tensors.items():
            new, old = f"{ours}{block}.{name}", f"{theirs}{block}.{source}"
            if name not in shapes:
                add_layer_norm(part, checkpoint, new, old, width)
                continue
            weight = checkpoint.tensor(f"{old}.weight", *shapes[name])
            part.add(f"{new}.weight", weight, Kind.MATRIX)
            part.add(f"{new}.bias", checkpoint.tensor(f"{old}.bias", shapes[name][0]))
    # An encoder with them computes something else.
    for name in checkpoint.unread_names:
        if name.startswith(theirs):
            raise ConversionError(
                f"{checkpoint.directory}: tensor {name} has no place in the model; "
                f"config.json: {count_field} = {count} may be wrong, "
                "or the blocks have a part that is not supported"
            )


def add_layer_norm(part: Part, checkpoint: Checkpoint, ours: str, theirs: str, width: int) -> None:
    """Add a LayerNorm."""
    # TensorFlow's names of the two vectors are still found in old BERT checkpoints.
    legacy = (
        f"{theirs}.weight" not in checkpoint.tensor_names
        and f"{theirs}.gamma" in checkpoint.tensor_names
    )
    weight, bias = ("gamma", "beta") if legacy else ("weight", "bias")
    part.add(f"{ours}.weight", checkpoint.tensor(f"{theirs}.{weight}", width))
    part.add(f"{ours}.bias", checkpoint.tensor(f"{theirs}.{bias}", width))
