"""Frames of solid and liquid aluminium, made by ``python -m datasets.aluminium.generate``."""
