"""What an import's rows lack, to be told at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from arms.data.images import is_there
from arms.data.schema import Row, images_of

_NAME_LENGTH: Final = 200


@dataclass(slots=True)
class ImportReport:
    """What an import's rows lack.

    Attributes
    ----------
    unlabelled
        Rows without a label.
    missing
        Images that do not exist where they were looked for first.
    """

    unlabelled: int = 0
    missing: set[str] = field(default_factory=set)
    # Each model has a row with the same image.
    _found: set[str] = field(default_factory=set, repr=False)

    def add(self, row: Row) -> None:
        """Count a row whose images are named relative to the working folder."""
        self.unlabelled += row.label is None
        for image in images_of(row):
            if image not in self._found and image not in self.missing:
                found = "://" in image or is_there(Path(image))
                (self._found if found else self.missing).add(image)

    def __str__(self) -> str:
        """Say it in one line, which is empty if the rows lack nothing."""
        parts = []
        if self.missing:
            # A cell may hold the image itself.
            example = min(self.missing)[:_NAME_LENGTH]
            parts.append(
                f"{len(self.missing):,} images do not exist, such as {example}: "
                "--images names the folder to look in"
            )
        if self.unlabelled:
            parts.append(f"{self.unlabelled:,} rows have no label: `arms data label` marks them")
        return "; ".join(parts)
