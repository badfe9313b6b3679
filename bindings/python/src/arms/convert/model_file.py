"""Writes an ARMS model file: keys, and parameters in the type of their kind.

The layout is described in ``Sources/ARMS/ModelFile/FORMAT.md``.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from numpy.typing import NDArray

from arms._output import replacing
from arms.convert.errors import ConversionError
from arms.convert.quantize import pack, quantize_rows
from arms.options import NamedChoice

ALIGNMENT: Final = 64
FORMAT_VERSION: Final = 1


class WeightType(NamedChoice):
    """The type in which a file's matrices and token table are stored.

    As `arms.WeightType`, whose "unchanged" a new file has nothing to go by.
    """

    F32 = "f32", 1
    F16 = "f16", 2
    BF16 = "bf16", 3
    INT8 = "int8", 4


class Kind(StrEnum):
    """What a parameter is, which decides the types it may have."""

    MATRIX = "matrix"  # the weight of a linear layer, [out, in]
    KEY = "key"  # expert.e.attn_k, stored in int8 as it is used: transposed, head by head
    TABLE = "table"  # looked up by row
    FLOAT = "float"  # always F32


@dataclass(frozen=True)
class Parameter:
    """A named array of the model; `heads` is the head count of a key matrix."""

    values: NDArray[np.float32]
    kind: Kind = Kind.FLOAT
    heads: int = 1


@dataclass(frozen=True)
class Key:
    """A typed value of the file's key-value section."""

    value: Any
    type: GGUFValueType
    element: GGUFValueType | None = None


def u32(value: int) -> Key:
    """Return a u32 value."""
    return Key(value, GGUFValueType.UINT32)


def f32(value: float) -> Key:
    """Return an f32 value."""
    return Key(value, GGUFValueType.FLOAT32)


def boolean(value: bool) -> Key:
    """Return a bool value."""
    return Key(value, GGUFValueType.BOOL)


def string(value: str) -> Key:
    """Return a string value."""
    return Key(value, GGUFValueType.STRING)


def array(values: Sequence[Any], element: GGUFValueType) -> Key:
    """Return an array value. An empty one is not written: GGUF's writer has no empty arrays."""
    return Key(list(values), GGUFValueType.ARRAY, element)


@dataclass
class Part:
    """Keys and parameters of one part of the model: an encoder, or the head."""

    keys: dict[str, Key] = field(default_factory=dict)
    parameters: dict[str, Parameter] = field(default_factory=dict)

    def add(
        self, name: str, values: NDArray[np.float32], kind: Kind = Kind.FLOAT, heads: int = 1
    ) -> None:
        """Add a parameter."""
        self.parameters[name] = Parameter(
            np.ascontiguousarray(values, dtype=np.float32), kind, heads
        )

    def update(self, other: Part) -> None:
        """Take in another part."""
        self.keys.update(other.keys)
        self.parameters.update(other.parameters)

    def digest(self) -> str:
        """Return the name of an encoder: SHA-256 in hex over everything that decides an embedding.

        First the keys as JSON (sorted by name, without spaces, UTF-8), then each tensor in the
        order of names, as its name, a NUL, and its float32 values, little-endian. The values are
        those before any conversion to a smaller type, so that files of one encoder in several
        types have one name.
        """
        keys = {name: key.value for name, key in self.keys.items()}
        text = json.dumps(keys, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(text.encode())
        for name in sorted(self.parameters):
            digest.update(name.encode() + b"\0")
            digest.update(self.parameters[name].values.astype("<f4", copy=False).tobytes())
        return digest.hexdigest()


def bfloat16(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round finite float32 values to the bits of bfloat16, ties to even."""
    bits = values.view(np.uint32)
    rounded: NDArray[np.uint16] = ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)
    return rounded


def _stored(
    name: str, parameter: Parameter, weight_type: WeightType
) -> Iterator[tuple[str, NDArray[Any], GGMLQuantizationType]]:
    values = parameter.values
    if parameter.kind is Kind.FLOAT or weight_type is WeightType.F32:
        yield name, values, GGMLQuantizationType.F32
    elif weight_type is WeightType.F16:
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.isfinite(half).all():
            raise ConversionError(
                f"{name} holds values beyond float16's 65504; convert to bf16 or f32"
            )
        yield name, half, GGMLQuantizationType.F16
    elif weight_type is WeightType.BF16:
        bits = bfloat16(values)
        if ((bits & 0x7F80) == 0x7F80).any():
            raise ConversionError(f"{name} holds values beyond bfloat16's range; convert to f32")
        yield name, bits, GGMLQuantizationType.BF16
    elif parameter.kind is Kind.TABLE:
        quantized, scale = quantize_rows(values)
        yield name, quantized, GGMLQuantizationType.I8
        yield f"{name}.scale", scale, GGMLQuantizationType.F32
    else:
        if parameter.kind is Kind.KEY:
            heads, width = parameter.heads, values.shape[1]
            values = values.reshape(heads, -1, width).transpose(0, 2, 1).reshape(heads * width, -1)
        matrix = pack(*quantize_rows(values))
        yield name, matrix.blocks, GGMLQuantizationType.I8
        yield f"{name}.scale", matrix.scale, GGMLQuantizationType.F32
        yield f"{name}.colsum", matrix.colsum, GGMLQuantizationType.I32


def write_model(
    path: str | Path,
    keys: Mapping[str, Key],
    parameters: Mapping[str, Parameter],
    weight_type: WeightType = WeightType.F32,
    *,
    check: Callable[[Path], None] | None = None,
) -> None:
    """Write a model file in one step: aside, flushed to disk, then renamed over `path`.

    Parameters
    ----------
    path
        The file; its directory must exist.
    keys
        All keys but ``general.architecture``, ``general.alignment`` and ``arms.format_version``.
    parameters
        All parameters by the names of FORMAT.md, in float32.
    weight_type
        The type of the matrices and of the token table.
    check
        Called with the new file before it takes the other's place, which it does not if this
        raises.

    Raises
    ------
    ConversionError
        If a value does not fit the type, or the file cannot be written.
    InvalidArgumentError
        If `path` is a folder, device, pipe or socket.
    """
    target = Path(path)
    logging.getLogger("gguf.gguf_writer").setLevel(logging.WARNING)
    try:
        with replacing(target) as aside:
            writer = GGUFWriter(aside, "arms")
            writer.add_custom_alignment(ALIGNMENT)
            writer.add_uint32("arms.format_version", FORMAT_VERSION)
            for name, key in keys.items():
                if key.type is not GGUFValueType.ARRAY or key.value:
                    writer.add_key_value(name, key.value, key.type, key.element)
            for name, parameter in parameters.items():
                for stored_name, stored, stored_type in _stored(name, parameter, weight_type):
                    writer.add_tensor(stored_name, stored, raw_dtype=stored_type)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()
            if check is not None:
                check(aside)
    except OSError as error:
        raise ConversionError(f"{target}: cannot be written: {error.strerror or error}") from None
