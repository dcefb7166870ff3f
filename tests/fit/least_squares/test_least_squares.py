"""The least-squares fit against numpy and scikit-learn on all rows at once, from the configuration."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from amptorch import AtomsTrainer
from amptorch.data.frame import collate
from amptorch.errors import Diverged
from amptorch.fit.base import Run
from amptorch.fit.least_squares import solvers
from amptorch.fit.least_squares.fit import LeastSquares
from amptorch.fit.least_squares.problem import Problem
from amptorch.potentials.model import LinearModel

from ...made_potentials import GMP_ORDER_NORM, alloy_frames, config, with_emt
from ...systems import water_on_cu

pytestmark = [
    pytest.mark.filterwarnings("ignore::amptorch.preprocessing.scaling.NotAdditiveWarning"),
    pytest.mark.filterwarnings("ignore::amptorch.preprocessing.utils.ExtrapolationWarning"),
]

FRAMES = alloy_frames(8)
for _place, _image in enumerate(FRAMES):
    _image.info["group"] = "odd" if _place % 2 else "even"
    # Any numbers do.
    _image.calc.results["stress"] = 0.01 * np.random.default_rng(_place).normal(size=6)
ACE = {"cutoff": 4.0, "n_radial": 8, "l_max": 2}
SMALL = {"default": {"G2": {"etas": [0.05, 1.0, 4.0], "rs_s": [0.0]}, "cutoff": 5.0}}


def trained(
    tmp_path: Any, optim: dict[str, Any], name: str = "linear", **dataset: Any
) -> AtomsTrainer:
    made = config(dataset.pop("frames", FRAMES), tmp_path, dataset={"fp_params": SMALL, **dataset})
    made["model"], made["optim"] = {"name": name}, optim
    trainer = AtomsTrainer(made)
    trainer.train()
    return trainer


def system(trainer: AtomsTrainer, weights: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """A and b, row by row; ``weights`` gives those of a frame's energy, forces and stress."""
    rows, targets = [], []
    for image in trainer.train_dataset:
        batch, n = collate([image]), image.num_nodes
        found = LinearModel.rows(trainer.model, batch)
        energy, forces, stress = (100.0, 1.0, 0.0) if weights is None else weights(image)
        rows += [energy * found.energies / n, forces * found.forces]
        targets += [energy * batch.energy / n, forces * batch.forces.flatten()]
        if stress:
            rows.append(stress * found.virials / batch.volume)
            targets.append(stress * batch.stress.flatten())
    return torch.cat(rows).numpy(), torch.cat(targets).numpy()


def coefficients(trainer: AtomsTrainer) -> np.ndarray:
    return trainer.model.coefficients.detach().numpy()


