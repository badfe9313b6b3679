"""One look for all plots: readable in print, in grey and to the colour-blind."""

from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from arms._output import replacing
from arms.errors import InvalidArgumentError

__all__ = [
    "COLOURS",
    "HATCHES",
    "MARKERS",
    "OWN",
    "check_shares",
    "figure",
    "kind_of",
    "png",
    "save",
    "short",
    "styled",
    "svg",
]

_P = ParamSpec("_P")

COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#666666")
"""Okabe and Ito's colours, which the colour-blind tell apart."""

OWN: Final = "#D55E00"
"""The colour of the evaluated router, wherever it stands beside others."""

MARKERS: Final = ("o", "^", "s", "D", "v", "P", "X", "*")
HATCHES: Final = ("", "///", "...", "\\\\\\", "xxx", "++")

_STYLE: Final[Any] = {
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "hatch.linewidth": 0.6,
    "pdf.fonttype": 42,
    "svg.hashsalt": "arms",
    # Names are plain text, dollars in them too.
    "text.parse_math": False,
}


def styled(plot: Callable[_P, Figure]) -> Callable[_P, Figure]:
    """Draw a plot in the style of this module, and leave the caller's own as it is."""

    @functools.wraps(plot)
    def drawn(*args: _P.args, **kwargs: _P.kwargs) -> Figure:
        with mpl.rc_context(_STYLE):
            result = plot(*args, **kwargs)
            # Some artists are made at the first drawing, which must see the style too.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Glyph .* missing")
                result.draw_without_rendering()
            return result

    return drawn


def figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure of one panel, in inches, that no global state knows."""
    made = Figure(figsize=(width, height))
    FigureCanvasAgg(made)
    return made, made.subplots()


def save(plot: Figure, path: str | Path) -> None:
    """Write a figure in one step; the name's ending says as what: png, pdf or svg.

    Raises
    ------
    ValueError
        If the ending is another one.
    """
    path = Path(path)
    kind = kind_of(path)
    with replacing(path) as aside:
        aside.write_bytes(_drawn(plot, kind))


def kind_of(path: Path) -> str:
    """Return what a figure's name says that it is.

    Raises
    ------
    ValueError
        If it is none of png, pdf and svg.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in ("png", "pdf", "svg"):
        raise ValueError(f"{path}: the name of a plot must end in .png, .pdf or .svg")
    return kind


def png(plot: Figure) -> bytes:
    """Return a figure as PNG."""
    return _drawn(plot, "png")


def svg(plot: Figure) -> bytes:
    """Return a figure as SVG: the same figure, the same bytes."""
    return _drawn(plot, "svg")


def _drawn(plot: Figure, kind: str) -> bytes:
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
    buffer = io.BytesIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # A name may be in a script that the font lacks; it is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        plot.savefig(buffer, format=kind, metadata=undated.get(kind))
    return buffer.getvalue()


def check_shares(shares: Sequence[float]) -> None:
    """Refuse shares that were given in percent, or as numbers of queries.

    Raises
    ------
    InvalidArgumentError
        If one is not from 0 to 1.
    """
    for share in shares:
        if not 0 <= share <= 1:
            raise InvalidArgumentError(
                f"{share:g} is no share of the training data: expected 0 to 1, 0.2 for 20 %"
            )


def short(name: str, limit: int = 28) -> str:
    """Shorten a name in its middle, where names differ least."""
    if len(name) <= limit:
        return name
    head = (limit - 1) * 2 // 3
    return f"{name[:head]}…{name[len(name) - (limit - 1 - head) :]}"
