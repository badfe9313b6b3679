"""OpenVINO: int8 by NNCF's post-training quantisation, tuned for latency."""

from __future__ import annotations

import numpy as np
import openvino
from numpy.typing import NDArray

from benchmarks.inputs import prepare
from benchmarks.models import Folder


class OpenVINOEngine:
    """One inference request for each tower."""

    def __init__(self, folder: Folder, threads: int) -> None:
        core = openvino.Core()
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self.vision, self.text = (
            core.compile_model(folder.openvino(tower), "CPU", settings).create_infer_request()
            for tower in ("vision", "text")
        )

    def route(self, pixels: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
        """Encode images and questions."""
        self.vision.infer({0: pixels}, share_inputs=True, share_outputs=True)
        self.text.infer({0: ids, 1: np.ones_like(ids)}, share_inputs=True, share_outputs=True)

    def embed(self, jpeg: bytes, *, draft: bool) -> None:
        """Prepare an image file with Pillow and encode it."""
        pixels = prepare(jpeg, draft=draft)
        self.vision.infer({0: pixels}, share_inputs=True, share_outputs=True)

    def version(self) -> str:
        """Name the release."""
        return f"OpenVINO {openvino.__version__}"
