"""What runs in LAMMPS conserve, from rows of which the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from profiling.md_runs import Conserved, without_steps


def run_of(timestep: float, drift: float) -> Conserved:
    """Of rows that drift, with a part and an oscillation that go with the square of the step."""
    times = np.linspace(0.0, 3.0, 501)
    of_steps = timestep**2 * (40.0 * times + 10.0 * np.sin(400.0 * times))
    return Conserved.of(times, -5e3 + drift * times + of_steps, 300.0, 0.25)


@pytest.mark.parametrize("drift", [0.0, -2.0])
def test_a_drift_without_that_of_the_steps(drift: float) -> None:
    whole, half = run_of(0.2, drift), run_of(0.1, drift)
    assert whole.drift == pytest.approx(drift + 40.0 * 0.2**2, abs=4 * whole.error + 1e-12)
    found, error = without_steps(whole, half)
    assert found == pytest.approx(drift, abs=4 * error)
    assert error < 0.02
    assert (half.temperature, half.outside) == (300.0, 0.25)
