"""Networks on fingerprints: Behler-Parrinello and single networks."""
