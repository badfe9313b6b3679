"""What the scripts write into documents: tables, between two marks that stay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]], rule: str = "---") -> str:
    """Return a Markdown table; `rule` stands below every column but the first."""
    lines = [head, ["---", *[rule] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replaced(document: str, begin: str, end: str, content: str) -> str:
    """Return a document with other content between two marks."""
    before, rest = document.split(begin, 1)
    after = rest.split(end, 1)[1]
    return before + begin + content + end + after
