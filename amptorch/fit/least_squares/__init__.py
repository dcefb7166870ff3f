"""Least-squares fits of models that are linear in their coefficients."""
