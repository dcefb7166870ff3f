"""Plain torch references: the equations as written, for any device, differentiable at will."""
