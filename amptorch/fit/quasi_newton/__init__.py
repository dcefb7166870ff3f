"""Fits of ACE potentials that are not linear, by a quasi-Newton method on all frames."""
