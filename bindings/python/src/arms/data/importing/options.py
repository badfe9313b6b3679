"""What a format leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a format leaves open.

    Attributes
    ----------
    constants
        Fields of all rows that the files do not say, such as ``{"language": "en"}``.
    columns
        Name of the column of each field; for the formats of plain tables alone.
    images
        Folder in which to look for images.
    threshold
        The score from which on an output counts as right. By default 1, and a score above 1 is
        refused, since its scale is not known.
    metric
        The metric that says whether an output is right; for HELM alone.
    """

    constants: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    images: Path | None = None
    threshold: float | None = None
    metric: str | None = None
