"""Figures of a report as SVG, which browsers draw in the colours of their light or dark mode."""
