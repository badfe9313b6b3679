"""Text from outside, as a terminal may have it."""

from __future__ import annotations

from typing import Final

_OBEYED: Final = {
    code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"
}


def printable(text: str) -> str:
    """Replace control characters: a terminal would do what they say, move the cursor for one."""
    return text.translate(_OBEYED)
