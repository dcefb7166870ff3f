"""Measurements and reports of amptorch; imports the product, never the reverse."""
