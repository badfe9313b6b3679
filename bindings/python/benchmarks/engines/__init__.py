"""The engines behind one interface. Only the one that is asked for is imported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.models import Folder

NAMES: Final = (
    "arms-patches",
    "arms-pooled",
    "openvino",
    "onnxruntime",
    "pytorch",
    "tokenizers",
)


class Tokenizer(Protocol):
    """What splits questions into tokens."""

    def tokenize(self, questions: Sequence[str]) -> None:
        """Tokenise questions, one call each."""

    def version(self) -> str:
        """Say which library it is, and which version."""


class Engine(Protocol):
    """A pair of encoders on some threads; ARMS has its head as well."""

    def route(self, pixels: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
        """Answer one query or a batch: ``[batch, 3, 224, 224]`` and ``[batch, tokens]``."""

    def embed(self, jpeg: bytes, *, draft: bool) -> None:
        """Decode, prepare and encode an image file; with `draft` at a reduced scale."""

    def version(self) -> str:
        """Say which engine it is, and which version."""


def prepare(name: str, threads: int) -> None:
    """Import an engine's library, so that opening a model is measured without it."""
    if name.startswith("arms"):
        import arms

        arms.library_version()
    elif name == "openvino":
        import openvino  # noqa: F401
    elif name == "onnxruntime":
        import onnxruntime

        # One pool for both sessions: with two, the idle one's threads spin on the other's cores.
        onnxruntime.set_global_thread_pool_sizes(threads, 1)
    elif name == "pytorch":
        import torch
        import transformers  # noqa: F401

        torch.set_num_threads(threads)
    elif name == "tokenizers":
        import tokenizers  # noqa: F401
    else:
        raise ValueError(f"engine is {name!r}; expected one of {', '.join(NAMES)}")


def open_tokenizer(name: str, folder: Folder) -> Tokenizer:
    """Open a tokenizer: ARMS's own, or else Hugging Face's, after `prepare`."""
    if name.startswith("arms-"):
        from benchmarks.engines.arms_engine import ArmsEngine

        return ArmsEngine(folder.router(name.removeprefix("arms-")), threads=1)
    from benchmarks.engines.tokenizers_engine import TokenizersEngine

    return TokenizersEngine(folder)


def open_engine(name: str, folder: Folder, threads: int) -> Engine:
    """Open an engine's models, after `prepare`."""
    if name.startswith("arms-"):
        from benchmarks.engines.arms_engine import ArmsEngine

        return ArmsEngine(folder.router(name.removeprefix("arms-")), threads)
    if name == "openvino":
        from benchmarks.engines.openvino_engine import OpenVINOEngine

        return OpenVINOEngine(folder, threads)
    if name == "onnxruntime":
        from benchmarks.engines.onnxruntime_engine import ONNXRuntimeEngine

        return ONNXRuntimeEngine(folder)
    from benchmarks.engines.pytorch_engine import PyTorchEngine

    return PyTorchEngine(folder)
