"""The torch operators of all stems under autograd: what their own tests do not look at."""

from __future__ import annotations

import sys

import pytest

from amptorch.kernels import symmetry_functions

from ..processes import Start, answer
from . import force_training, test_gmp, test_symmetry_functions


@pytest.mark.parametrize("case", ["g2_g4_cosine", "g5"])
@pytest.mark.parametrize("system", ["water_molecule", "pdo_box"])
def test_training_on_forces_with_symmetry_functions(system: str, case: str) -> None:
    environment = test_symmetry_functions.environment_of(system)
    functions = test_symmetry_functions.functions_for(environment, case)
    operators = test_symmetry_functions.OPERATORS
    force_training.assert_close(
        force_training.gradients(operators, environment, functions),
        force_training.gradients(operators.reference, environment, functions),
    )


@pytest.mark.parametrize("case", ["solid", "surface_roots"])
@pytest.mark.parametrize("system", ["water_molecule", "pdo_box"])
def test_training_on_forces_with_multipoles(system: str, case: str) -> None:
    environment, symbols = test_gmp.environment_of(system)
    multipoles = test_gmp.CASES[case].multipoles(symbols)
    force_training.assert_close(
        force_training.gradients(test_gmp.OPERATORS, environment, multipoles),
        force_training.gradients(test_gmp.REFERENCE, environment, multipoles),
    )


def first_call() -> bool:
    """Whether it imports the compiler of torch."""
    environment = test_symmetry_functions.environment_of("water_molecule")
    vectors = environment.vectors.clone().requires_grad_()
    functions = test_symmetry_functions.functions_for(environment, "g2_g4_cosine")
    features = symmetry_functions.forward(environment.with_vectors(vectors), functions)
    features.sum().backward()
    assert vectors.grad.abs().max() > 0
    return "torch._dynamo" in sys.modules


def test_first_call_does_not_import_the_compiler_of_torch(start: Start) -> None:
    """Which takes seconds; a process of its own, as any other test may have imported it."""
    assert not answer(start, first_call)
