"""Search over families of potentials: trials of configurations, and what came of them."""
