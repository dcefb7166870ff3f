"""Quasi-Newton methods of scipy on the loss of all training data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from .base import Optimizer, check_fits

Vector = NDArray[np.float64]


class LBFGSB(Optimizer):
    """L-BFGS of scipy (R. H. Byrd, P. Lu, J. Nocedal and C. Zhu, SIAM J. Sci. Comput. 16, 1190
    (1995)), without bounds.

    Args:
        parameters: of the model.
        lr: not used; there is a line search.
        history: pairs of changes that the curvature is taken from.
        gtol: training ends where no element of the gradient is larger.
        line_search: evaluations of a line search at most.
    """

    method = "L-BFGS-B"

    def __init__(
        self,
        parameters: Iterable[Any],
        lr: float = 1.0,
        history: int = 20,
        gtol: float = 1e-10,
        line_search: int = 20,
    ) -> None:
        super().__init__(parameters, lr=lr, history=history, gtol=gtol, line_search=line_search)

    def arguments(self, n_weights: int) -> dict[str, Any]:
        """Options for ``scipy.optimize.minimize``."""
        options = self.options
        return {
            "maxcor": options["history"],
            "gtol": options["gtol"],
            "maxls": options["line_search"],
            "ftol": 0.0,
            "maxfun": np.iinfo(np.int32).max,
        }

    def accepted(self, change: Vector, change_of_gradient: Vector) -> None:
        """Told of every iteration; the pairs that scipy keeps are not to be had."""


class BFGS(Optimizer):
    """BFGS of scipy (J. Nocedal and S. J. Wright, Numerical Optimization, 2nd ed. (2006), chapter
    6), which keeps the inverse of the Hessian, [n_weights, n_weights].

    Args:
        parameters: of the model.
        lr: not used; there is a line search.
        gtol: training ends where no element of the gradient is larger.
    """

    method = "BFGS"

    def __init__(self, parameters: Iterable[Any], lr: float = 1.0, gtol: float = 1e-10) -> None:
        super().__init__(parameters, lr=lr, gtol=gtol)

    def arguments(self, n_weights: int) -> dict[str, Any]:
        """Options for ``scipy.optimize.minimize``: where it went on from, the inverse Hessian."""
        # scipy's, two products of an update, the one kept here, and those of checkpoints.
        check_fits(6 * n_weights**2, "bfgs", "take lbfgs or smaller networks")
        if "inverse_hessian" not in self.memory:
            identity = torch.eye(n_weights, dtype=torch.float64)
            self.memory = {"inverse_hessian": identity}
        inverse = self.memory["inverse_hessian"].numpy()
        # scipy refuses what is not symmetric to the last bit.
        return {"gtol": self.options["gtol"], "hess_inv0": 0.5 * (inverse + inverse.T)}

    def accepted(self, change: Vector, change_of_gradient: Vector) -> None:
        """The update of BFGS, as scipy gives its own inverse Hessian only at the end:

        H <- (1 - rho s y^T) H (1 - rho y s^T) + rho s s^T,    rho = 1 / (y . s)
        """
        curvature = float(change @ change_of_gradient)
        if curvature <= 0.0:
            return
        step, difference = torch.from_numpy(change), torch.from_numpy(change_of_gradient)
        inverse = self.memory["inverse_hessian"]
        product = inverse @ difference
        factor = (1.0 + float(difference @ product) / curvature) / curvature
        inverse.addr_(step, step, alpha=factor)
        inverse.addr_(product, step, alpha=-1.0 / curvature)
        inverse.addr_(step, product, alpha=-1.0 / curvature)
