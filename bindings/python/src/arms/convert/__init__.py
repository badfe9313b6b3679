"""Makes ARMS model files from Hugging Face checkpoints, without PyTorch and without pickles."""

from __future__ import annotations

import json
from pathlib import Path

from arms.convert.checkpoint import Checkpoint
from arms.convert.errors import ConversionError
from arms.convert.head import HeadConfig, make_head
from arms.convert.model_file import Kind, Part, WeightType, string, u32, write_model
from arms.convert.quantize import balance_layer_norm
from arms.convert.text import read_text_encoder
from arms.convert.vision import read_image_encoder
from arms.errors import ArmsError
from arms.options import Fusion, Head
from arms.router import Router

__all__ = [
    "ConversionError",
    "Fusion",
    "Head",
    "HeadConfig",
    "WeightType",
    "assemble",
    "convert_checkpoints",
    "default_head",
    "save",
]


TEXT_ONLY_IMAGE_WIDTH = 16
"""d_v of a router without an image encoder, whose g is always one learned vector."""


def assemble(
    text: str | Path,
    image: str | Path | None,
    head: HeadConfig | None = None,
    *,
    seed: int = 0,
    context_length: int | None = None,
) -> Part:
    """Read the encoders and make a fresh head for them, in memory and in float32.

    Parameters are those of `convert_checkpoints`.
    """
    config = head or default_head(image is not None)
    part = read_text_encoder(Checkpoint(text), context_length)
    if image is None:
        if config.fusion is Fusion.PATCHES:
            raise ConversionError(
                "fusion patches needs an image encoder: give an image checkpoint, or choose "
                "concat or pooled"
            )
        part.keys["arms.vision.projection_length"] = u32(TEXT_ONLY_IMAGE_WIDTH)
        patch_width = 0
    else:
        part.update(read_image_encoder(Checkpoint(image)))
        patch_width = part.keys["arms.vision.embedding_length"].value
    text_width = part.keys["arms.text.embedding_length"].value
    image_width = part.keys["arms.vision.projection_length"].value
    part.update(make_head(config, text_width, image_width, patch_width, seed))
    record = {
        "created_by": "arms convert",
        "text": Path(text).resolve().name,
        "image": None if image is None else Path(image).resolve().name,
        "seed": seed,
        "epochs": 0,
    }
    part.keys["arms.training.record"] = string(json.dumps(record))
    return part


def default_head(sees_images: bool) -> HeadConfig:
    """Return the head that is made where none is asked for."""
    return HeadConfig() if sees_images else HeadConfig(fusion=Fusion.CONCAT)


def convert_checkpoints(
    text: str | Path,
    image: str | Path | None,
    output: str | Path,
    head: HeadConfig | None = None,
    *,
    weight_type: WeightType | str = WeightType.F32,
    seed: int = 0,
    name: str | None = None,
    context_length: int | None = None,
) -> None:
    """Convert a text and an image encoder to one model file with a fresh, untrained head.

    Without an image encoder the router decides by the question alone, and ignores images.

    Parameters
    ----------
    text
        Directory of a BERT or DistilBERT checkpoint in Hugging Face's layout.
    image
        Directory of a CLIP checkpoint in Hugging Face's layout; `None` for no image encoder.
    output
        The model file. It is replaced in one step, or left as it is if anything fails.
    head
        Sizes and settings of the head; without an image encoder its fusion must not be patches.
    weight_type
        The type of the matrices and of the token table.
    seed
        Seed of the head's initial weights.
    name
        ``general.name``; by default made of the directories' names.
    context_length
        The most tokens of a question; by default what the checkpoint's tokenizer allows.

    Raises
    ------
    InvalidArgumentError
        If there is no such weight type.
    ConversionError
        If a checkpoint is damaged or not supported; the message names the file and the field. If
        the library does not open what was made; the message says why.
    """
    weight_type = WeightType.parse(weight_type)  # Before the work.
    part = assemble(text, image, head, seed=seed, context_length=context_length)
    names = [Path(path).resolve().name for path in (text, image) if path is not None]
    title = name or " + ".join(names)
    # The name of a directory need not be UTF-8, a file's strings must be.
    title = title.encode("utf-8", "replace").decode()
    save(part, output, title, weight_type)


def save(
    part: Part, output: str | Path, name: str, weight_type: WeightType | str = WeightType.F32
) -> None:
    """Write a whole model, prepared for its type, as a model file.

    Parameters are those of `convert_checkpoints`. `part` is left as it is.
    """
    weight_type = WeightType.parse(weight_type)
    if weight_type is WeightType.INT8:
        part = Part(dict(part.keys), dict(part.parameters))
        _balance_image_encoder(part)
    keys = {"general.name": string(name), **part.keys}

    def check(aside: Path) -> None:
        _refuse_unopenable(aside, output)

    write_model(output, keys, part.parameters, weight_type, check=check)


def _refuse_unopenable(aside: Path, output: str | Path) -> None:
    """Refuse a file that is no router to the library, which has bounds of its own."""
    try:
        Router(aside, threads=1).close()
    except ArmsError as error:
        reason = str(error).removeprefix(f"{aside}: ")
        raise ConversionError(
            f"{output}: not written, as the library would not open it: {reason}"
        ) from error


def _balance_image_encoder(part: Part) -> None:
    """Make the inputs of the image encoder's layers fit int8; see `arms.convert.quantize`."""
    blocks = part.keys.get("arms.vision.block_count")
    for block in range(blocks.value if blocks else 0):
        for norm, readers in (("ln1", ("attn_q", "attn_k", "attn_v")), ("ln2", ("ffn_up",))):
            weight, bias = f"v.blk.{block}.{norm}.weight", f"v.blk.{block}.{norm}.bias"
            matrices = [f"v.blk.{block}.{reader}.weight" for reader in readers]
            gamma, beta, balanced = balance_layer_norm(
                part.parameters[weight].values,
                part.parameters[bias].values,
                [part.parameters[name].values for name in matrices],
            )
            part.add(weight, gamma)
            part.add(bias, beta)
            for name, values in zip(matrices, balanced, strict=True):
                part.add(name, values, Kind.MATRIX)
