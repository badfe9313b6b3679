"""An evaluation in the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from arms._printable import printable
from arms.evaluation.evaluation import Evaluation
from arms.evaluation.report.sections import Section, sections

__all__ = ["terminal_report"]

_STYLES = {"better": "bold green", "worse": "bold red", "undecided": "bold yellow"}


def terminal_report(evaluation: Evaluation) -> Group:
    """Return the tables of an evaluation, the verdict last: there it is read.

    Parameters
    ----------
    evaluation
        Of `evaluate`.
    """
    data, verdict = evaluation.data, evaluation.verdict
    parts: list[RenderableType] = [
        Text(
            f"{data.queries} queries in {data.groups} groups, {len(data.models)} models; "
            f"{100 * data.answerable:.1f} % of the queries are answered by some model."
        )
    ]
    for section in sections(evaluation):
        # The title stands apart: a table breaks one that is wider than itself.
        parts += [Text(), Text(section.title, style="bold"), _table(section)]
    parts += [Text(), Text(printable(verdict.sentence), style=_STYLES[verdict.judgement])]
    parts += [Text(f"  {printable(comparison.sentence)}") for comparison in verdict.comparisons]
    parts += [Text(), *(Text(f"Note: {printable(note)}", style="dim") for note in evaluation.notes)]
    return Group(*parts)


def _table(section: Section) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, column in enumerate(section.columns):
        table.add_column(Text(printable(column)), justify="right" if place else "left")
    for place, row in enumerate(section.rows):
        style = "bold" if place in section.strong else None
        table.add_row(*(Text(printable(cell)) for cell in row), style=style)
    return table
