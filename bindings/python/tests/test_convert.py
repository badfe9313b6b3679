"""Conversion of checkpoints: every tensor arrives, everything unsupported is refused by name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from gguf import GGMLQuantizationType, GGUFReader
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from tokenizers import BertWordPieceTokenizer
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertModel,
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    CLIPVisionModelWithProjection,
    DistilBertConfig,
    DistilBertForMaskedLM,
    DistilBertModel,
)
from typer.testing import CliRunner

import arms
from arms.convert import ConversionError, Fusion, Head, HeadConfig, WeightType, convert_checkpoints
from arms.convert.command import register
from arms.convert.quantize import PackedMatrix, unpack

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh", "##a", "##b", "chart", "image"]
HEAD = HeadConfig(
    experts=2,
    attention_heads=2,
    attention_width=16,
    feed_forward=12,
    expert_output=10,
    shared_width=8,
    max_images=3,
)
VISION = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 16,
    "patch_size": 8,
}


def save_tokenizer(directory: Path, lowercase: bool = True) -> None:
    (directory / "vocab.txt").write_text("\n".join(TOKENS) + "\n")
    tokenizer = BertWordPieceTokenizer(str(directory / "vocab.txt"), lowercase=lowercase)
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": lowercase, "model_max_length": 10})
    )


def save_preprocessor(directory: Path) -> None:
    (directory / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_processor_type": "CLIPImageProcessor",
                "size": {"shortest_edge": 18},
                "crop_size": {"height": 16, "width": 16},
                "resample": 3,
                "rescale_factor": 0.00392156862745098,
                "image_mean": [0.5, 0.4, 0.3],
            }
        )
    )


def bert_config() -> BertConfig:
    return BertConfig(
        vocab_size=len(TOKENS),
        hidden_size=8,
        intermediate_size=12,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=12,
    )


def distilbert_config() -> DistilBertConfig:
    return DistilBertConfig(
        vocab_size=len(TOKENS),
        dim=8,
        hidden_dim=12,
        n_layers=2,
        n_heads=2,
        max_position_embeddings=12,
    )


def save(model: Any, directory: Path) -> Path:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save the checkpoints ``bert``, ``distilbert`` and ``clip``; tests do not change them."""
    root = tmp_path_factory.mktemp("checkpoints")
    save_tokenizer(save(BertModel(bert_config()), root / "bert"))
    save_tokenizer(save(DistilBertModel(distilbert_config()), root / "distilbert"))
    vision = CLIPVisionConfig(**VISION, projection_dim=6, hidden_act="quick_gelu")
    save_preprocessor(save(CLIPVisionModelWithProjection(vision), root / "clip"))
    return root


@pytest.fixture
def checkpoints(saved: Path, tmp_path: Path) -> Path:
    """Copy the checkpoints for a test that changes them."""
    return Path(shutil.copytree(saved, tmp_path / "checkpoints"))


def convert(root: Path, text: str = "distilbert", image: str = "clip", **options: Any) -> Path:
    output = root / "model.gguf"
    convert_checkpoints(root / text, root / image, output, options.pop("head", HEAD), **options)
    return output


def tensors(path: Path) -> dict[str, NDArray[Any]]:
    """Return a file's tensors in numpy's order of axes; bfloat16 as its bits."""
    result = {}
    for tensor in GGUFReader(path).tensors:
        data = (
            tensor.data.view(np.uint16)
            if tensor.tensor_type is GGMLQuantizationType.BF16
            else tensor.data
        )
        result[tensor.name] = np.array(data).reshape([int(size) for size in reversed(tensor.shape)])
    return result


def keys(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in GGUFReader(path).fields.items()}


