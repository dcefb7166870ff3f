"""Reports of measurements: JSON, Markdown and one HTML page that needs no network."""

from amptorch.report.sections import Table

from .document import Report
from .parts import Check, Data, Figure, Listing, Measurement, Section

__all__ = ["Check", "Data", "Figure", "Listing", "Measurement", "Report", "Section", "Table"]
