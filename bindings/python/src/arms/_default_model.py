"""The model file that comes with the package."""

from __future__ import annotations

from pathlib import Path

from arms.errors import FileError

__all__ = ["default_model"]


def default_model() -> Path:
    """Return the path of the default router's model file.

    It lies in the wheel, or in ``examples/models`` of the checkout that this package lies in. The
    model card beside it says what it was trained on and where not to trust it.

    Raises
    ------
    FileError
        If the package was put together without it.
    """
    package = Path(__file__).parent
    # bindings/python/src/arms -> the repository's root, if this is a checkout at all.
    for folder in (package, *(root / "examples" for root in package.parents[3:4])):
        path = folder / "models" / "default.gguf"
        if path.is_file():
            return path
    raise FileError(
        "this package has no default model: install a released wheel, or give a model file"
    )
