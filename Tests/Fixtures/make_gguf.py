"""Make the model file fixtures with the package `gguf`, so that the reader is tested against another writer.

Run `python Tests/Fixtures/make_gguf.py` from anywhere; the files appear beside this script. The result is
the same in every run.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

HERE = Path(__file__).resolve().parent


def write_every_type(path: Path) -> None:
    """Write a file of architecture "arms" with every value type and every tensor type that is read.

    Parameters
    ----------
    path
        Where to write.
    """
    writer = gguf.GGUFWriter(path, "arms")
    writer.add_custom_alignment(64)
    writer.add_uint32("arms.format_version", 1)
    value = gguf.GGUFValueType
    scalars: list[tuple[str, object, gguf.GGUFValueType]] = [
        ("u8", 200, value.UINT8),
        ("i8", -100, value.INT8),
        ("u16", 60_000, value.UINT16),
        ("i16", -30_000, value.INT16),
        ("u32", 4_000_000_000, value.UINT32),
        ("i32", -2_000_000_000, value.INT32),
        ("u64", 2**64 - 1, value.UINT64),
        ("i64", -(2**63), value.INT64),
        ("f32", 0.5, value.FLOAT32),
        ("f64", 1e-300, value.FLOAT64),
        ("true", True, value.BOOL),
        ("false", False, value.BOOL),
        ("text", "naïve 😀", value.STRING),
        ("empty", "", value.STRING),
        ("width", 512, value.UINT16),
        ("nan", float("nan"), value.FLOAT32),
    ]
    for key, scalar, kind in scalars:
        writer.add_key_value(f"test.{key}", scalar, kind)
    arrays: list[tuple[str, list[object], gguf.GGUFValueType]] = [
        ("u32s", [0, 1, 2**32 - 1], value.UINT32),
        ("i32s", [-(2**31), 0, 2**31 - 1], value.INT32),
        ("f32s", [0.25, -1.5, float("inf")], value.FLOAT32),
        ("f64s", [0.1, float("nan")], value.FLOAT64),
        ("bools", [True, False, True], value.BOOL),
        ("strings", ["[PAD]", "", "##né", "日本"], value.STRING),
    ]
    for key, array, kind in arrays:
        writer.add_key_value(f"test.{key}", array, value.ARRAY, kind)

    counting = np.arange(6).reshape(2, 3)
    writer.add_tensor("f32", counting.astype(np.float32))
    writer.add_tensor("f16", counting.astype(np.float16))
    writer.add_tensor("i8", (counting - 3).astype(np.int8).reshape(1, 2, 3))
    writer.add_tensor("i32", (counting * -100_000).astype(np.int32))
    bfloat16 = (counting.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    writer.add_tensor("bf16", bfloat16.view(np.uint8), raw_dtype=gguf.GGMLQuantizationType.BF16)
    quantised = gguf.quantize(np.ones((1, 32), dtype=np.float32), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("q8_0", quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    finish(writer)


def write_llama(path: Path) -> None:
    """Write a small file of another architecture.

    Parameters
    ----------
    path
        Where to write.
    """
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_tensor("output_norm.weight", np.ones(4, dtype=np.float32))
    finish(writer)


def finish(writer: gguf.GGUFWriter) -> None:
    """Write everything that was given to a writer, and close it.

    Parameters
    ----------
    writer
        The writer, with all keys and tensors.
    """
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write_every_type(HERE / "every_type.gguf")
    write_llama(HERE / "llama.gguf")
