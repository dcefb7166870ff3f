"""Reports of a fit: errors, plots, JSON, Markdown and one HTML page."""

from .errors import Evaluation, Parity, evaluate
from .fit import Part, training_parts, write_report
from .markdown import table
from .sections import errors_table


def summary(report: dict) -> str:
    """The table of errors of a report, as Markdown."""
    return table(errors_table(report["errors"]))


__all__ = [
    "Evaluation",
    "Parity",
    "Part",
    "evaluate",
    "summary",
    "training_parts",
    "write_report",
]
