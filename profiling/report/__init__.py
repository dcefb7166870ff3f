"""Reports of measurements: JSON, Markdown and one HTML page that needs no network."""

from .document import Check, Data, Figure, Measurement, Report, Section
from .table import Table

__all__ = ["Check", "Data", "Figure", "Measurement", "Report", "Section", "Table"]
