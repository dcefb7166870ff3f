"""A path that pickled images name: primes live in :mod:`amptorch.data.primes`."""

from .data.primes import PairJacobian, SparsePrimes

__all__ = ["PairJacobian", "SparsePrimes"]
