"""Reports of a fit: errors, figures, JSON, text, Markdown and one HTML page."""

from .errors import Evaluation, Parity
from .fit import Part, training_parts, write_report
from .predicting import evaluate
from .sections import errors_table
from .text import summary

__all__ = [
    "Evaluation",
    "Parity",
    "Part",
    "errors_table",
    "evaluate",
    "summary",
    "training_parts",
    "write_report",
]
