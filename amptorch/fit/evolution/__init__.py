"""Fitting by evolution: a population of parameters that moves where the losses are least."""
