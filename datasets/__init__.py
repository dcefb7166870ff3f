"""Data sets for examples, tests and benchmarks of amptorch; not part of the installed package."""
