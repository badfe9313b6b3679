"""Makes the models: two checkpoints with random weights, and what each engine makes of them.

Speed does not depend on the weights' values, so nothing has to be downloaded.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.inputs import DEVIATION, IMAGE_SIZE, MEAN, QUESTIONS, pixels, token_ids

FUSIONS: Final = ("patches", "pooled")
VOCABULARY: Final = 30_522
CANDIDATES: Final = 8
_CALIBRATION: Final = 64


@dataclass(frozen=True)
class Folder:
    """Where the models lie."""

    root: Path

    @property
    def text(self) -> Path:
        """The text encoder's checkpoint."""
        return self.root / "distilbert-base"

    @property
    def vision(self) -> Path:
        """The image encoder's checkpoint."""
        return self.root / "clip-vit-b32"

    @property
    def jpeg(self) -> Path:
        """The photograph."""
        return self.root / "photograph.jpg"

    def router(self, fusion: str) -> Path:
        """Return the path of a router's model file."""
        return self.root / f"router-{fusion}.gguf"

    def onnx(self, tower: str, variant: str = "int8") -> Path:
        """Return the path of a tower for ONNX Runtime."""
        return self.root / f"{tower}.{variant}.onnx"

    def openvino(self, tower: str) -> Path:
        """Return the path of a tower for OpenVINO."""
        return self.root / f"{tower}.int8.xml"


def make(folder: Folder, tokenizer: Path | None) -> None:
    """Make everything that is not there yet.

    Parameters
    ----------
    folder
        Where to put 2 GB.
    tokenizer
        A ``tokenizer.json`` with a BERT vocabulary of at most 30,522 tokens; without it a
        vocabulary is made up.
    """
    folder.root.mkdir(parents=True, exist_ok=True)
    if not folder.jpeg.exists():
        from benchmarks.inputs import photograph

        folder.jpeg.write_bytes(photograph())
    if not (folder.text / "tokenizer.json").exists():
        _make_checkpoints(folder)
        _make_tokenizer(folder.text / "tokenizer.json", tokenizer)
    for fusion in FUSIONS:
        if not folder.router(fusion).exists():
            _make_router(folder, fusion)
    if not folder.onnx("text").exists():
        _make_onnx(folder)
    if not folder.openvino("text").exists():
        _make_openvino(folder)


def _make_checkpoints(folder: Folder) -> None:
    import torch
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
        DistilBertConfig,
        DistilBertModel,
    )

    torch.manual_seed(0)
    # CLIPVisionConfig's defaults are ViT-B/32, DistilBertConfig's are DistilBERT-base.
    CLIPVisionModelWithProjection(CLIPVisionConfig()).save_pretrained(folder.vision)
    DistilBertModel(DistilBertConfig()).save_pretrained(folder.text)
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    preprocessing = {
        "crop_size": size,
        "size": {"shortest_edge": IMAGE_SIZE},
        "resample": 3,
        "rescale_factor": 1 / 255,
        "image_mean": [float(value) for value in MEAN],
        "image_std": [float(value) for value in DEVIATION],
        "do_resize": True,
        "do_center_crop": True,
        "do_rescale": True,
        "do_normalize": True,
        "do_convert_rgb": True,
    }
    (folder.vision / "preprocessor_config.json").write_text(json.dumps(preprocessing))


def _make_tokenizer(target: Path, given: Path | None) -> None:
    if given is not None:
        shutil.copyfile(given, target)
        return
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    # Real words for what is asked, letters for the rest, and made-up words up to BERT's size.
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    tokens += letters + [f"##{letter}" for letter in letters]
    words = {word.strip(",.?").lower() for question in QUESTIONS for word in question.split()}
    tokens += sorted(word for word in words if len(word) > 1)
    syllables = [a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"]
    made_up = (a + b + c for a in syllables for b in syllables for c in syllables)
    known = set(tokens)
    for word in made_up:
        if len(tokens) == VOCABULARY:
            break
        if word not in known:
            tokens.append(word)
    numbers = {token: number for number, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", numbers["[SEP]"]), ("[CLS]", numbers["[CLS]"])
    )
    tokenizer.add_special_tokens(tokens[:5])
    tokenizer.save(str(target))


def _make_router(folder: Folder, fusion: str) -> None:
    import arms
    from arms.convert import Fusion, HeadConfig, WeightType, convert_checkpoints

    path = folder.router(fusion)
    config = HeadConfig(fusion=Fusion.parse(fusion))
    convert_checkpoints(folder.text, folder.vision, path, config, weight_type=WeightType.INT8)
    with arms.Router(path) as router:
        router.candidates.add(
            [
                arms.Candidate(name=f"model-{number}", parameters=f"{number + 1}B", cost=0.001)
                for number in range(CANDIDATES)
            ]
        )
        router.save(path)


def _towers(folder: Folder, attention: str) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Return the towers as modules of plain tensors, each with arguments to trace them."""
    import torch
    from transformers import CLIPVisionModelWithProjection, DistilBertModel

    class Vision(torch.nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.model = CLIPVisionModelWithProjection.from_pretrained(
                folder.vision, attn_implementation=attention
            ).eval()

        def forward(self, pixel_values: Any) -> Any:
            return self.model(pixel_values=pixel_values).image_embeds

    class Text(torch.nn.Module):  # type: ignore[misc,unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.model = DistilBertModel.from_pretrained(
                folder.text, attn_implementation=attention
            ).eval()

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            output = self.model(input_ids=input_ids, attention_mask=attention_mask)
            return output.last_hidden_state

    ids = torch.from_numpy(token_ids(2))
    return {
        "vision": (Vision(), (torch.from_numpy(pixels(2)),)),
        "text": (Text(), (ids, torch.ones_like(ids))),
    }


_AXES: Final = {
    "vision": {"pixel_values": {0: "batch"}, "image_embeds": {0: "batch"}},
    "text": {
        name: {0: "batch", 1: "tokens"}
        for name in ("input_ids", "attention_mask", "last_hidden_state")
    },
}


def _make_onnx(folder: Folder) -> None:
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Plain attention, exported by tracing: its graph quantises whole and runs fastest.
    for tower, (module, arguments) in _towers(folder, "eager").items():
        *inputs, output = _AXES[tower]
        source = folder.onnx(tower, "fp32")
        torch.onnx.export(
            module,
            arguments,
            str(source),
            dynamo=False,
            opset_version=17,
            input_names=inputs,
            output_names=[output],
            dynamic_axes=_AXES[tower],
        )
        quantize_dynamic(
            source,
            folder.onnx(tower),
            per_channel=True,
            reduce_range=False,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )


def _make_openvino(folder: Folder) -> None:
    import nncf
    import openvino

    for tower, (module, arguments) in _towers(folder, "sdpa").items():
        inputs = list(_AXES[tower])[:-1]
        shapes = {
            "vision": openvino.PartialShape([-1, 3, IMAGE_SIZE, IMAGE_SIZE]),
            "text": openvino.PartialShape([-1, -1]),
        }
        model = openvino.convert_model(
            module,
            example_input=dict(zip(inputs, arguments, strict=True)),
            input=[(name, shapes[tower]) for name in inputs],
        )
        quantized = nncf.quantize(
            model,
            nncf.Dataset([_calibration(tower, seed) for seed in range(_CALIBRATION)]),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=_CALIBRATION,
        )
        openvino.save_model(quantized, folder.openvino(tower), compress_to_fp16=False)


def _calibration(tower: str, seed: int) -> dict[str, Any]:
    if tower == "vision":
        return {"pixel_values": pixels(1, seed)}
    ids = token_ids(1, seed=seed)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids)}
