"""An evaluation as one HTML file that needs nothing else: no script, no network."""

from __future__ import annotations

import base64
from html import escape

from arms.errors import UnsupportedError
from arms.evaluation.evaluation import Evaluation
from arms.evaluation.report.sections import Section, sections

__all__ = ["html_report"]

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2.5rem; font-size: 1.1rem; }
.verdict { border-left: 5px solid #888; padding: .5rem 1rem; background: #f5f5f5; }
.better { border-color: #009E73; } .worse { border-color: #D55E00; }
.undecided { border-color: #E69F00; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem .2rem 0; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; }
tr.strong { font-weight: 600; }
img { max-width: 100%; }
figure { margin: 1.5rem 0; } figcaption, .note { color: #555; font-size: .9rem; }
"""


def html_report(evaluation: Evaluation) -> str:
    """Write an evaluation as HTML: the verdict, the tables, and the plots as embedded SVG.

    Parameters
    ----------
    evaluation
        Of `evaluate`. Names in it are text, whatever characters they hold.

    Raises
    ------
    UnsupportedError
        If matplotlib is not installed.
    """
    try:
        from arms.plots.evaluation_plots import evaluation_plots
        from arms.plots.style import svg
    except ImportError as error:
        raise UnsupportedError(
            "the HTML report needs matplotlib: pip install 'arms[evaluation]'"
        ) from error

    data, verdict = evaluation.data, evaluation.verdict
    title = escape(f"Evaluation of {evaluation.router}")
    plots = "".join(
        _figure(name, svg(draw())) for name, draw in evaluation_plots(evaluation).items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f"<p>{data.queries} queries in {data.groups} groups, {len(data.models)} models; "
        f"{100 * data.answerable:.1f} % of the queries are answered by some model. "
        f"Baselines were fitted on {data.training_queries} training queries. Standard errors by "
        f"{evaluation.replicates} bootstrap replicates over groups, seed {evaluation.seed}.</p>"
        f'<div class="verdict {verdict.judgement}"><p><b>{escape(verdict.sentence)}</b></p><ul>'
        + "".join(f"<li>{escape(comparison.sentence)}</li>" for comparison in verdict.comparisons)
        + "</ul></div>"
        + "".join(_table(section) for section in sections(evaluation))
        + f"<h2>Plots</h2>{plots}"
        + "".join(f'<p class="note">{escape(note)}</p>' for note in evaluation.notes)
        + "</body></html>\n"
    )


def _table(section: Section) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in section.columns)
    body = "".join(
        ('<tr class="strong">' if place in section.strong else "<tr>")
        + "".join(f"<td>{escape(cell)}</td>" for cell in row)
        + "</tr>"
        for place, row in enumerate(section.rows)
    )
    return (
        f'<h2>{escape(section.title)}</h2><div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figure(name: str, image: bytes) -> str:
    # As an image, not inline: its ids cannot clash with another's, and nothing in it can run.
    source = base64.b64encode(image).decode()
    return (
        f'<figure><img alt="{escape(name)}" src="data:image/svg+xml;base64,{source}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
    )
