"""Vectors of queries in the plane, by t-SNE (Fig. 6)."""

from __future__ import annotations

import importlib

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from arms.errors import InvalidArgumentError, UnsupportedError
from arms.evaluation.outcomes import Floats, Texts
from arms.plots.style import COLOURS, MARKERS, figure, short, styled

__all__ = ["project", "projection"]

_CLASSES = 20


def project(vectors: Floats, *, perplexity: float = 30, seed: int = 0) -> Floats:
    """Bring vectors into the plane by t-SNE (van der Maaten and Hinton 2008).

    Parameters
    ----------
    vectors
        ``[queries, d]``.
    perplexity
        How many neighbours count; less for few queries.
    seed
        Same seed, same vectors: same plane.

    Returns
    -------
    ndarray
        ``[queries, 2]``; only who is near whom has a meaning.

    Raises
    ------
    InvalidArgumentError
        If there are fewer than 4 vectors, or one is not finite.
    UnsupportedError
        If scikit-learn is not installed.
    """
    values = np.asarray(vectors, np.float64)
    if values.ndim != 2 or len(values) < 4 or not np.isfinite(values).all():
        raise InvalidArgumentError(
            f"vectors has shape {list(values.shape)}: expected at least 4 finite ones, [queries, d]"
        )
    try:
        manifold = importlib.import_module("sklearn.manifold")
    except ImportError as error:
        raise UnsupportedError(
            "t-SNE needs scikit-learn: pip install 'arms[evaluation]'"
        ) from error
    tsne = manifold.TSNE(
        perplexity=min(perplexity, (len(values) - 1) / 3), init="random", random_state=seed
    )
    return np.asarray(tsne.fit_transform(values.astype(np.float32)), np.float64)


@styled
def projection(points: Floats, classes: Texts, label: str) -> Figure:
    """Draw points in the plane, one colour and marker a class.

    Parameters
    ----------
    points
        ``[queries, 2]``, of `project`.
    classes
        ``[queries]``: the chosen model, or the benchmark. Beyond 20 the rarest are "other".
    label
        What the classes are.
    """
    names, counts = np.unique(classes, return_counts=True)
    order = names[np.argsort(-counts, kind="stable")]
    drawn, axes = figure(6.6, 4.4)
    for place, name in enumerate(order[:_CLASSES]):
        # Twenty classes: seven colours in turn, and another marker in each turn.
        _scatter(
            axes,
            points[classes == name],
            short(str(name) or "(none)"),
            COLOURS[place % 7],
            MARKERS[place // 7],
        )
    rest = ~np.isin(classes, order[:_CLASSES])
    if rest.any():
        _scatter(axes, points[rest], "other", "#bbbbbb", ".")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    drawn.legend(loc="outside right upper", title=label, markerscale=1.8)
    return drawn


def _scatter(
    axes: object, points: NDArray[np.float64], name: str, colour: str, marker: str
) -> None:
    axes.scatter(  # type: ignore[attr-defined]
        *points.T,
        s=14,
        color=colour,
        marker=marker,
        linewidths=0,
        alpha=0.75,
        label=name,
        rasterized=True,
    )
