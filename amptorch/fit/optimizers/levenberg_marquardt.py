"""Levenberg-Marquardt steps on the residuals of a batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...data.frame import Labelled
from . import jacobian
from .base import Optimizer, check_fits, sizes
from .observations import Observations, choose

if TYPE_CHECKING:
    from .net import BatchNet

_LEAST = 1e-12  # mu in units of the diagonal: with less J^T J is singular to machine precision


class LevenbergMarquardt(Optimizer):
    """Damped Gauss-Newton steps (K. Levenberg, Q. Appl. Math. 2, 164 (1944); D. W. Marquardt,
    J. Soc. Ind. Appl. Math. 11, 431 (1963)).

    With the residuals r of a batch, scaled so that r^2 / 2 summed is its loss, and J the
    derivatives of the predictions to the weights,

        (J^T J + mu 1) delta = J^T r,     w <- w + lr delta

    A step that does not lower the loss of the batch is taken back and tried with a larger mu. The
    damping mu starts at ``damping`` times the largest element of the diagonal of J^T J and follows
    the ratio of the loss's fall to the one expected (H. B. Nielsen, report IMM-REP-1999-05,
    Technical University of Denmark).

    With all frames in a batch this is the full-batch method; J^T J is summed over parts of it.

    Args:
        parameters: of the model.
        lr: factor of a step.
        damping: first mu, relative.
        tries: steps that are tried for a batch.
        fraction: of the force components that take part, drawn anew in each batch.
    """

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1.0,
        damping: float = 1e-3,
        tries: int = 5,
        fraction: float = 1.0,
    ) -> None:
        if not damping > 0:
            raise ValueError(f"optimizer: expected damping > 0, got {damping!r}")
        if tries < 1:
            raise ValueError(f"optimizer: expected tries >= 1, got {tries!r}")
        if not 0 < fraction <= 1:
            raise ValueError(f"optimizer: expected fraction in (0, 1], got {fraction!r}")
        super().__init__(parameters, lr=lr, damping=damping, tries=tries, fraction=fraction)

    def observe(self, net: BatchNet, batch: Labelled) -> Observations:
        """All energies and a fraction of the force components, scaled as in the loss."""
        data, loss = batch[0].to(net.device), net.criterion_
        components, known = choose(data, self.options["fraction"] if loss.alpha > 0 else 0.0)
        energies = torch.full((data.num_graphs,), data.num_graphs**-0.5, dtype=torch.float64)
        energies = energies.to(data.fingerprint.device)
        if loss.per_atom:
            energies = energies / data.natoms
        n_forces = max(1, int(known.sum()))
        forces = energies.new_full((n_forces,), (loss.alpha / n_forces) ** 0.5)
        scales = torch.cat([energies, forces[: int(known.sum())]])
        return Observations.of(net, data, (components, known), scales)

    def update(
        self, net: BatchNet, batch: Labelled, observations: Observations, residuals: Tensor
    ) -> None:
        """Steps until one lowers the loss of the batch, ``tries`` at most."""
        model, options = observations.model, self.options
        n = sum(sizes(model.perceptrons()))
        # J^T J, its factor, and the rows of a part of the batch.
        check_fits(3 * n * n, "levenberg_marquardt", "take smaller networks or fewer features")
        normal, slope = normal_equations(observations.jacobian_parts(residuals), n)
        largest = float(normal.diagonal().max())
        if not self.memory:
            self.memory = {"mu": options["damping"] * largest, "growth": 2.0}
        before, begun = float(residuals.square().sum()), jacobian.weights_of(model)
        for _ in range(options["tries"]):
            self.memory["mu"] = max(self.memory["mu"], _LEAST * largest)
            step = options["lr"] * damped_step(normal, slope, self.memory["mu"])
            jacobian.set_weights(model, begun + step)
            prediction = net.predicted(batch)["y_pred"]
            after = observations.residuals(prediction, net.on_device(batch[1])).square().sum()
            expected = float(2.0 * step @ slope - step @ (normal @ step))
            if self._judge((before - float(after)) / max(expected, 1e-300)):
                return
        jacobian.set_weights(model, begun)

    def _judge(self, gain: float) -> bool:
        """Whether to keep a step, by the ratio of the fall of the loss to the one expected."""
        memory = self.memory
        if gain > 0.0:
            memory["mu"] *= max(1.0 / 3.0, 1.0 - (2.0 * gain - 1.0) ** 3)
            memory["growth"] = 2.0
            return True
        memory["mu"] *= memory["growth"]
        memory["growth"] *= 2.0
        return False


def normal_equations(parts: Iterable[tuple[Tensor, Tensor]], n_weights: int) -> Sequence[Tensor]:
    """J^T J [n_weights, n_weights] and J^T r [n_weights].

    Args:
        parts: J [n_rows, n_weights] and r [n_rows] of parts of the rows.
        n_weights: their number.
    """
    normal = slope = torch.zeros(())
    for index, (rows, residuals) in enumerate(parts):
        if index == 0:
            normal, slope = rows.new_zeros((n_weights, n_weights)), rows.new_zeros(n_weights)
        normal.addmm_(rows.T, rows)
        slope.addmv_(rows.T, residuals)
    return normal, slope


def damped_step(normal: Tensor, slope: Tensor, mu: float) -> Tensor:
    """Solution of (J^T J + mu 1) delta = J^T r."""
    damped = normal.clone()
    damped.diagonal().add_(mu)
    return torch.cholesky_solve(slope[:, None], torch.linalg.cholesky(damped))[:, 0]
