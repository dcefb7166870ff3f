"""The generator of aluminium: the same frames for the same seed, of what they say."""

from __future__ import annotations

import numpy as np
from ase.calculators.emt import EMT

from datasets.aluminium import generate as command


def test_trajectories_are_those_of_their_seed(monkeypatch):
    monkeypatch.setattr(command, "MELT", 2)
    monkeypatch.setattr(command, "SETTLE", 2)
    monkeypatch.setattr(command, "APART", 2)
    for state in ((0, "solid", 300.0), (5, "liquid", 1500.0)):
        one, same, other = (command.trajectory(state, seed, 2, 2) for seed in (3, 3, 4))
        for a, b, c in zip(one, same, other, strict=True):
            np.testing.assert_array_equal(a.positions, b.positions)
            assert np.abs(a.positions - c.positions).max() > 0
        energy, forces = one[-1].get_potential_energy(), one[-1].get_forces()
        assert one[-1].info == {"group": state[1], "temperature": state[2]}
        one[-1].calc = EMT()
        np.testing.assert_allclose(energy, one[-1].get_potential_energy(), rtol=1e-10)
        np.testing.assert_allclose(forces, one[-1].get_forces(), atol=1e-8)


def test_temperatures_go_from_10_to_1700():
    plan = command.temperatures(15)
    kelvin = [each for _, each in plan]
    assert (min(kelvin), max(kelvin), len(plan)) == (10.0, 1700.0, 15)
    assert {phase for phase, each in plan if each > 1000} == {"liquid"}
