"""Energies of atoms from perceptrons of their fingerprints, and dE/dG, in one pass.

Each of the networks n is z_k = W_k h_{k-1} + b_k, h_k = tanh z_k, h_0 = G, its last layer N = z_K a
number. An atom's energy takes a share of every network:

    E = sum_n s_n N_n(G),    dE/dG = sum_n s_n W_1^T d_1
    d_k = dN/dz_k = (1 - h_k^2) W_{k+1}^T d_{k+1}

The gradient of a loss L(E, dE/dG) is written out too. With e = dL/dE, v = dL/d(dE/dG), and the
changes along v, h'_0 = v, z'_k = W_k h'_{k-1}, h'_k = (1 - h_k^2) z'_k:

    dL/ds_n = e N_n + N'_n
    dL/dz_k = (1 - h_k^2) W_{k+1}^T dL/dz_{k+1} - 2 h_k z'_k s_n d_k,    dL/dN_n = s_n e
    dL/dW_k = s_n d_k h'_{k-1}^T + dL/dz_k h_{k-1}^T,    dL/db_k = dL/dz_k

summed over atoms. All networks see all atoms, as shares are trained too (see
``amptorch.model.ElementMask``). C++ works on tiles of atoms that stay in the first cache.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from .. import _native

_ON_CPP = (torch.float32, torch.float64)
_TILE = 32  # atoms, as in cpu/networks.h


def compiled(fingerprints: Tensor) -> bool:
    """Whether there is a kernel for the device and precision."""
    return fingerprints.device.type == "cpu" and fingerprints.dtype in _ON_CPP


def energies_and_slopes(
    parameters: Tensor,
    widths: Sequence[int],
    fingerprints: Tensor,
    shares: Tensor,
    with_slopes: bool,
) -> tuple[Tensor, Tensor]:
    """Energies [n_atoms] and dE/dG [n_atoms, n_features] (empty without ``with_slopes``).

    Both differentiate once in ``parameters`` and ``shares``; fingerprints are constants.

    Args:
        parameters: [n_networks, n_parameters]; of each layer the weights [out, in], the biases.
        widths: of the fingerprint, of the hidden layers (one at least), and 1.
        fingerprints: [n_atoms, n_features].
        shares: [n_atoms, n_networks].
        with_slopes: give dE/dG.
    """
    expected = sum((n + 1) * m for n, m in itertools.pairwise(widths))
    if len(widths) < 3 or widths[-1] != 1 or parameters.shape[1] != expected:
        raise ValueError(
            f"widths: expected at least 3, the last one 1, for {parameters.shape[1]} parameters "
            f"of a network, got {list(widths)}"
        )
    if fingerprints.shape[1] != widths[0] or shares.shape != (
        fingerprints.shape[0],
        parameters.shape[0],
    ):
        raise ValueError(
            f"shares: expected [n_atoms, {parameters.shape[0]}] for fingerprints "
            f"[n_atoms, {widths[0]}], got {list(shares.shape)} and {list(fingerprints.shape)}"
        )
    keep = torch.is_grad_enabled() and (parameters.requires_grad or shares.requires_grad)
    energies, slopes, _, _ = _networks(
        parameters, list(widths), fingerprints, shares, with_slopes, keep
    )
    return energies, slopes


@torch.library.custom_op("amptorch::networks", mutates_args=())
def _networks(
    parameters: Tensor,
    widths: Sequence[int],
    fingerprints: Tensor,
    shares: Tensor,
    with_slopes: bool,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    results = _results(parameters, widths, fingerprints, with_slopes, keep)
    energies, slopes, outputs, tape = results
    _native.networks_forward(
        parameters.contiguous(),
        torch.tensor(widths),
        fingerprints.contiguous(),
        shares.contiguous(),
        outputs,
        tape,
        energies,
        slopes,
        with_slopes,
        torch.get_num_threads(),
    )
    return results


@torch.library.custom_op("amptorch::networks_backward", mutates_args=())
def _networks_backward(
    parameters: Tensor,
    widths: Sequence[int],
    fingerprints: Tensor,
    shares: Tensor,
    outputs: Tensor,
    tape: Tensor,
    energies: Tensor,
    slopes: Tensor,
) -> tuple[Tensor, Tensor]:
    share_changes, changes = torch.empty_like(outputs), torch.zeros_like(parameters)
    _native.networks_backward(
        parameters.contiguous(),
        torch.tensor(widths),
        fingerprints.contiguous(),
        shares.contiguous(),
        outputs,
        tape,
        energies.contiguous(),
        slopes.contiguous(),
        share_changes,
        changes,
        len(slopes) > 0,
        torch.get_num_threads(),
    )
    return changes, share_changes


def _results(
    parameters: Tensor, widths: Sequence[int], fingerprints: Tensor, with_slopes: bool, keep: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Energies, dE/dG, outputs of the networks, and what the backward pass needs, unfilled."""
    n_atoms, n_networks = fingerprints.shape[0], parameters.shape[0]
    n_tiles = (n_atoms + _TILE - 1) // _TILE if keep else 0
    rows = sum(widths[1:-1]) * (2 if with_slopes else 1)
    return (
        fingerprints.new_empty(n_atoms),
        fingerprints.new_empty((n_atoms if with_slopes else 0, widths[0])),
        fingerprints.new_empty((n_atoms, n_networks)),
        fingerprints.new_empty((n_tiles, n_networks, rows, _TILE)),
    )


@_networks.register_fake
def _(parameters, widths, fingerprints, shares, with_slopes, keep):  # type: ignore[no-untyped-def]
    return _results(parameters, widths, fingerprints, with_slopes, keep)


@_networks_backward.register_fake
def _(parameters, widths, fingerprints, shares, outputs, tape, energies, slopes):  # type: ignore[no-untyped-def]
    return torch.empty_like(parameters), torch.empty_like(outputs)


def _save(ctx, inputs, output):  # type: ignore[no-untyped-def]
    parameters, ctx.widths, fingerprints, shares, _, _ = inputs
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(parameters, fingerprints, shares, *output[2:])


def _backward(ctx, energies, slopes, *_):  # type: ignore[no-untyped-def]
    parameters, fingerprints, shares, outputs, tape = ctx.saved_tensors
    if energies is None:
        energies = fingerprints.new_zeros(fingerprints.shape[0])
    if slopes is None:
        slopes = fingerprints.new_empty((0, fingerprints.shape[1]))
    changes, share_changes = _networks_backward(
        parameters, ctx.widths, fingerprints, shares, outputs, tape, energies, slopes
    )
    return changes, None, None, share_changes, None, None


_networks.register_autograd(_backward, setup_context=_save)
