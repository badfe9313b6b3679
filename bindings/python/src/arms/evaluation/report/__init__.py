"""An evaluation for people: tables in the terminal, and one HTML file with the plots in it."""

from arms.evaluation.report.html import html_report
from arms.evaluation.report.sections import Section, sections
from arms.evaluation.report.terminal import terminal_report

__all__ = ["Section", "html_report", "sections", "terminal_report"]
