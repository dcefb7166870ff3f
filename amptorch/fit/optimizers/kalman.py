"""Extended Kalman filter with fading memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...data.frame import Labelled
from ...potentials.networks.model import AtomisticModel
from . import jacobian
from .base import Optimizer, check_fits, sizes
from .observations import Observations, choose

if TYPE_CHECKING:
    from .net import BatchNet


class KalmanFilter(Optimizer):
    """Weights of networks as the state of an extended Kalman filter with fading memory
    (A. Singraber, T. Morawietz, J. Behler and C. Dellago, J. Chem. Theory Comput. 15, 3075 (2019)).

    For the observations of a batch with residuals xi = target - prediction and derivatives of the
    predictions H_n^T = d prediction / d w_n to the weights of network n, both divided by the noise
    of each observation,

        S   = lambda 1 + sum_n H_n^T P_n H_n
        K_n = P_n H_n S^-1
        w_n <- w_n + lr K_n xi
        P_n <- (P_n - K_n H_n^T P_n) / lambda
        lambda <- lambda_0 lambda + 1 - lambda_0,      P_n = covariance * 1 at first.

    With ``decoupled`` each network has its own P_n; else one P holds the weights of all. This is
    in float64 whatever the network's precision. The mask that mixes networks is not changed.

    Args:
        parameters: of the model.
        lr: factor of a step; 1 is the filter's.
        energy_noise: eV per atom.
        force_noise: eV/Å.
        fraction: of the force components of a frame that are observed, drawn anew in each batch;
            0 observes energies only.
        energy_fraction: the chance of the energy of a frame to be observed, drawn anew each time.
        forgetting: lambda of the first batch.
        forgetting_rate: lambda_0.
        covariance: of the weights at first.
        decoupled: by network.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1.0,
        energy_noise: float = 1e-2,
        force_noise: float = 0.3,
        fraction: float = 0.1,
        energy_fraction: float = 1.0,
        forgetting: float = 0.98,
        forgetting_rate: float = 0.9987,
        covariance: float = 1e-2,
        decoupled: bool = True,
    ) -> None:
        _check_positive(energy_noise=energy_noise, force_noise=force_noise, covariance=covariance)
        for name, value in (("forgetting", forgetting), ("forgetting_rate", forgetting_rate)):
            if not 0 < value <= 1:
                raise ValueError(f"optimizer: expected {name} in (0, 1], got {value!r}")
        for name, value in (("fraction", fraction), ("energy_fraction", energy_fraction)):
            if not 0 <= value <= 1:
                raise ValueError(f"optimizer: expected {name} in [0, 1], got {value!r}")
        super().__init__(
            parameters,
            lr=lr,
            energy_noise=energy_noise,
            force_noise=force_noise,
            fraction=fraction,
            energy_fraction=energy_fraction,
            forgetting=forgetting,
            forgetting_rate=forgetting_rate,
            covariance=covariance,
            decoupled=decoupled,
        )

    def observe(self, net: BatchNet, batch: Labelled) -> Observations:
        """Energies, and forces if they are trained on, over their noise."""
        data, options = batch[0].to(net.device), self.options
        fraction = options["fraction"] if net.criterion_.alpha > 0 else 0.0
        components, known = choose(data, fraction)
        energies = data.natoms.double() * options["energy_noise"]
        if options["energy_fraction"] < 1:
            # What has endless noise says nothing.
            left_out = torch.rand(len(energies)) >= options["energy_fraction"]
            energies[left_out.to(energies.device)] = torch.inf
        forces = torch.full(components.shape, options["force_noise"]).to(energies)[known]
        scales = net.scale_ / torch.cat([energies, forces])
        return Observations.of(net, data, (components, known), scales)

    def update(
        self, net: BatchNet, batch: Labelled, observations: Observations, residuals: Tensor
    ) -> None:
        """One step of the filter."""
        model, options = observations.model, self.options
        if not self.memory:
            self._begin(model, residuals)
        rows = torch.cat([part for part, _ in observations.jacobian_parts(residuals)])
        blocks = rows.split([len(each) for each in self.memory["covariances"]], 1)
        forgetting, rate = self.memory["forgetting"], options["forgetting_rate"]
        changes = filter_step(self.memory["covariances"], blocks, residuals, forgetting)
        self.memory["forgetting"] = rate * forgetting + 1.0 - rate
        jacobian.move(model, options["lr"] * torch.cat(changes))

    def _begin(self, model: AtomisticModel, residuals: Tensor) -> None:
        numbers = sizes(model.perceptrons())
        if not self.options["decoupled"]:
            numbers = [sum(numbers)]
        # The covariance, its copies in the two checkpoints, and one being written.
        check_fits(
            4 * sum(n * n for n in numbers),
            "kalman",
            "take smaller networks, fewer features or decoupled=True",
        )
        self.memory = {
            "covariances": [
                torch.eye(n, dtype=torch.float64, device=residuals.device)
                * self.options["covariance"]
                for n in numbers
            ],
            "forgetting": self.options["forgetting"],
        }


def filter_step(
    covariances: Sequence[Tensor], blocks: Sequence[Tensor], residuals: Tensor, forgetting: float
) -> list[Tensor]:
    """Changes of weights K_n xi; ``covariances`` are changed in place.

    Args:
        covariances: P_n [n_weights, n_weights].
        blocks: H_n^T [n_observations, n_weights].
        residuals: xi [n_observations].
        forgetting: lambda.
    """
    products = [h @ p for p, h in zip(covariances, blocks, strict=True)]  # H_n^T P_n
    innovation = torch.stack([x @ h.T for x, h in zip(products, blocks, strict=True)]).sum(0)
    innovation = 0.5 * (innovation + innovation.T)
    innovation.diagonal().add_(forgetting)
    root = torch.linalg.cholesky(innovation)
    solved = torch.cholesky_solve(residuals[:, None], root)[:, 0]
    changes = []
    for covariance, product in zip(covariances, products, strict=True):
        changes.append(solved @ product)
        # K H^T P = Y^T Y with Y = L^-1 H^T P, S = L L^T: what stays is symmetric.
        half = torch.linalg.solve_triangular(root, product, upper=False)
        covariance.addmm_(half.T, half, beta=1.0 / forgetting, alpha=-1.0 / forgetting)
    return changes


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"optimizer: expected {name} > 0, got {value!r}")
