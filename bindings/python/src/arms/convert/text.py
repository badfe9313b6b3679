"""Reads a text encoder: BERT and DistilBERT checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from arms.convert.blocks import add_blocks, add_layer_norm
from arms.convert.checkpoint import Checkpoint, Fields, checked_list
from arms.convert.errors import ConversionError
from arms.convert.model_file import Kind, Part, f32, string, u32
from arms.convert.tokenizer import Tokenizer, read_tokenizer

_POOLING_MODES = {"cls": "pooling_mode_cls_token", "mean": "pooling_mode_mean_tokens"}


@dataclass(frozen=True)
class _Layout:
    """Where a family keeps its sizes in config.json, and what it calls the tensors of a block."""

    sizes: Mapping[str, str]
    blocks: str
    tensors: Mapping[str, str]


_LAYOUTS = {
    "bert": _Layout(
        sizes={
            "blocks": "num_hidden_layers",
            "width": "hidden_size",
            "hidden": "intermediate_size",
            "heads": "num_attention_heads",
            "activation": "hidden_act",
        },
        blocks="encoder.layer.",
        tensors={
            "attn_q": "attention.self.query",
            "attn_k": "attention.self.key",
            "attn_v": "attention.self.value",
            "attn_out": "attention.output.dense",
            "ln1": "attention.output.LayerNorm",
            "ffn_up": "intermediate.dense",
            "ffn_down": "output.dense",
            "ln2": "output.LayerNorm",
        },
    ),
    "distilbert": _Layout(
        sizes={
            "blocks": "n_layers",
            "width": "dim",
            "hidden": "hidden_dim",
            "heads": "n_heads",
            "activation": "activation",
        },
        blocks="transformer.layer.",
        tensors={
            "attn_q": "attention.q_lin",
            "attn_k": "attention.k_lin",
            "attn_v": "attention.v_lin",
            "attn_out": "attention.out_lin",
            "ln1": "sa_layer_norm",
            "ffn_up": "ffn.lin1",
            "ffn_down": "ffn.lin2",
            "ln2": "output_layer_norm",
        },
    ),
}


def read_text_encoder(checkpoint: Checkpoint, context_length: int | None = None) -> Part:
    """Read a text encoder with its tokenizer.

    Parameters
    ----------
    checkpoint
        A BERT or DistilBERT checkpoint, with any prefix before the tensors' names.
    context_length
        The most tokens of a text; by default the least of what ``config.json``
        (``max_position_embeddings``), ``tokenizer_config.json`` (``model_max_length``) and
        ``sentence_bert_config.json`` (``max_seq_length``) allow.

    Raises
    ------
    ConversionError
        If anything is not supported; the message names the field.
    """
    config = checkpoint.config
    family = config.require("model_type", *_LAYOUTS)
    layout = _LAYOUTS[family]
    config.require("position_embedding_type", "absolute", default="absolute")
    for name in ("is_decoder", "add_cross_attention", "is_encoder_decoder"):
        config.require(name, False, default=False)
    activation = config.require(layout.sizes["activation"], "gelu", "quick_gelu", default="gelu")
    blocks, width, hidden, heads = (
        config.integer(layout.sizes[name]) for name in ("blocks", "width", "hidden", "heads")
    )
    if width % heads:
        raise ConversionError(
            f"{config.source}: {layout.sizes['heads']} = {heads} does not divide "
            f"{layout.sizes['width']} = {width}"
        )
    tokenizer = read_tokenizer(checkpoint)
    _refuse_changed_text(checkpoint, tokenizer)
    context = _context_length(checkpoint, context_length)
    # transformers has no such setting for DistilBERT, and ignores one.
    epsilon = config.number("layer_norm_eps", 1e-12) if family == "bert" else 1e-12
    prefix = checkpoint.find_prefix("embeddings.word_embeddings.weight")
    rows, table = config.integer("vocab_size"), f"{prefix}embeddings.word_embeddings.weight"
    # Before a list of so many names is made.
    if checkpoint.shape(table)[0:1] != (rows,):
        raise ConversionError(
            f"{config.source}: vocab_size = {rows}, but tensor {table} has shape "
            f"{list(checkpoint.shape(table))}"
        )

    part = Part(
        keys={
            "arms.text.family": string(family),
            "arms.text.block_count": u32(blocks),
            "arms.text.embedding_length": u32(width),
            "arms.text.feed_forward_length": u32(hidden),
            "arms.text.attention.head_count": u32(heads),
            "arms.text.attention.layer_norm_epsilon": f32(epsilon),
            "arms.text.context_length": u32(context),
            "arms.text.pooling": string(_pooling(checkpoint, width)),
            "arms.text.activation": string(activation),
            **tokenizer.keys(rows),
        }
    )
    _add_embeddings(part, checkpoint, f"{prefix}embeddings.", context)
    add_blocks(
        part,
        checkpoint,
        "t.blk.",
        prefix + layout.blocks,
        layout.tensors,
        count_field=layout.sizes["blocks"],
        count=blocks,
        width=width,
        hidden=hidden,
    )
    part.keys["arms.text.hash"] = string(part.digest())
    return part


def _add_embeddings(part: Part, checkpoint: Checkpoint, theirs: str, context: int) -> None:
    config, width = checkpoint.config, part.keys["arms.text.embedding_length"].value
    rows, positions = config.integer("vocab_size"), config.integer("max_position_embeddings")
    words = checkpoint.tensor(f"{theirs}word_embeddings.weight", rows, width)
    part.add("t.token_embd.weight", words, Kind.TABLE)
    position = checkpoint.tensor(f"{theirs}position_embeddings.weight", positions, width)[:context]
    if part.keys["arms.text.family"].value == "bert":
        # Every token of a question is of type 0: its embedding is part of the position's.
        types = config.integer("type_vocab_size", 2)
        position = (
            position + checkpoint.tensor(f"{theirs}token_type_embeddings.weight", types, width)[0]
        )
    part.add("t.position_embd.weight", position)
    add_layer_norm(part, checkpoint, "t.embd_norm", f"{theirs}LayerNorm", width)


def _context_length(checkpoint: Checkpoint, wanted: int | None) -> int:
    positions = checkpoint.config.integer("max_position_embeddings")
    if wanted is not None:
        if not 2 < wanted <= positions:
            raise ConversionError(
                f"context length {wanted} must be from 3 to {positions} "
                "(config.json: max_position_embeddings)"
            )
        return wanted
    limits = [positions]
    for file, name in (
        ("tokenizer_config.json", "model_max_length"),
        ("sentence_bert_config.json", "max_seq_length"),
    ):
        # transformers writes 1e30 for "no limit".
        limit = checkpoint.optional_fields(file).get(name)
        if isinstance(limit, int | float) and not isinstance(limit, bool) and 2 < limit < 2**31:
            limits.append(int(limit))
    return min(limits)


def _refuse_changed_text(checkpoint: Checkpoint, tokenizer: Tokenizer) -> None:
    """Refuse what sentence-transformers does to a text before it is tokenised."""
    if not tokenizer.lowercase:
        settings = checkpoint.optional_fields("sentence_bert_config.json")
        settings.require("do_lower_case", False, default=False)
    prompts = checkpoint.optional_fields("config_sentence_transformers.json")
    if "default_prompt_name" in prompts:
        raise ConversionError(
            f"{prompts.source}: default_prompt_name = "
            f"{json.dumps(prompts.get('default_prompt_name'))} is not supported; set it to null, "
            "and put the prompt before each question and profile"
        )


def _pooling(checkpoint: Checkpoint, width: int) -> str:
    folder = "1_Pooling"
    if checkpoint.has("modules.json"):
        source = str(checkpoint.path("modules.json"))
        for module in checked_list(checkpoint.json("modules.json"), source):
            fields = Fields(module, source)
            name = fields.string("type").rsplit(".", 1)[-1]
            # Normalize only scales the vector; q is the one before it.
            if name not in ("Transformer", "Pooling", "Normalize"):
                raise ConversionError(
                    f"{source}: type {name} is not supported; "
                    "supported: Transformer, Pooling, Normalize"
                )
            if name == "Transformer":
                fields.require("path", "", default="")
            if name == "Pooling":
                fields.require("path", folder, default=folder)
                checkpoint.fields(f"{folder}/config.json")
    if not checkpoint.has(f"{folder}/config.json"):
        return "cls"
    config = checkpoint.fields(f"{folder}/config.json")
    if "word_embedding_dimension" in config and config.integer("word_embedding_dimension") != width:
        raise config.unsupported(
            "word_embedding_dimension", config.get("word_embedding_dimension"), width
        )
    if "pooling_mode" in config:
        return str(config.require("pooling_mode", *_POOLING_MODES))
    modes = [
        name
        for name in config.values
        if name.startswith("pooling_mode_") and config.flag(name, False)
    ]
    for mode, name in _POOLING_MODES.items():
        if modes == [name]:
            return mode
    raise ConversionError(
        f"{config.source}: {', '.join(modes) or 'no pooling_mode_*'} = true is not supported; "
        f"supported: one of {', '.join(_POOLING_MODES.values())}"
    )
