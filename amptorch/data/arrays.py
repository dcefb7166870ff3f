"""Numbers out of what users hand in, whatever their type and their order in memory."""

from __future__ import annotations

from reprlib import repr as shortened

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def as_number(value: object, what: str, name: str) -> float:
    """A finite number; an array of one number counts as that number.

    Args:
        value: what came.
        what: it is meant to be, such as "energy".
        name: of the image, in errors.

    Raises:
        ValueError: text, complex numbers, several numbers, NaN or infinity.
    """
    array = as_array(value, what, name)
    if array.size != 1:
        raise ValueError(f"{name}: expected its {what} to be a number, got shape {array.shape}")
    number = float(array.reshape(())[()])
    if not np.isfinite(number):
        raise ValueError(f"{name}: its {what} is {number}")
    return number


def as_array(value: object, what: str, name: str) -> Array:
    """Real numbers as float64 in C order; entries that are masked become NaN.

    Raises:
        ValueError: text, complex numbers, or rows of several lengths.
    """
    try:
        array = np.asanyarray(value)
        if array.dtype.kind not in "iufO":
            raise TypeError
        numbers = array.astype(np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{name}: its {what} is {shortened(value)}, expected real numbers"
        ) from error
    return numbers.filled(np.nan) if isinstance(numbers, np.ma.MaskedArray) else np.asarray(numbers)


def as_vectors(value: object, n_atoms: int, what: str, name: str) -> Array:
    """Finite vectors [n_atoms, 3]."""
    vectors = as_array(value, what, name)
    if vectors.shape != (n_atoms, 3):
        raise ValueError(
            f"{name}: expected {what} of shape ({n_atoms}, 3), a row an atom, got {vectors.shape}"
        )
    if not np.isfinite(vectors).all():
        atom = int(np.argwhere(~np.isfinite(vectors))[0, 0])
        raise ValueError(f"{name}: the force on atom {atom} is {vectors[atom].tolist()}")
    return vectors


# A tensor may be this far from symmetric, as a fraction of its largest entry.
ASYMMETRY = 0.05


def as_voigt(value: object, what: str, name: str) -> Array:
    """A symmetric tensor as [6], in the order xx yy zz yz xz xy.

    Args:
        value: [6] in that order, [3, 3], or [9], its rows one after the other.
        what, name: see :func:`as_number`.

    Raises:
        ValueError: another shape, numbers that are none, or a tensor that is not symmetric.
    """
    tensor = as_array(value, what, name)
    if tensor.shape not in ((6,), (3, 3), (9,)):
        raise ValueError(
            f"{name}: expected its {what} as 6 numbers (xx yy zz yz xz xy), 9, or 3 x 3, "
            f"got shape {tensor.shape}"
        )
    if not np.isfinite(tensor).all():
        raise ValueError(f"{name}: its {what} is {tensor.tolist()}")
    if tensor.shape == (6,):
        return tensor
    full = tensor.reshape(3, 3)
    if np.abs(full - full.T).max() > ASYMMETRY * np.abs(full).max():
        raise ValueError(f"{name}: its {what} is not symmetric: {full.tolist()}")
    return ((full + full.T) / 2)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
