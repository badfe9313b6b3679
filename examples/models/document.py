"""What the scripts write into documents: tables, between two marks that stay, of figures with their errors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import stdev


def standard_error(values: Sequence[float]) -> float | None:
    """Return the standard error of a mean; `None` of one value, which tells nothing of it."""
    return float(stdev(values)) / len(values) ** 0.5 if len(values) > 1 else None


def with_error(value: str, error: float | None, digits: int) -> str:
    """Return a figure with its standard error, where it has one."""
    return value if error is None else f"{value} ± {error:.{digits}f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], rule: str = "---") -> str:
    """Return a Markdown table; `rule` stands below every column but the first."""
    lines = [head, ["---", *[rule] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def replaced(document: str, begin: str, end: str, content: str) -> str:
    """Return a document with other content between two marks.

    Raises
    ------
    ValueError
        If it lacks one of them.
    """
    before, begun, rest = document.partition(begin)
    _, ended, after = rest.partition(end)
    if not (begun and ended):
        missing = end if begun else begin
        raise ValueError(
            f"the document lacks the mark {missing.strip()!r}: put it back, on a line of its own"
        )
    return before + begin + content + end + after
