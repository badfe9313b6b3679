"""The one error that a conversion raises on purpose."""

from __future__ import annotations


class ConversionError(ValueError):
    """A checkpoint cannot be converted; the message names the file and the field."""
