"""int8 quantisation of weights and the layout in which the kernels read them.

Outliers. A few channels of a LayerNorm's output can be many times larger than the rest, and an
activation row has one scale, so they cost all the others their precision. What is done about it
needs no data and costs nothing at run time: in the pre-norm image encoder a LayerNorm feeds nothing
but the linear layers after it, so a factor per channel is moved from its gamma and beta into those
weights, which changes no value but the input that is quantised (`balance_layer_norm`). On a CLIP
B/32 with six weights of each block's LayerNorms made 60 times larger this lifts the cosine with the
float embedding from .9974 to .9995 in the mean, from .9937 to .9989 at worst, in a simulation of
the arithmetic. With every LayerNorm so changed, those outside the blocks too, the engine reaches
.9986 and .9925 (Tests/Parity/int8_parity.py).

The text encoder is post-norm: its LayerNorms feed the residual too, so a factor would need a
multiply before each quantisation (``.smooth``). On MiniLM the same factors lowered the cosine
(.9991 against .9992 in the mean, .9983 against .9984 at worst, over 1,000 questions), so none is
written. The format allows it all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray


class PackedMatrix(NamedTuple):
    """An int8 matrix [out, in] as in the file; O and I are out and in, padded to 16 and 4."""

    blocks: NDArray[np.int8]
    """[O / 16, I / 4, 64]; byte b of a group is output b // 4, input b % 4 of it."""
    scale: NDArray[np.float32]
    """[O]; weight = int8 * scale of its output channel, 0 for padding."""
    colsum: NDArray[np.int32]
    """[O]; the sum of a channel's int8 values."""


_DEVIATIONS: Final = 3.0
"""A LayerNorm's output channel is taken to reach abs(beta) + this many times abs(gamma)."""


def balance_layer_norm(
    gamma: NDArray[np.float32], beta: NDArray[np.float32], weights: Sequence[NDArray[np.float32]]
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[NDArray[np.float32]]]:
    """Move large channels of a LayerNorm's output into the linear layers that read it.

    The linear layers' outputs stay what they are. The factor of a channel is the one of SmoothQuant
    (arXiv 2211.10438, alpha 0.5), sqrt(largest weight / largest activation), but the activation's
    largest value comes from gamma and beta alone: a normalised channel seldom exceeds three
    deviations.

    Parameters
    ----------
    gamma, beta
        [in], of the LayerNorm.
    weights
        Each [out, in], of all layers that read it.

    Returns
    -------
    tuple
        gamma, beta and the weights to use instead.
    """
    activation = _DEVIATIONS * np.abs(gamma) + np.abs(beta)
    weight = np.max([np.abs(one).max(axis=0) for one in weights], axis=0)
    # A channel that is always 0 or never read keeps its factor at 1.
    usable = (activation > 1e-12) & (weight > 1e-12)
    logarithm = np.zeros_like(gamma, dtype=np.float64)
    logarithm[usable] = 0.5 * (np.log(weight[usable]) - np.log(activation[usable]))
    if usable.any():
        logarithm[usable] -= logarithm[usable].mean()
    factor = np.exp(logarithm).astype(np.float32)
    return gamma * factor, beta * factor, [one / factor for one in weights]


def quantize_rows(values: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Quantise each row to int8 with a scale of its own: row ~ int8 * scale.

    The largest value of a row becomes 127 or -127. Scales of least squared error were tried: on
    MiniLM they gained .00001 in the mean cosine, so they are not worth their code.

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
    # Below the smallest normal number a quotient by the scale could exceed 127 or be infinite.
    scale[scale < np.finfo(np.float32).tiny] = 0
    divisor = np.where(scale > 0, scale, np.float32(1))
    quantized: NDArray[np.int8] = np.clip(np.rint(values / divisor[:, None]), -127, 127).astype(
        np.int8
    )
    quantized[scale == 0] = 0
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
    blocks = padded.reshape(padded.shape[0] // 16, 16, padded.shape[1] // 4, 4).transpose(
        0, 2, 1, 3
    )
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
    padded = (
        matrix.blocks.reshape(groups, quads, 16, 4)
        .transpose(0, 2, 1, 3)
        .reshape(groups * 16, quads * 4)
    )
    weights: NDArray[np.float32] = padded.astype(np.float32) * matrix.scale[:, None]
    return weights[:rows, :columns]
