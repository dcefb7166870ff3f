"""Reports of measurements: JSON, Markdown and one HTML page that needs no network."""

from amptorch.report.sections import Table

from .document import Report, default_folder
from .parts import Check, Data, Figure, Listing, Measurement, Section
from .terminal import finish, typed

__all__ = [
    "Check",
    "Data",
    "Figure",
    "Listing",
    "Measurement",
    "Report",
    "Section",
    "Table",
    "default_folder",
    "finish",
    "typed",
]
