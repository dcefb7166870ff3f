"""Rankings by the features alone, or by how they go together with forces and energies."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from .material import Material, Order, by
from .samples import Samples

Array = NDArray[np.float64]
ROWS = 4000  # atoms, at most
TREES = 100


def _atoms(material: Material) -> Array:
    """[n, n_functions]: some atoms, evenly spread."""
    features = material.training.features
    step = max(1, len(features) // ROWS)
    return features[::step].double().numpy()


def farthest(material: Material) -> Order:
    """Farthest point sampling of columns: the next one is farthest from the nearest of those
    before; the first is the longest."""
    columns = _atoms(material).T
    norms = (columns**2).sum(1)
    order = [int(norms.argmax())]
    nearest = np.full(len(columns), np.inf)
    while len(order) < len(columns):
        last = order[-1]
        away = norms + norms[last] - 2 * columns @ columns[last]
        nearest = np.minimum(nearest, np.maximum(away, 0.0))
        nearest[order] = -1.0
        order.append(int(nearest.argmax()))
    return order


def cur(material: Material) -> Order:
    """CUR (M. W. Mahoney, P. Drineas, Proc. Natl. Acad. Sci. 106, 697 (2009)) as of G. Imbalzano et
    al., J. Chem. Phys. 148, 241730 (2018): the next column is the one with the largest entry in the
    leading right singular vector, and all others are made orthogonal to it. After as many as the
    largest set asks for, the others follow by what is left of their lengths."""
    left = _atoms(material)
    gram = left.T @ left
    order: Order = []
    for _ in range(min(material.most, len(gram))):
        _, vectors = np.linalg.eigh(gram)
        scores = vectors[:, -1] ** 2
        scores[order] = -1.0
        best = int(scores.argmax())
        if gram[best, best] <= 0.0:
            break
        order.append(best)
        gram = gram - np.outer(gram[:, best], gram[best]) / gram[best, best]
    rest = [each for each in np.argsort(-np.diag(gram), kind="stable") if each not in set(order)]
    return [*order, *map(int, rest)]


def _problem(samples: Samples) -> list[tuple[Array, Array]]:
    """Columns and targets: of energies per atom, and of components of forces."""
    energies = (samples.energies / samples.sizes).double().numpy()
    found = [(samples.sums().double().numpy(), energies)]
    if samples.with_forces:
        found.append((samples.pushes().double().numpy(), samples.forces.double().flatten().numpy()))
    return found


def correlation(material: Material) -> Order:
    """By the correlation of forces with those of each function alone, - sum_i dG_i/dr_k: the next
    function is the one whose forces correlate most with what those before, by least squares, leave
    of the forces (orthogonal matching pursuit). Energies per atom where there are no forces."""
    columns, left = _problem(material.training)[-1]
    columns, left = columns - columns.mean(0), left - left.mean()
    lengths = np.maximum((columns**2).sum(0), 1e-300) ** 0.5
    basis: list[Array] = []
    order: Order = []
    for _ in range(min(material.most, len(left) - 1, columns.shape[1])):
        scores = np.abs(columns.T @ left) / lengths
        scores[order] = -1.0
        order.append(int(scores.argmax()))
        new = columns[:, order[-1]]
        for _ in range(2):  # once leaves what rounding leaves
            new = new - sum((b * (b @ new) for b in basis), np.zeros_like(new))
        if (new**2).sum() <= 1e-16 * lengths[order[-1]] ** 2:
            continue
        basis.append(new / (new @ new) ** 0.5)
        left = left - basis[-1] * (basis[-1] @ left)
    rest = np.argsort(-np.abs(columns.T @ left) / lengths, kind="stable")
    return [*order, *(int(each) for each in rest if each not in set(order))]


def forest(material: Material) -> Order:
    """By the impurity that splits by a function take off, in forests of regression trees (L.
    Breiman, Mach. Learn. 45, 5 (2001)) for energies per atom and for components of forces; the mean
    of both."""
    shares = [
        _forest(*each, material.seed).feature_importances_ for each in _problem(material.training)
    ]
    return by(torch.from_numpy(np.mean(shares, 0)))


def permutation(material: Material) -> Order:
    """By how much R² of the forests on validation frames falls where the values of a function are
    permuted; both are weighted by their numbers of values, as so few are the energies."""
    from sklearn.inspection import permutation_importance

    shares = []
    problems = zip(_problem(material.training), _problem(material.validation), strict=True)
    for training, validation in problems:
        made = _forest(*training, material.seed)
        found = permutation_importance(made, *validation, n_repeats=3, random_state=material.seed)
        shares.append(len(validation[1]) * found.importances_mean)
    return by(torch.from_numpy(np.sum(shares, 0)))


def _forest(columns: Array, values: Array, seed: int):  # type: ignore[no-untyped-def]
    from sklearn.ensemble import RandomForestRegressor

    made = RandomForestRegressor(TREES, max_features=1 / 3, random_state=seed)
    return made.fit(columns, values)
