"""The atomic cluster expansion: polynomials of the neighbour density of any order."""
