"""Named tolerances of the tests: how far two ways to the same number may be apart, and why."""

from __future__ import annotations

import torch

GOLDEN_FINGERPRINT = 1e-10
"""Relative to the golden value; another order of summation in float64."""

GOLDEN_PRIME = 1e-9
"""Relative to the golden value; primes hold differences of nearly equal terms."""

GOLDEN_FLOOR = 1e-12
"""Absolute; under this a golden value is rounding noise."""

KERNEL = {torch.float64: 1e-12, torch.float32: 2e-5}
"""Kernel against reference at the same precision, relative to the largest value."""

FINITE_DIFFERENCE = 1e-7
"""Central differences in float64 with a step of about 1e-5 Å, relative to the largest value."""

SYMMETRY = 1e-12
"""Rotations and permutations in float64, relative to the largest value."""

WEIGHTED = 1e-12
"""Relative: an element-weighted function and the sum it is, in another order, of positive terms."""
