"""PyTorch: the checkpoints with their linear layers quantised dynamically to int8."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import CLIPVisionModelWithProjection, DistilBertModel

from benchmarks.inputs import prepare
from benchmarks.models import Folder


class PyTorchEngine:
    """Two modules in eager mode."""

    def __init__(self, folder: Folder) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # int8 is announced to move to another package.
            self.vision, self.text = (
                torch.ao.quantization.quantize_dynamic(
                    model.eval(), {torch.nn.Linear}, dtype=torch.qint8
                )
                for model in (
                    CLIPVisionModelWithProjection.from_pretrained(folder.vision),
                    DistilBertModel.from_pretrained(folder.text),
                )
            )

    def route(self, pixels: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
        """Encode images and questions."""
        with torch.inference_mode():
            self.vision(pixel_values=torch.from_numpy(pixels))
            tokens = torch.from_numpy(ids)
            self.text(input_ids=tokens, attention_mask=torch.ones_like(tokens))

    def embed(self, jpeg: bytes, *, draft: bool) -> None:
        """Prepare an image file with Pillow and encode it."""
        with torch.inference_mode():
            self.vision(pixel_values=torch.from_numpy(prepare(jpeg, draft=draft)))

    def version(self) -> str:
        """Name the release."""
        return f"PyTorch {torch.__version__}"
