"""ONNX Runtime: dynamically quantised int8, both sessions on one pool of threads."""

from __future__ import annotations

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.inputs import prepare
from benchmarks.models import Folder


class ONNXRuntimeEngine:
    """One session for each tower; the threads are those of the global pool."""

    def __init__(self, folder: Folder) -> None:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.use_per_session_threads = False
        self.vision, self.text = (
            onnxruntime.InferenceSession(
                str(folder.onnx(tower)), options, providers=["CPUExecutionProvider"]
            )
            for tower in ("vision", "text")
        )

    def route(self, pixels: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
        """Encode images and questions."""
        self.vision.run(None, {"pixel_values": pixels})
        self.text.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})

    def embed(self, jpeg: bytes, *, draft: bool) -> None:
        """Prepare an image file with Pillow and encode it."""
        self.vision.run(None, {"pixel_values": prepare(jpeg, draft=draft)})

    def version(self) -> str:
        """Name the release."""
        return f"ONNX Runtime {onnxruntime.__version__}"
