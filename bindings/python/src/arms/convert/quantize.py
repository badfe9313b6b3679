"""int8 quantisation of weights and the layout in which the kernels read them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class PackedMatrix(NamedTuple):
    """An int8 matrix [out, in] as it lies in the file; O and I are out and in, padded to 16 and 4."""

    blocks: NDArray[np.int8]
    """[O / 16, I / 4, 64]; byte b of a group is output b // 4, input b % 4 of it."""
    scale: NDArray[np.float32]
    """[O]; weight = int8 * scale of its output channel, 0 for padding."""
    colsum: NDArray[np.int32]
    """[O]; the sum of a channel's int8 values."""


def quantize_rows(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise each row to int8 with a scale of its own: row ~ int8 * scale.

    Parameters
    ----------
    values
        [rows, columns], finite.

    Returns
    -------
    tuple
        int8 [rows, columns] in -127...127, and the scales [rows]. A row of zeros has scale 0.
    """
    scale = (np.abs(values).max(axis=1, initial=0.0) / 127).astype(np.float32)
    divisor = np.where(scale > 0, scale, np.float32(1))
    quantized = np.clip(np.rint(values / divisor[:, None]), -127, 127).astype(np.int8)
    return quantized, scale


def pack(quantized: NDArray[np.int8], scale: NDArray[np.float32]) -> PackedMatrix:
    """Bring an int8 matrix into the kernels' layout.

    Parameters
    ----------
    quantized
        [out, in].
    scale
        [out].
    """
    rows, columns = quantized.shape
    padded = np.zeros((-(-rows // 16) * 16, -(-columns // 4) * 4), dtype=np.int8)
    padded[:rows, :columns] = quantized
    blocks = padded.reshape(padded.shape[0] // 16, 16, padded.shape[1] // 4, 4).transpose(0, 2, 1, 3)
    padded_scale = np.zeros(padded.shape[0], dtype=np.float32)
    padded_scale[:rows] = scale
    return PackedMatrix(
        np.ascontiguousarray(blocks).reshape(*blocks.shape[:2], 64),
        padded_scale,
        padded.sum(axis=1, dtype=np.int32),
    )


def unpack(matrix: PackedMatrix, rows: int, columns: int) -> NDArray[np.float32]:
    """Return the weights [rows, columns] that a packed matrix stands for."""
    groups, quads, _ = matrix.blocks.shape
    padded = matrix.blocks.reshape(groups, quads, 16, 4).transpose(0, 2, 1, 3).reshape(groups * 16, quads * 4)
    weights: NDArray[np.float32] = padded.astype(np.float32) * matrix.scale[:, None]
    return weights[:rows, :columns]