@pytest.mark.parametrize("derivatives", ["cached", "on_the_fly"])
@pytest.mark.parametrize(
    ("name", "scheme", "params"),
    [
        ("linear", "gaussian", SMALL),
        ("quadratic", "gaussian", SMALL),
        ("quadratic", "gmpordernorm", {**GMP_ORDER_NORM, "cutoff": 4.0}),
    ],
)
def test_rows_are_those_of_one_pass_for_each_coefficient(
    tmp_path, name, scheme, params, derivatives
):
    """Of a surface with a molecule, three elements and few pairs for some, beside another frame."""
    moved = water_on_cu()
    moved.positions[-1] += 0.2
    frames = [with_emt(water_on_cu()), with_emt(moved)]
    made = config(frames, tmp_path, cmd={"debug": True})
    made["model"] = {"name": name}
    made["dataset"] |= {"fp_scheme": scheme, "fp_params": params, "derivatives": derivatives}
    made["optim"] = {}
    trainer = AtomsTrainer(made)
    trainer.load()
    batch = collate(list(trainer.train_dataset))
    model = trainer.model
    torch.manual_seed(0)
    with torch.no_grad():
        model.coefficients.copy_(torch.randn_like(model.coefficients))
    found, c = model.rows(batch), model.coefficients.detach()
    energies, forces = (each.detach() for each in model(batch))
    _, slope = model.energies_and_gradient(batch, gradient=True)
    _, virials = batch.primes.forces_and_virials(slope.detach(), batch.batch, len(batch))
    voigt = 0.5 * (virials + virials.transpose(1, 2))[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
    for rows, expected in (
        (found.energies, energies),
        (found.forces, forces.flatten()),
        (found.virials, voigt.flatten()),
    ):
        scale = float((rows.abs() @ c.abs()).max())
        torch.testing.assert_close(rows @ c, expected, rtol=0, atol=1e-12 * scale)
    uneven = batch.primes.scaled(torch.rand_like(batch.fingerprint))  # atoms of an element differ
    for primes in (batch.primes, uneven) if name == "linear" else ():
        batch.primes = primes
        found, slow = model.rows(batch), LinearModel.rows(model, batch)
        torch.testing.assert_close(found.forces, slow.forces, rtol=0, atol=1e-12)
        torch.testing.assert_close(found.virials, slow.virials, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["linear", "quadratic"])
def test_svd_is_numpys_of_all_rows(tmp_path, name):
    """By predictions: of dependent columns only these are fixed."""
    trainer = trained(tmp_path, {"solver": "svd"}, name)
    matrix, targets = system(trainer)
    norms = np.linalg.norm(matrix, axis=0)
    expected = np.linalg.lstsq(matrix / norms, targets, rcond=1e-13)[0] / norms
    found = coefficients(trainer)
    np.testing.assert_allclose(matrix @ found, matrix @ expected, atol=1e-7)
    residual = np.sum((matrix @ expected - targets) ** 2) / len(targets)
    assert trainer.history[0]["train_loss"] == pytest.approx(residual, rel=1e-5, abs=1e-12)


def test_ridge_of_gram_matrices_is_that_of_all_rows(tmp_path):
    """A penalty of columns scaled to norm 1 behind the constants, as rows of its own."""
    alpha = 1e-4
    trainer = trained(tmp_path, {"solver": "ridge", "alpha": alpha})
    matrix, targets = system(trainer)
    constants = trainer.model.constants().numpy()
    others = np.setdiff1d(np.arange(matrix.shape[1]), constants)
    constant = matrix[:, constants]
    rest = matrix[:, others]
    rest = rest - constant @ np.linalg.lstsq(constant, rest, rcond=None)[0]
    penalty = np.zeros((len(others), matrix.shape[1]))
    penalty[np.arange(len(others)), others] = alpha**0.5 * np.linalg.norm(rest, axis=0)
    whole = np.concatenate([matrix, penalty])
    expected = np.linalg.lstsq(whole, np.concatenate([targets, np.zeros(len(others))]), rcond=None)[
        0
    ]
    np.testing.assert_allclose(coefficients(trainer), expected, rtol=1e-6, atol=1e-8)


def test_penalties_grow_with_the_degree_of_functions(tmp_path):
    """As rows of their own, of columns scaled to norm 1 behind the constants."""
    alpha, power = 1e-5, 2.0
    made = config(FRAMES, tmp_path, dataset={"fp_params": ACE, "fp_scheme": "ace"})
    made["dataset"]["scaling"] = {"type": "none"}
    made["model"] = {"name": "linear_ace", "functions": 15}
    made["optim"] = {"fit": "least_squares", "alpha": alpha, "degree_power": power}
    trainer = AtomsTrainer(made)
    trainer.train()
    functions = [each for of in trainer.model.expansion.functions for each in of]
    degrees = np.array([sum(each.ns) + sum(each.ls) for each in functions])
    assert len(set(degrees)) > 3
    matrix, targets = system(trainer)
    constants = trainer.model.constants().numpy()
    others = np.setdiff1d(np.arange(matrix.shape[1]), constants)
    constant, rest = matrix[:, constants], matrix[:, others]
    rest = rest - constant @ np.linalg.lstsq(constant, rest, rcond=None)[0]
    penalty = np.zeros((len(others), matrix.shape[1]))
    sizes = alpha**0.5 * degrees**power * np.linalg.norm(rest, axis=0)
    penalty[np.arange(len(others)), others] = sizes
    whole = np.concatenate([matrix, penalty])
    expected = np.linalg.lstsq(whole, np.concatenate([targets, np.zeros(len(others))]), rcond=None)
    np.testing.assert_allclose(matrix @ coefficients(trainer), matrix @ expected[0], atol=1e-7)
    found = coefficients(trainer)[others] * sizes
    np.testing.assert_allclose(found, expected[0][others] * sizes, atol=1e-7)


@pytest.mark.parametrize(("solver", "ratio"), [("lasso", 1.0), ("elastic_net", 0.5)])
def test_sparse_solutions_are_optimal(solver, ratio):
    """The gradient of the squares is the penalty's where a coefficient is not 0, and no larger
    elsewhere."""
    pytest.importorskip("sklearn")
    matrix, problem = made_problem()
    alpha = 0.02
    (found,) = solvers.path(problem, solver, [alpha], ratio)
    scaled = found.coefficients[2:] * problem.norms / problem.norm
    slope = problem.gram @ scaled - problem.moment + alpha * (1 - ratio) * scaled
    zero = scaled == 0
    assert 0 < int(zero.sum()) < len(zero)
    assert float(slope[zero].abs().max()) <= alpha * ratio * (1 + 1e-6)
    expected = -alpha * ratio * scaled[~zero].sign()
    torch.testing.assert_close(slope[~zero], expected, rtol=1e-5, atol=1e-8)
    residual = matrix[:, -1] - matrix[:, :-1] @ found.coefficients.numpy()
    np.testing.assert_allclose(matrix[:, :2].T @ residual, 0, atol=1e-9)  # constants: no penalty


def test_ard_is_that_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    matrix, problem = made_problem(constants=0)
    (found,) = solvers.path(problem, "ard", [0.0], 0.5)
    norms = np.linalg.norm(matrix, axis=0)
    scaled = matrix / norms
    tiny = dict.fromkeys(("alpha_1", "alpha_2", "lambda_1", "lambda_2"), 1e-30)
    model = linear_model.ARDRegression(
        fit_intercept=False, max_iter=2000, tol=1e-10, threshold_lambda=1e10, **tiny
    )
    model.fit(scaled[:, :-1], scaled[:, -1])
    expected = model.coef_ * norms[-1] / norms[:-1]
    np.testing.assert_allclose(
        matrix[:, :-1] @ found.coefficients.numpy(),
        matrix[:, :-1] @ expected,
        atol=1e-3 * norms[-1],
    )
    assert int((found.coefficients != 0).sum()) < 20


def made_problem(constants: int = 2) -> tuple[np.ndarray, Problem]:
    """60 rows of 20 columns, five of which matter, beside constants."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(60, 20)) * np.logspace(-2, 2, 20)
    target = matrix[:, ::4] @ (1 / np.linalg.norm(matrix[:, ::4], axis=0)) + 0.02 * random.normal(
        size=60
    )
    ones = np.repeat(np.eye(2), 30, 0)[:, :constants]
    whole = np.concatenate([ones, matrix, (target + 3 * ones.sum(1))[:, None]], 1)
    gram = torch.from_numpy(whole.T @ whole)
    return whole, Problem.of(gram, torch.arange(constants), len(whole))


GROUPS = {"weights": {"stress": 2.0}, "groups": {"odd": {"energy": 30.0, "forces": 0.5}}}


@pytest.mark.parametrize("solver", ["ridge", "svd"])
@pytest.mark.parametrize("smart", [False, True])
def test_weights_of_groups(tmp_path, solver, smart):
    optim = {"solver": solver, "smart_weights": smart, "batch_size": 3, **GROUPS}
    trainer = trained(tmp_path, optim)

    def weights(image: Any) -> tuple[float, ...]:
        odd = image.group == "odd"
        given = np.array([30.0 if odd else 100.0, 0.5 if odd else 1.0, 2.0])
        return tuple(given / np.sqrt([4, 4 * 12, 4 * 6]) if smart else given)

    matrix, targets = system(trainer, weights)
    norms = np.linalg.norm(matrix, axis=0)
    expected = np.linalg.lstsq(matrix / norms, targets, rcond=1e-12)[0] / norms
    scale = np.abs(targets).max()
    np.testing.assert_allclose(matrix @ coefficients(trainer), matrix @ expected, atol=1e-6 * scale)
    assert {"train_energy_rmse", "train_forces_rmse", "train_stress_rmse"} <= set(
        trainer.history[0]
    )


def test_boltzmann_weights(tmp_path):
    trainer = trained(tmp_path, {"solver": "svd", "boltzmann": 3000.0})
    energies = np.array([image.get_potential_energy() / 4 for image in FRAMES])
    often = np.exp(-(energies - energies.min()) / (8.617333262e-5 * 3000))
    factors = iter(np.sqrt(often))

    def weights(image: Any) -> tuple[float, ...]:
        factor = next(factors)
        return 100 * factor, factor, 0.0

    matrix, targets = system(trainer, weights)
    norms = np.linalg.norm(matrix, axis=0)
    expected = np.linalg.lstsq(matrix / norms, targets, rcond=1e-13)[0] / norms
    np.testing.assert_allclose(matrix @ coefficients(trainer), matrix @ expected, atol=1e-6)


def test_the_penalty_with_the_smallest_errors_of_frames_left_out(tmp_path):
    """Each fold is judged by a fit of its own to the others."""
    alphas, folds = [1e-9, 1e-5, 1e-2, 10.0], 4
    trainer = trained(tmp_path, {"alpha": alphas, "folds": folds}, "quadratic")
    matrices = []
    for image in trainer.train_dataset:
        alone = copy.copy(trainer)
        alone.train_dataset = [image]
        matrices.append(np.column_stack(system(alone)))
    constants, errors = trainer.model.constants(), []
    for alpha in alphas:
        total = 0.0
        for fold in range(folds):
            inside = np.concatenate([m for k, m in enumerate(matrices) if k % folds != fold])
            problem = Problem.of(torch.from_numpy(inside.T @ inside), constants, len(inside))
            (found,) = solvers.path(problem, "ridge", [alpha], 0.5)
            for k, each in enumerate(matrices):
                if k % folds == fold:
                    total += np.sum((each[:, :-1] @ found.coefficients.numpy() - each[:, -1]) ** 2)
        errors.append(total)
    assert trainer.history[0]["alpha"] == alphas[int(np.argmin(errors))]


@pytest.mark.parametrize("solver", ["ridge", "svd"])
def test_rows_of_later_frames_are_added(tmp_path, solver):
    first = trained(tmp_path, {"solver": solver}, frames=FRAMES[:5])
    second = AtomsTrainer(
        {**first.config, "dataset": {**first.config["dataset"], "raw_data": FRAMES[5:]}}
    )
    second.load_pretrained(first.cp_dir)
    second.train()
    whole = trained(tmp_path, {"solver": solver})
    np.testing.assert_allclose(
        second.predict(FRAMES)["energy"], whole.predict(FRAMES)["energy"], atol=1e-5
    )
    assert [row["epoch"] for row in second.history] == [1, 2]


def test_errors_name_the_argument(tmp_path):
    for optim, message in (
        ({"solver": "qr"}, "optim: expected solver to be one of"),
        ({"alpha": -1.0}, "optim: expected alpha to be a number >= 0"),
        ({"solver": "lasso", "alpha": 0.0}, "> 0 for lasso"),
        ({"weights": {"force": 1.0}}, "optim, weights: unknown key 'force'"),
        (
            {"groups": {"a": {"forces": -1}}},
            "optim, groups, a: expected forces to be a number >= 0",
        ),
        ({"groups": {"a": {"forces": 2}}}, "no frame has info"),
        ({"boltzmann": 0}, "optim: expected boltzmann to be K > 0, got 0"),
        ({"degree_power": -1}, "optim: expected degree_power >= 0, got -1"),
        ({"degree_power": 1, "solver": "lasso"}, "degree_power is of the solver ridge"),
        ({"l1_ratio": 2}, r"optim: expected l1_ratio in \(0, 1\]"),
        ({"force_coefficient": 1.0}, "optim: unknown key 'force_coefficient'"),
    ):
        with pytest.raises(ValueError, match=message):
            trained(tmp_path, optim)


def test_rows_that_are_not_finite_are_an_error(tmp_path):
    made = config(FRAMES, tmp_path, dataset={"fp_params": SMALL}, cmd={"debug": True})
    made["model"], made["optim"] = {"name": "linear"}, {}
    trainer = AtomsTrainer(made)
    trainer.load()
    trainer.train_dataset[3].fingerprint[0, 0] = torch.nan
    with pytest.raises(Diverged, match="least squares: rows are not finite"):
        LeastSquares(Run(trainer.settings)).run(trainer.potential, trainer.train_dataset)


def test_frames_without_stress_count_with_the_rest(tmp_path):
    some = [image.copy() for image in FRAMES]
    for image, given in zip(some, FRAMES, strict=True):
        image.calc = copy.copy(given.calc)
        image.calc.atoms = image.copy()
        image.calc.results = dict(given.calc.results)
    del some[2].calc.results["stress"]
    trainer = trained(tmp_path, {"solver": "svd", "weights": {"stress": 2.0}}, frames=some)

    def weights(image: Any) -> tuple[float, ...]:
        return 100.0, 1.0, 0.0 if bool(image.stress.isnan().any()) else 2.0

    matrix, targets = system(trainer, weights)
    norms = np.linalg.norm(matrix, axis=0)
    expected = np.linalg.lstsq(matrix / norms, targets, rcond=1e-13)[0] / norms
    np.testing.assert_allclose(matrix @ coefficients(trainer), matrix @ expected, atol=1e-6)
