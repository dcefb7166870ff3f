"""Families of potentials, a folder each, and what a trained potential is."""
