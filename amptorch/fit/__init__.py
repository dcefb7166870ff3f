"""Training: nets, losses, optimizers, and what happens around the epochs."""
