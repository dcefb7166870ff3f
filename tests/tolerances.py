"""Named tolerances of the tests: how far two ways to the same number may be apart, and why."""

from __future__ import annotations

import torch

GOLDEN_FINGERPRINT = 1e-10
"""Relative to the golden value; another order of summation in float64."""

GOLDEN_PRIME = 1e-9
"""Relative to the golden value; primes hold differences of nearly equal terms."""

GOLDEN_PRIME_FLOOR = 1e-12
"""Relative to the largest prime of the feature: smaller ones are what is left of larger terms."""

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

ENERGY_RMSE = 1e-9
"""Relative: energy errors of fits in float64 that differ in the order of summation only. Measured
1e-15 to 5e-15 after 30 epochs; the rest is for what adaptive steps make of gradients near zero."""

ENERGY_RMSE_FLOAT32 = 2e-5
"""Relative: energy errors of a fit in float32 against one in float64. Each of 30 epochs rounds by
6e-8, in all 2e-6 if it all goes one way, times a few for sums over atoms; measured 5e-7, and up to
3e-6 at other learning rates and numbers of epochs."""

DEMO_ENERGY = 0.0105
"""eV/atom, RMSE of the test frames of the demo after 12 epochs; three seeds gave 0.0067 to 0.0079.
In float32 another machine is as good as another seed."""

DEMO_FORCES = 0.17
"""eV/Å, likewise; three seeds gave 0.109 to 0.133."""

GOLDEN_ENERGY = 1e-10
"""Relative to the largest energy: n2p2's float64 in another order, and scaled by small deviations."""

GOLDEN_FORCES = 1e-9
"""Relative to the largest component of a force, likewise."""

ROUND_TRIP = 1e-10
"""Relative: a potential whose scaling, mask and units were multiplied into other numbers."""

PLUGIN = {torch.float64: 1e-10, torch.float32: 1e-4}
"""Relative to the largest value: LAMMPS, whose cells are turned and whose images are atoms, against this
package; what was trained in float32 is computed in float64 there."""

GOLDEN_ACE = 1e-10
"""Relative to the largest value: energies and forces with exact radial functions in another order of
summation; measured 1e-13 in close contacts."""

GOLDEN_ACE_PARAMETERS = 5e-9
"""Relative to the largest entry: central differences with one Richardson step of another program."""