def edit(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file; a name with ``__`` reaches into nested objects."""
    document = json.loads(path.read_text())
    for name, value in changes.items():
        *outer, last = name.split("__")
        place = document
        for one in outer:
            place = place[one]
        place[last] = value
    path.write_text(json.dumps(document))


BLOCK_NAMES = {
    "bert": {
        "attn_q": "attention.self.query",
        "attn_k": "attention.self.key",
        "attn_v": "attention.self.value",
        "attn_out": "attention.output.dense",
        "ln1": "attention.output.LayerNorm",
        "ffn_up": "intermediate.dense",
        "ffn_down": "output.dense",
        "ln2": "output.LayerNorm",
    },
    "distilbert": {
        "attn_q": "attention.q_lin",
        "attn_k": "attention.k_lin",
        "attn_v": "attention.v_lin",
        "attn_out": "attention.out_lin",
        "ln1": "sa_layer_norm",
        "ffn_up": "ffn.lin1",
        "ffn_down": "ffn.lin2",
        "ln2": "output_layer_norm",
    },
    "clip": {
        "attn_q": "self_attn.q_proj",
        "attn_k": "self_attn.k_proj",
        "attn_v": "self_attn.v_proj",
        "attn_out": "self_attn.out_proj",
        "ln1": "layer_norm1",
        "ffn_up": "mlp.fc1",
        "ffn_down": "mlp.fc2",
        "ln2": "layer_norm2",
    },
}


@pytest.mark.parametrize(
    ("family", "layers"), [("bert", "encoder.layer"), ("distilbert", "transformer.layer")]
)
def test_text_tensors_arrive(checkpoints: Path, family: str, layers: str) -> None:
    source = load_file(checkpoints / family / "model.safetensors")
    written = tensors(convert(checkpoints, family))
    expected = {
        "t.token_embd.weight": source["embeddings.word_embeddings.weight"],
        "t.embd_norm.weight": source["embeddings.LayerNorm.weight"],
        "t.embd_norm.bias": source["embeddings.LayerNorm.bias"],
    }
    # model_max_length is 10, so two of the twelve positions are never used.
    positions = source["embeddings.position_embeddings.weight"][:10]
    if family == "bert":
        positions = positions + source["embeddings.token_type_embeddings.weight"][0]
    expected["t.position_embd.weight"] = positions
    for block in range(2):
        for ours, theirs in BLOCK_NAMES[family].items():
            for kind in ("weight", "bias"):
                expected[f"t.blk.{block}.{ours}.{kind}"] = source[
                    f"{layers}.{block}.{theirs}.{kind}"
                ]
    assert {name for name in written if name.startswith("t.")} == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(written[name], values, err_msg=name)


def test_image_tensors_arrive(checkpoints: Path) -> None:
    source = load_file(checkpoints / "clip" / "model.safetensors")
    written = tensors(convert(checkpoints))
    prefix = next(name for name in source if name.endswith("class_embedding")).removesuffix(
        "embeddings.class_embedding"
    )
    expected = {
        "v.class_embd": source[f"{prefix}embeddings.class_embedding"],
        "v.patch_embd.weight": source[f"{prefix}embeddings.patch_embedding.weight"].reshape(
            16, 3 * 8 * 8
        ),
        "v.position_embd.weight": source[f"{prefix}embeddings.position_embedding.weight"],
        "v.projection.weight": source["visual_projection.weight"],
    }
    for kind in ("weight", "bias"):
        expected[f"v.pre_ln.{kind}"] = source[f"{prefix}pre_layrnorm.{kind}"]
        expected[f"v.post_ln.{kind}"] = source[f"{prefix}post_layernorm.{kind}"]
        for block in range(2):
            for ours, theirs in BLOCK_NAMES["clip"].items():
                expected[f"v.blk.{block}.{ours}.{kind}"] = source[
                    f"{prefix}encoder.layers.{block}.{theirs}.{kind}"
                ]
    assert {name for name in written if name.startswith("v.")} == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(written[name], values, err_msg=name)


def test_keys(checkpoints: Path) -> None:
    found = keys(convert(checkpoints, "bert"))
    assert found["general.architecture"] == "arms"
    assert found["general.alignment"] == 64
    assert found["arms.text.family"] == "bert"
    assert found["arms.text.pooling"] == "cls"
    assert found["arms.text.context_length"] == 10
    assert found["arms.tokenizer.tokens"] == TOKENS
    assert (
        found["arms.tokenizer.unknown_id"],
        found["arms.tokenizer.cls_id"],
        found["arms.tokenizer.sep_id"],
    ) == (1, 2, 3)
    assert found["arms.tokenizer.strip_accents"] is True
    assert found["arms.tokenizer.added.ids"] == [0, 1, 2, 3, 4]
    assert found["arms.vision.resize_size"] == 18
    assert found["arms.vision.image_mean"] == pytest.approx([0.5, 0.4, 0.3])
    assert found["arms.vision.image_std"] == pytest.approx([0.26862954, 0.26130258, 0.27577711])
    assert found["arms.vision.activation"] == "quick_gelu"
    assert json.loads(found["arms.training.record"])["seed"] == 0
    assert not any(name.startswith("arms.candidate") for name in found)


def test_tensors_are_aligned(checkpoints: Path) -> None:
    for weight_type in WeightType:
        reader = GGUFReader(convert(checkpoints, weight_type=weight_type))
        assert all(int(tensor.data_offset) % 64 == 0 for tensor in reader.tensors)


def test_dump_lists_the_file(checkpoints: Path) -> None:
    path = convert(checkpoints, weight_type=WeightType.INT8)
    dump = subprocess.run(
        [sys.executable, "-m", "gguf.scripts.gguf_dump", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "v.blk.1.ffn_down.weight.colsum" in dump.stdout


@pytest.mark.parametrize("family", ["bert", "distilbert"])
def test_any_prefix(checkpoints: Path, family: str) -> None:
    model = (
        BertForMaskedLM(bert_config())
        if family == "bert"
        else DistilBertForMaskedLM(distilbert_config())
    )
    masked = save(model, checkpoints / "masked")
    save_tokenizer(masked)
    source = load_file(masked / "model.safetensors")
    written = tensors(convert(checkpoints, "masked"))
    np.testing.assert_array_equal(
        written["t.token_embd.weight"], source[f"{family}.embeddings.word_embeddings.weight"]
    )


def test_a_key_matrix_whose_heads_share_a_block(checkpoints: Path, tmp_path: Path) -> None:
    """In int8 16 rows are a block; the heads of a width of 24 have 24 rows each."""
    vision = CLIPVisionConfig(**{**VISION, "hidden_size": 24}, projection_dim=6)
    save_preprocessor(save(CLIPVisionModelWithProjection(vision), checkpoints / "wide"))
    pixels = np.random.default_rng(3).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    embeddings = []
    for weight_type in (WeightType.F32, WeightType.INT8):
        path = tmp_path / f"{weight_type}.gguf"
        convert_checkpoints(
            checkpoints / "bert", checkpoints / "wide", path, HEAD, weight_type=weight_type
        )
        with arms.Router(path, threads=1) as router:
            embeddings.append(np.array(router.embed_query([pixels], "chart image")))
    assert embeddings[0] @ embeddings[1] > 0.99


def test_what_the_library_does_not_open_is_not_written(checkpoints: Path, tmp_path: Path) -> None:
    path = tmp_path / "router.gguf"
    path.write_text("old")
    head = replace(HEAD, fusion=Fusion.CONCAT, feed_forward=65_537)
    with pytest.raises(ConversionError, match=r"router\.gguf: not written.*feed_forward_length"):
        convert_checkpoints(checkpoints / "bert", None, path, head)
    assert path.read_text() == "old"
    assert list(tmp_path.glob(".router*")) == []


def test_whole_clip_model(checkpoints: Path) -> None:
    text = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "vocab_size": 9,
    }
    config = CLIPConfig(text_config=text, vision_config=VISION, projection_dim=6)
    whole = save(CLIPModel(config), checkpoints / "whole")
    save_preprocessor(whole)
    path = convert(checkpoints, image="whole")
    assert keys(path)["arms.vision.projection_length"] == 6
    source = load_file(whole / "model.safetensors")
    np.testing.assert_array_equal(
        tensors(path)["v.blk.1.ffn_up.weight"],
        source["vision_model.encoder.layers.1.mlp.fc1.weight"],
    )


def test_bare_vision_model_projects_by_identity(checkpoints: Path) -> None:
    save_preprocessor(save(CLIPVisionModel(CLIPVisionConfig(**VISION)), checkpoints / "bare"))
    path = convert(checkpoints, image="bare")
    np.testing.assert_array_equal(
        tensors(path)["v.projection.weight"], np.eye(16, dtype=np.float32)
    )


def test_vocabulary_file_means_the_same_as_tokenizer_json(checkpoints: Path) -> None:
    def tokenizer_keys() -> dict[str, Any]:
        found = keys(convert(checkpoints))
        return {name: value for name, value in found.items() if name.startswith("arms.t")}

    from_json = tokenizer_keys()
    (checkpoints / "distilbert" / "tokenizer.json").unlink()
    from_text = tokenizer_keys()
    from_json.pop("arms.training.record")
    from_text.pop("arms.training.record")
    assert from_json == from_text


def test_cased_vocabulary_keeps_accents(checkpoints: Path) -> None:
    save_tokenizer(checkpoints / "bert", lowercase=False)
    found = keys(convert(checkpoints, "bert"))
    assert found["arms.tokenizer.lowercase"] is False
    assert found["arms.tokenizer.strip_accents"] is False


def test_sharded_checkpoint(checkpoints: Path) -> None:
    whole = tensors(convert(checkpoints))
    directory = checkpoints / "distilbert"
    source = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    shards = {
        name: f"model-{index % 2 + 1}-of-2.safetensors" for index, name in enumerate(sorted(source))
    }
    for shard in set(shards.values()):
        save_file(
            {name: source[name] for name, file in shards.items() if file == shard},
            directory / shard,
        )
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    for name, values in tensors(convert(checkpoints)).items():
        np.testing.assert_array_equal(values, whole[name])


def test_bfloat16_checkpoint(checkpoints: Path) -> None:
    model = DistilBertModel.from_pretrained(checkpoints / "distilbert").to(torch.bfloat16)
    model.save_pretrained(checkpoints / "distilbert")
    written = tensors(convert(checkpoints))["t.blk.0.attn_q.weight"]
    expected = model.transformer.layer[0].attention.q_lin.weight.detach().float().numpy()
    np.testing.assert_array_equal(written, expected)


@pytest.mark.parametrize("mode", ["cls_token", "mean_tokens"])
def test_pooling(checkpoints: Path, mode: str) -> None:
    (checkpoints / "bert" / "1_Pooling").mkdir()
    config = {
        "word_embedding_dimension": 8,
        "pooling_mode_max_tokens": False,
        f"pooling_mode_{mode}": True,
    }
    (checkpoints / "bert" / "1_Pooling" / "config.json").write_text(json.dumps(config))
    assert keys(convert(checkpoints, "bert"))["arms.text.pooling"] == mode.split("_")[0]


def test_same_seed_same_bytes(checkpoints: Path) -> None:
    first = convert(checkpoints, seed=3).read_bytes()
    assert convert(checkpoints, seed=3).read_bytes() == first
    assert convert(checkpoints, seed=4).read_bytes() != first


def test_seed_only_changes_the_head(checkpoints: Path) -> None:
    first, second = tensors(convert(checkpoints, seed=1)), tensors(convert(checkpoints, seed=2))
    changed = {name for name in first if not np.array_equal(first[name], second[name])}
    assert {name.split(".")[0] for name in changed} == {
        "gate",
        "no_image",
        "image_index",
        "expert",
        "classifier",
    }


@pytest.mark.parametrize("head", list(Head))
@pytest.mark.parametrize("fusion", list(Fusion))
def test_head_shapes(checkpoints: Path, fusion: Fusion, head: Head) -> None:
    config = HeadConfig(**{**HEAD.__dict__, "fusion": fusion, "head": head})
    shapes = {
        name: values.shape for name, values in tensors(convert(checkpoints, head=config)).items()
    }
    found = {name: shape for name, shape in shapes.items() if name.startswith("expert.1.")}
    expected: dict[str, tuple[int, ...]] = {
        "ln.weight": (24,),
        "ln.bias": (24,),
        "ffn_up.weight": (12, 24),
        "ffn_up.bias": (12,),
        "ffn_down.weight": (10, 12),
        "ffn_down.bias": (10,),
    }
    if fusion is Fusion.CONCAT:
        expected |= {"image.weight": (16, 6), "image.bias": (16,)}
    else:
        columns = 16 if fusion is Fusion.PATCHES else 6
        expected |= {"attn_v.weight": (16, columns), "attn_v.bias": (16,)}
        expected |= {"attn_out.weight": (16, 16), "attn_out.bias": (16,)}
    if fusion is Fusion.PATCHES:
        expected |= {
            "attn_q.weight": (16, 8),
            "attn_q.bias": (16,),
            "attn_k.weight": (16, 16),
            "attn_k.bias": (16,),
        }
    assert found == {f"expert.1.{name}": shape for name, shape in expected.items()}
    assert shapes["gate.weight"] == (2, 14)
    assert (
        ("no_image.tokens" in shapes)
        == ("image_index.weight" in shapes)
        == (fusion is Fusion.PATCHES)
    )
    assert ("classifier.alpha" in shapes) == (head is Head.SCALED)


def test_float16_and_bfloat16_round_the_matrices_alone(checkpoints: Path) -> None:
    exact = tensors(convert(checkpoints))
    half = tensors(convert(checkpoints, weight_type=WeightType.F16))
    brain = tensors(convert(checkpoints, weight_type=WeightType.BF16))
    for name, values in exact.items():
        if half[name].dtype == np.float16:
            np.testing.assert_array_equal(half[name], values.astype(np.float16))
            expected = torch.from_numpy(values).bfloat16().view(torch.int16).numpy().view(np.uint16)
            np.testing.assert_array_equal(brain[name], expected)
        else:
            np.testing.assert_array_equal(half[name], values)
            np.testing.assert_array_equal(brain[name], values)
    assert half["t.blk.0.attn_q.weight"].dtype == half["t.token_embd.weight"].dtype == np.float16
    assert half["gate.weight"].dtype == half["t.position_embd.weight"].dtype == np.float32


@pytest.mark.parametrize("kind", list(WeightType))
def test_weight_types_go_by_name(checkpoints: Path, kind: WeightType) -> None:
    expected = convert(checkpoints, weight_type=kind).read_bytes()
    for same in (str(kind), arms.WeightType.parse(str(kind))):
        assert convert(checkpoints, weight_type=same).read_bytes() == expected


@pytest.mark.parametrize("kind", ["f64", "F32", "", arms.WeightType.UNCHANGED, None, 1])
def test_other_weight_types_are_refused(checkpoints: Path, kind: Any) -> None:
    with pytest.raises(arms.InvalidArgumentError, match="'f32', 'f16', 'bf16', 'int8', not"):
        convert(checkpoints, weight_type=kind)
    assert not (checkpoints / "model.gguf").exists()


@pytest.mark.parametrize("fusion", list(arms.Fusion))
@pytest.mark.parametrize("head", list(arms.Head))
def test_heads_go_by_name(checkpoints: Path, fusion: arms.Fusion, head: arms.Head) -> None:
    named: Any = {"fusion": str(fusion), "head": str(head)}
    assert replace(HEAD, **named) == replace(HEAD, fusion=fusion, head=head)
    convert(checkpoints, head=replace(HEAD, **named))
    with arms.Router(checkpoints / "model.gguf") as router:
        assert (router.info.fusion, router.info.head) == (fusion, head)


@pytest.mark.parametrize("setting", [{"fusion": "patch"}, {"head": "Paper"}, {"head": None}])
def test_other_heads_are_refused(setting: dict[str, Any]) -> None:
    with pytest.raises(arms.InvalidArgumentError, match="must be one of"):
        HeadConfig(**setting)


def packed(stored: dict[str, NDArray[Any]], name: str) -> PackedMatrix:
    return PackedMatrix(stored[name], stored[f"{name}.scale"], stored[f"{name}.colsum"])


def test_int8_matrices_stand_for_the_weights(checkpoints: Path) -> None:
    exact = tensors(convert(checkpoints))
    stored = tensors(convert(checkpoints, weight_type=WeightType.INT8))
    matrices = [name.removesuffix(".colsum") for name in stored if name.endswith(".colsum")]
    assert len(matrices) == 2 * 6 + 2 * 6 + 2 + 2 * 6 + 2
    for name in matrices:
        weights = exact[name]
        if name.endswith("attn_k.weight") and name.startswith("expert."):
            # Head by head W_K[j]^T.
            weights = np.concatenate([head.T for head in np.split(weights, 2)])
        if name.startswith("v.blk.") and name.split(".")[3] in (
            "attn_q",
            "attn_k",
            "attn_v",
            "ffn_up",
        ):
            norm = "ln2" if "ffn" in name else "ln1"
            gamma = f"v.blk.{name.split('.')[2]}.{norm}.weight"
            weights = weights * (exact[gamma] / stored[gamma])
        matrix = packed(stored, name)
        assert matrix.blocks.shape == (-(-weights.shape[0] // 16), -(-weights.shape[1] // 4), 64)
        assert matrix.blocks.min() >= -127
        step = np.abs(weights).max(axis=1, keepdims=True) / 127
        error = np.abs(unpack(matrix, *weights.shape) - weights)
        assert (error <= step * 0.501).all(), name


def test_int8_balance_keeps_the_image_encoders_function(checkpoints: Path) -> None:
    exact = tensors(convert(checkpoints))
    stored = tensors(convert(checkpoints, weight_type=WeightType.INT8))
    for norm in ("v.blk.0.ln1", "v.blk.1.ln2"):
        factor = stored[f"{norm}.weight"] / exact[f"{norm}.weight"]
        np.testing.assert_allclose(
            stored[f"{norm}.bias"], exact[f"{norm}.bias"] * factor, rtol=1e-5
        )
        assert np.ptp(factor) > 0


def test_int8_table_has_a_scale_a_row(checkpoints: Path) -> None:
    exact = tensors(convert(checkpoints))["t.token_embd.weight"]
    stored = tensors(convert(checkpoints, weight_type=WeightType.INT8))
    table, scale = stored["t.token_embd.weight"], stored["t.token_embd.weight.scale"]
    assert table.dtype == np.int8
    assert table.shape == exact.shape
    assert scale.shape == (len(TOKENS),)
    similarity = (
        (table * scale[:, None] * exact).sum()
        / np.linalg.norm(table * scale[:, None])
        / np.linalg.norm(exact)
    )
    assert similarity > 0.9999


def test_text_hash_names_the_encoder_not_the_type(checkpoints: Path) -> None:
    def text_hash(**options: Any) -> str:
        return str(keys(convert(checkpoints, **options))["arms.text.hash"])

    first = text_hash()
    assert text_hash(weight_type=WeightType.INT8, seed=9) == first
    assert text_hash(text="bert") != first
    assert text_hash(context_length=9) != first
    source = load_file(checkpoints / "distilbert" / "model.safetensors")
    source["transformer.layer.1.ffn.lin2.bias"][0] += 1
    save_file(source, checkpoints / "distilbert" / "model.safetensors")
    assert text_hash() != first


REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("bert", "config.json", {"hidden_act": "relu"}, 'hidden_act = "relu"'),
    ("bert", "config.json", {"hidden_act": "gelu_new"}, "supported: gelu, quick_gelu"),
    ("bert", "config.json", {"position_embedding_type": "relative_key"}, "position_embedding_type"),
    ("bert", "config.json", {"is_decoder": True}, "is_decoder"),
    ("bert", "config.json", {"model_type": "roberta"}, 'model_type = "roberta"'),
    ("bert", "config.json", {"model_type": None}, "model_type"),
    ("bert", "config.json", {"num_attention_heads": 3}, "num_attention_heads = 3"),
    ("bert", "config.json", {"num_hidden_layers": -1}, "num_hidden_layers"),
    ("bert", "config.json", {"num_hidden_layers": 1}, "num_hidden_layers = 1"),
    (
        "bert",
        "config.json",
        {"num_hidden_layers": 3},
        "encoder.layer.2.attention.self.query.weight is missing",
    ),
    (
        "bert",
        "config.json",
        {"intermediate_size": 16},
        "intermediate.dense.weight has shape [12, 8]",
    ),
    ("bert", "config.json", {"vocab_size": 5}, "vocab_size"),
    ("bert", "config.json", {"quantization_config": {"bits": 4}}, "quantization_config"),
    ("bert", "config.json", {"layer_norm_eps": "small"}, "layer_norm_eps"),
    ("bert", "tokenizer.json", {"model__type": "BPE"}, 'type = "BPE"'),
    ("bert", "tokenizer.json", {"normalizer__type": "NFKC"}, 'normalizer: type = "NFKC"'),
    ("bert", "tokenizer.json", {"normalizer": None}, "normalizer"),
    ("bert", "tokenizer.json", {"pre_tokenizer__type": "Whitespace"}, "pre_tokenizer"),
    ("bert", "tokenizer.json", {"post_processor__type": "RobertaProcessing"}, "post_processor"),
    ("bert", "tokenizer.json", {"model__unk_token": "<unk>"}, "<unk>"),
    ("bert", "tokenizer.json", {"added_tokens": {}}, "added_tokens: must be a list, not {}"),
    ("bert", "tokenizer.json", {"added_tokens": [0]}, "added_tokens: must be an object, not 0"),
    ("bert", "tokenizer.json", {"post_processor__cls": ["[CLS]"]}, 'cls = ["[CLS]"]'),
    ("bert", "tokenizer.json", {"post_processor__sep": 3}, "sep = 3"),
    ("distilbert", "config.json", {"activation": "relu"}, 'activation = "relu"'),
    ("clip", "config.json", {"hidden_act": "relu"}, "hidden_act"),
    ("clip", "config.json", {"model_type": "siglip_vision_model"}, "model_type"),
    ("clip", "config.json", {"num_channels": 1}, "num_channels"),
    ("clip", "config.json", {"patch_size": 5}, "patch_size = 5"),
    ("clip", "config.json", {"projection_dim": 7}, "visual_projection.weight"),
    ("clip", "config.json", {"architectures": 1}, "architectures: must be a list, not 1"),
    ("clip", "preprocessor_config.json", {"resample": 2}, "resample = 2"),
    ("clip", "preprocessor_config.json", {"do_center_crop": False}, "do_center_crop"),
    ("clip", "preprocessor_config.json", {"do_resize": False}, "do_resize"),
    ("clip", "preprocessor_config.json", {"do_rescale": False}, "do_rescale"),
    ("clip", "preprocessor_config.json", {"do_normalize": False}, "do_normalize"),
    ("clip", "preprocessor_config.json", {"do_convert_rgb": False}, "do_convert_rgb"),
    ("clip", "preprocessor_config.json", {"rescale_factor": 1.0}, "rescale_factor"),
    ("clip", "preprocessor_config.json", {"size": {"height": 16, "width": 16}}, "size"),
    ("clip", "preprocessor_config.json", {"size": {"shortest_edge": 15}}, "shortest_edge"),
    ("clip", "preprocessor_config.json", {"size": {"shortest_edge": 2**32}}, "shortest_edge"),
    ("clip", "preprocessor_config.json", {"crop_size": {"height": 8, "width": 8}}, "crop_size"),
    ("clip", "preprocessor_config.json", {"image_mean": [0.5]}, "image_mean"),
    ("clip", "preprocessor_config.json", {"image_std": [0, 1, 1]}, "image_std"),
    (
        "clip",
        "preprocessor_config.json",
        {"image_processor_type": "ViTImageProcessor"},
        "image_processor_type",
    ),
]


@pytest.mark.parametrize(
    ("checkpoint", "file", "changes", "reason"), REFUSED, ids=[str(one[2]) for one in REFUSED]
)
def test_refuses_by_field(
    checkpoints: Path, checkpoint: str, file: str, changes: dict[str, Any], reason: str
) -> None:
    edit(checkpoints / checkpoint / file, **changes)
    with pytest.raises(ConversionError) as caught:
        convert(checkpoints, text="distilbert" if checkpoint == "clip" else checkpoint)
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (checkpoints / "model.gguf").exists()


def pickle_only(directory: Path) -> None:
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")


def not_a_number(directory: Path) -> None:
    source = load_file(directory / "model.safetensors")
    source["embeddings.LayerNorm.bias"][1] = np.nan
    save_file(source, directory / "model.safetensors")


def truncated(directory: Path) -> None:
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-8])


def broken_json(directory: Path) -> None:
    (directory / "config.json").write_text("{")


def no_tokenizer(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()
    (directory / "vocab.txt").unlink()


def max_pooling(directory: Path) -> None:
    (directory / "1_Pooling").mkdir()
    (directory / "1_Pooling" / "config.json").write_text(
        json.dumps({"pooling_mode_max_tokens": True})
    )


def dense_module(directory: Path) -> None:
    modules = [
        {"type": "sentence_transformers.models.Transformer"},
        {"type": "sentence_transformers.models.Dense"},
    ]
    (directory / "modules.json").write_text(json.dumps(modules))


def no_list_of_modules(directory: Path) -> None:
    (directory / "modules.json").write_text(json.dumps({"type": "Transformer"}))


def no_object_as_module(directory: Path) -> None:
    (directory / "modules.json").write_text(json.dumps(["Transformer"]))


def no_object_of_added_tokens(directory: Path) -> None:
    (directory / "tokenizer.json").unlink()
    (directory / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": ["x"]}))


def no_file_in_the_index(directory: Path) -> None:
    (directory / "model.safetensors").unlink()
    index = {"weight_map": {"embeddings.word_embeddings.weight": ["model.safetensors"]}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


def escaping_index(directory: Path) -> None:
    (directory / "model.safetensors").unlink()
    index = {"weight_map": {"embeddings.word_embeddings.weight": "../clip/model.safetensors"}}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (pickle_only, "pytorch_model.bin is a pickle"),
        (not_a_number, "embeddings.LayerNorm.bias holds values that are not finite"),
        (truncated, "not readable as safetensors"),
        (broken_json, "not readable as JSON"),
        (no_tokenizer, "no tokenizer.json and no vocab.txt"),
        (max_pooling, "pooling_mode_max_tokens"),
        (dense_module, "Dense"),
        (no_list_of_modules, "modules.json: must be a list"),
        (no_object_as_module, 'modules.json: must be an object, not "Transformer"'),
        (no_object_of_added_tokens, "added_tokens_decoder: must be an object"),
        (no_file_in_the_index, "weight_map"),
        (escaping_index, "weight_map"),
        (shutil.rmtree, "no such directory"),
    ],
)
def test_refuses_damage(checkpoints: Path, damage: Callable[[Path], None], reason: str) -> None:
    damage(checkpoints / "bert")
    with pytest.raises(ConversionError) as caught:
        convert(checkpoints, "bert")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [("experts", 0), ("experts", 33), ("attention_heads", 3), ("top_k", 3), ("shared_width", -1)],
)
def test_refuses_head_settings(checkpoints: Path, field: str, value: int) -> None:
    with pytest.raises(ConversionError, match=field):
        convert(checkpoints, head=HeadConfig(**{**HEAD.__dict__, field: value}))


def test_failure_keeps_the_old_file(checkpoints: Path) -> None:
    output = checkpoints / "model.gguf"
    output.write_bytes(b"old")
    with pytest.raises(ConversionError):
        convert(checkpoints, seed=-1)
    assert output.read_bytes() == b"old"
    with pytest.raises(ConversionError, match="cannot be written"):
        convert_checkpoints(
            checkpoints / "bert", checkpoints / "clip", checkpoints / "nowhere" / "model.gguf", HEAD
        )
    assert not list(checkpoints.rglob("*.tmp"))


def test_replaces_the_file_that_a_link_leads_to(checkpoints: Path) -> None:
    held = checkpoints / "held.gguf"
    held.write_bytes(b"old")
    held.chmod(0o640)
    link = checkpoints / "model.gguf"
    link.symlink_to(held)
    convert(checkpoints)
    assert link.is_symlink()
    assert held.read_bytes()[:4] == b"GGUF"
    assert held.stat().st_mode & 0o777 == 0o640


def test_neither_torch_nor_transformers_is_imported() -> None:
    code = (
        "import sys, arms.convert.command; "
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_command(checkpoints: Path) -> None:
    app = typer.Typer()
    app.callback()(lambda: None)
    register(app)
    output = checkpoints / "cli.gguf"
    arguments = [
        "convert",
        "--text",
        str(checkpoints / "bert"),
        "--image",
        str(checkpoints / "clip"),
    ]
    arguments += ["--fusion", "concat", "--type", "int8", "--experts", "2", "-o", str(output)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert keys(output)["arms.fusion"] == "concat"
    edit(checkpoints / "bert" / "config.json", hidden_act="relu")
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert "hidden_act" in result.output


@pytest.mark.parametrize("fusion", [Fusion.CONCAT, Fusion.POOLED])
@pytest.mark.parametrize("kind", [WeightType.F32, WeightType.INT8])
def test_a_router_without_an_image_encoder(
    saved: Path, tmp_path: Path, fusion: Fusion, kind: WeightType
) -> None:
    output = tmp_path / "text.gguf"
    convert_checkpoints(
        saved / "bert", None, output, replace(HEAD, fusion=fusion), weight_type=kind
    )
    assert not any(name.startswith("v.") for name in tensors(output))
    with arms.Router(output) as router:
        info = router.info
        assert (info.image_size, info.image_tokens, info.patch_width) == (0, 0, 0)
        router.candidates.add([arms.Candidate(name="a"), arms.Candidate(name="b")])
        image = np.zeros((20, 30, 3), np.uint8)
        blind, plain = router.route(image, "chart"), router.route(None, "chart")
        assert blind.confidence == plain.confidence
        assert (blind.images_ignored, plain.images_ignored) == (True, False)
        assert router.route(router.encode_image(image), "chart").images_ignored
        assert router.encode_image(image).embedding.shape == (0,)
        with pytest.raises(arms.UnsupportedError, match="image encoder"):
            router.prepare_image(image)


def test_without_an_image_encoder_concat_is_the_default(saved: Path, tmp_path: Path) -> None:
    output = tmp_path / "text.gguf"
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, ["--text", str(saved / "bert"), "-o", str(output)])
    assert result.exit_code == 0, result.output
    with arms.Router(output) as router:
        assert router.info.fusion is arms.Fusion.CONCAT
    refused = CliRunner().invoke(
        app, ["--text", str(saved / "bert"), "-o", str(output), "--fusion", "patches"]
    )
    assert refused.exit_code == 1
    assert "image encoder" in refused.output


def written(directory: Path, name: str, document: Any) -> None:
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document))


MODULES = [
    {"path": "", "type": "sentence_transformers.models.Transformer"},
    {"path": "2_Pooling", "type": "sentence_transformers.models.Pooling"},
]


@pytest.mark.parametrize(
    ("file", "document", "reason"),
    [
        ("tokenizer_config.json", {"do_lower_case": False}, "do_lower_case = false contradicts"),
        ("tokenizer_config.json", {"strip_accents": False}, "strip_accents = false contradicts"),
        ("tokenizer_config.json", {"tokenize_chinese_chars": False}, "tokenize_chinese_chars"),
        ("tokenizer_config.json", {"truncation_side": "left"}, "truncation_side"),
        ("tokenizer_config.json", {"additional_special_tokens": ["<new>"]}, "<new>"),
        ("tokenizer_config.json", {"added_tokens_decoder": {"9": {"content": "<n>"}}}, "<n>"),
        ("added_tokens.json", {"<new>": 9}, "<new>"),
        ("config_sentence_transformers.json", {"default_prompt_name": "q"}, "default_prompt_name"),
        ("modules.json", MODULES, 'path = "2_Pooling"'),
    ],
)
def test_refuses_what_transformers_would_do(
    checkpoints: Path, file: str, document: Any, reason: str
) -> None:
    written(checkpoints / "bert", file, document)
    with pytest.raises(ConversionError, match=reason):
        convert(checkpoints, "bert")


def test_distilbert_has_an_epsilon_of_its_own(checkpoints: Path) -> None:
    edit(checkpoints / "distilbert" / "config.json", layer_norm_eps=0.01)
    found = keys(convert(checkpoints))["arms.text.attention.layer_norm_epsilon"]
    assert found == pytest.approx(1e-12)


def test_processor_config_precedes_preprocessor_config(checkpoints: Path) -> None:
    inner = json.loads((checkpoints / "clip" / "preprocessor_config.json").read_text())
    inner["image_mean"] = [0.1, 0.2, 0.3]
    written(checkpoints / "clip", "processor_config.json", {"image_processor": inner})
    assert keys(convert(checkpoints))["arms.vision.image_mean"] == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("name", ["do_resize", "do_center_crop", "do_rescale", "do_normalize"])
def test_a_step_that_is_null_is_refused(checkpoints: Path, name: str) -> None:
    edit(checkpoints / "clip" / "preprocessor_config.json", **{name: None})
    with pytest.raises(ConversionError, match=f"{name} = null"):
        convert(checkpoints)


@pytest.mark.parametrize("value", [1e39, 10**400])
def test_numbers_beyond_float32_are_refused(checkpoints: Path, value: float) -> None:
    edit(checkpoints / "bert" / "config.json", layer_norm_eps=value)
    with pytest.raises(ConversionError, match="layer_norm_eps"):
        convert(checkpoints, "bert")


def test_a_token_that_is_no_unicode_is_refused(checkpoints: Path) -> None:
    path = checkpoints / "bert" / "tokenizer.json"
    path.write_text(path.read_text().replace('"##a"', '"\\ud800"'))
    with pytest.raises(ConversionError, match="not Unicode"):
        convert(checkpoints, "bert")


def test_vision_config_dict_counts(checkpoints: Path) -> None:
    path = checkpoints / "clip" / "config.json"
    vision = json.loads(path.read_text())
    path.write_text(
        json.dumps(
            {
                "model_type": "clip",
                "projection_dim": 6,
                "vision_config": vision,
                "vision_config_dict": {**vision, "hidden_act": "gelu"},
            }
        )
    )
    assert keys(convert(checkpoints))["arms.vision.activation"] == "gelu"


def test_a_cased_text_that_is_lowered_first_is_refused(checkpoints: Path) -> None:
    edit(checkpoints / "bert" / "tokenizer_config.json", do_lower_case=False)
    path = checkpoints / "bert" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["normalizer"] |= {"lowercase": False, "strip_accents": False}
    path.write_text(json.dumps(tokenizer))
    convert(checkpoints, "bert")
    written(checkpoints / "bert", "sentence_bert_config.json", {"do_lower_case": True})
    with pytest.raises(ConversionError, match="do_lower_case"):
        convert(checkpoints, "bert")


@pytest.mark.parametrize("name", ["size", "crop_size"])
def test_absent_sizes_are_those_of_clip(checkpoints: Path, name: str) -> None:
    path = checkpoints / "clip" / "preprocessor_config.json"
    settings = json.loads(path.read_text())
    del settings[name]
    path.write_text(json.dumps(settings))
    if name == "size":
        assert keys(convert(checkpoints))["arms.vision.resize_size"] == 224
    else:
        with pytest.raises(ConversionError, match="crop_size = 224"):
            convert(checkpoints)


def test_a_huge_vocabulary_is_refused_before_it_is_made(checkpoints: Path) -> None:
    edit(checkpoints / "bert" / "config.json", vocab_size=2**31 - 1)
    with pytest.raises(ConversionError, match=f"vocab_size = {2**31 - 1}, but tensor"):
        convert(checkpoints, "bert")


def test_a_prompt_without_a_name_is_none(checkpoints: Path) -> None:
    settings = {"prompts": {"query": "find "}, "default_prompt_name": None}
    written(checkpoints / "bert", "config_sentence_transformers.json", settings)
    convert(checkpoints, "bert")


def test_ids_that_are_not_the_vocabularys_are_refused(checkpoints: Path) -> None:
    path = checkpoints / "bert" / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    tokenizer["post_processor"] = {
        "type": "BertProcessing",
        "sep": ["[SEP]", tokenizer["model"]["vocab"]["[SEP]"]],
        "cls": ["[CLS]", 9],
    }
    path.write_text(json.dumps(tokenizer))
    with pytest.raises(ConversionError, match="are not its id"):
        convert(checkpoints, "bert")
