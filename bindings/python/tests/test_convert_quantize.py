"""int8 quantisation: packed layout, column sums, scales, balancing of LayerNorms."""

from __future__ import annotations

import numpy as np
import pytest

from arms.convert.quantize import balance_layer_norm, pack, quantize_rows, unpack


@pytest.mark.parametrize(("rows", "columns"), [(16, 4), (1, 1), (17, 5), (48, 64), (15, 3)])
def test_packed_bytes_lie_where_the_kernels_look(rows: int, columns: int) -> None:
    generator = np.random.default_rng(0)
    quantized = generator.integers(-127, 128, (rows, columns)).astype(np.int8)
    scale = generator.uniform(0.1, 1, rows).astype(np.float32)
    matrix = pack(quantized, scale)
    groups, quads, _ = matrix.blocks.shape
    for group in range(groups):
        for quad in range(quads):
            for byte in range(64):
                row, column = 16 * group + byte // 4, 4 * quad + byte % 4
                expected = quantized[row, column] if row < rows and column < columns else 0
                assert matrix.blocks[group, quad, byte] == expected
    assert matrix.colsum[:rows].tolist() == quantized.astype(int).sum(axis=1).tolist()
    assert not matrix.colsum[rows:].any()
    assert not matrix.scale[rows:].any()
    np.testing.assert_array_equal(unpack(matrix, rows, columns), quantized * scale[:, None])


def test_quantised_rows_are_close() -> None:
    weights = np.random.default_rng(1).normal(size=(32, 256)).astype(np.float32)
    quantized, scale = quantize_rows(weights)
    relative = np.linalg.norm(quantized * scale[:, None] - weights, axis=1) / np.linalg.norm(
        weights, axis=1
    )
    assert relative.max() < 0.01


def test_largest_value_of_a_row_is_exact() -> None:
    weights = np.random.default_rng(2).standard_t(3, size=(64, 128)).astype(np.float32)
    quantized, scale = quantize_rows(weights)
    assert (np.abs(quantized).max(axis=1) == 127).all()
    np.testing.assert_allclose(127 * scale, np.abs(weights).max(axis=1), rtol=1e-6)
    assert (np.abs(quantized * scale[:, None] - weights) <= scale[:, None] * 0.5001).all()


def test_tiny_values_become_zeros() -> None:
    quantized, scale = quantize_rows(np.array([[1e-39, -1e-44], [1e-30, 0]], dtype=np.float32))
    assert quantized.tolist() == [[0, 0], [127, 0]]
    assert scale[0] == 0


def test_row_of_zeros() -> None:
    quantized, scale = quantize_rows(np.zeros((2, 8), dtype=np.float32))
    assert not quantized.any()
    assert not scale.any()


def test_range_is_symmetric() -> None:
    quantized, _ = quantize_rows(np.array([[-1.0, 0.5], [1.0, -0.5]], dtype=np.float32))
    assert quantized.min() >= -127


def test_balance_changes_no_output() -> None:
    generator = np.random.default_rng(3)
    gamma, beta = generator.normal(size=(2, 24)).astype(np.float32)
    gamma[5] *= 60
    gamma[7] = beta[7] = 0
    weights = [generator.normal(size=(8, 24)).astype(np.float32) for _ in range(3)]
    normalised = generator.normal(size=(10, 24)).astype(np.float32)
    new_gamma, new_beta, new_weights = balance_layer_norm(gamma, beta, weights)
    for old, new in zip(weights, new_weights, strict=True):
        before = (normalised * gamma + beta) @ old.T
        np.testing.assert_allclose(
            (normalised * new_gamma + new_beta) @ new.T, before, rtol=1e-4, atol=1e-3
        )
    assert np.abs(new_gamma).max() / np.median(np.abs(new_gamma)) < np.abs(gamma).max() / np.median(
        np.abs(gamma)
    )
