"""Networks from fingerprints to energies, forces and stresses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from ase.data import atomic_numbers
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ...data.frame import AtomsBatch
from ...descriptor.base_descriptor import BaseDescriptor
from ...kernels import networks, symmetry_functions
from ...kernels.force_pass import ForcePass, Pass, Scaling
from ...processes.stages import stage
from ..model import Model
from .activations import of_kernel

__all__ = [
    "BPNN",
    "MLP",
    "AtomisticModel",
    "ElementMask",
    "SingleNN",
    "has_hooks",
]

Activation = type[nn.Module] | list[type[nn.Module]]
N_ELEMENTS = 100  # rows of the element mask, as in checkpoints of the original


class MLP(nn.Module):
    """Multilayer perceptron: linear layers, each but the last followed by batch normalization (if
    asked for), the activation, and dropout (if asked for).

    Args:
        n_input_nodes: length of a fingerprint.
        hidden_layers: widths of the hidden layers.
        n_output_nodes: width of the output.
        activation: class of the activation, or a list of those of all layers, the last one's too.
        initialization: "xavier" (uniform weights, biases 0), "zero", or anything else for torch's.
        dtype: in which weights are drawn: the original's of a seed are other numbers in each.
    """

    def __init__(
        self,
        n_input_nodes: int,
        hidden_layers: Sequence[int],
        n_output_nodes: int = 1,
        activation: Activation = nn.Tanh,
        batchnorm: bool = False,
        dropout: bool = False,
        dropout_rate: float = 0.5,
        initialization: str = "xavier",
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        self.widths = [n_input_nodes, *hidden_layers, n_output_nodes]
        layers: list[nn.Module] = []
        width = n_input_nodes
        *kinds, last = _kinds(activation, len(hidden_layers))
        for nodes, kind in zip(hidden_layers, kinds, strict=True):
            layers.append(nn.Linear(width, nodes, dtype=dtype))
            if batchnorm:
                layers.append(nn.BatchNorm1d(nodes, dtype=dtype))
            layers.append(kind().to(dtype))  # some have weights
            if dropout:
                layers.append(nn.Dropout(dropout_rate))
            width = nodes
        layers.append(nn.Linear(width, n_output_nodes, dtype=dtype))
        if last is not nn.Identity:
            layers.append(last().to(dtype))
        self.model_net = nn.Sequential(*layers)
        self._initialize(initialization)

    def _initialize(self, initialization: str) -> None:
        for layer in self.model_net:
            if isinstance(layer, nn.Linear) and initialization == "xavier":
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
            elif isinstance(layer, nn.Linear) and initialization == "zero":
                nn.init.zeros_(layer.weight)
                nn.init.zeros_(layer.bias)

    def set_linear(self, layers: Sequence[tuple[ArrayLike, ArrayLike]]) -> None:
        """Take weights [n_out, n_in] and biases [n_out] of all linear layers."""
        linear = [layer for layer in self.model_net if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for layer, (weight, bias) in zip(linear, layers, strict=True):
                layer.weight.copy_(torch.as_tensor(weight))
                layer.bias.copy_(torch.as_tensor(bias))

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs [n_atoms, n_output_nodes] of fingerprints [n_atoms, n_features]."""
        return self.model_net(inputs)

    def activations_of_kernel(self) -> list[networks.Activation] | None:
        """Those behind the linear layers, all or all but the last, where the kernel of the networks
        does the same as the layers: hidden ones, nothing else between them, one output, and no hook
        that wants to see what passes."""
        layers = list(self.model_net)
        behind = [of_kernel(layer) for layer in layers[1::2]]
        found = [each for each in behind if each is not None]
        plain = all(type(layer) is nn.Linear for layer in layers[::2]) and self.widths[-1] == 1
        complete = len(found) == len(behind) > 0
        return found if plain and complete and not any(map(has_hooks, layers)) else None

    def latent(self, inputs: Tensor, layer: int) -> Tensor:
        """Output of layer index ``layer`` of ``model_net`` (negative counts from the end)."""
        stop = range(len(self.model_net))[layer] + 1
        return self.model_net[:stop](inputs)


def _kinds(activation: Activation, n_hidden: int) -> list[type[nn.Module]]:
    """Activations of the hidden layers and of the last one."""
    if not isinstance(activation, list):
        return [*[activation] * n_hidden, nn.Identity]
    if len(activation) != n_hidden + 1:
        raise ValueError(
            f"activation: expected a class, or {n_hidden + 1}, one a layer, got {len(activation)}"
        )
    return list(activation)


class ElementMask(nn.Module):
    """Weights [100, n_elements] of the networks' outputs by atomic number, one-hot at first.

    As in the original the weights may be trained with the networks; after training an atom's
    energy then mixes in a little of the other elements' networks.
    """

    def __init__(
        self,
        elements: Sequence[str | int],
        dtype: torch.dtype = torch.float64,
        trained: bool = True,
    ) -> None:
        super().__init__()
        # The draw of the embedding's own start is overwritten, but not left out: the numbers
        # drawn after it would be others.
        self.mask = nn.Embedding(N_ELEMENTS, len(elements), dtype=dtype)
        self.numbers = [int(atomic_numbers.get(element, element)) for element in elements]
        weight = torch.zeros(N_ELEMENTS, len(elements), dtype=dtype)
        weight[self.numbers, range(len(elements))] = 1.0
        self.mask.weight = nn.Parameter(weight, requires_grad=trained)

    def picks(self) -> bool:
        """Whether each atom has the share of one network at most, and that a constant."""
        weight = self.mask.weight
        return not weight.requires_grad and bool(((weight != 0).sum(1) <= 1).all())

    def forward(self, numbers: Tensor) -> Tensor:
        """Weights [n_atoms, n_elements] of atomic numbers [n_atoms]."""
        return self.mask(numbers)


class AtomisticModel(Model):
    """Sum over atoms of atomic energies; forces through the primes.

    A subclass adds its networks and says what share each has in an atom's energy.

    Args:
        elements: chemical symbols or, as scripts of the original have them, atomic numbers.
        input_dim: length of a fingerprint.
        num_nodes: width of each of ``num_layers`` hidden layers.
        hidden_layers: widths of the hidden layers; overrides the two.
        get_forces: whether ``forward`` gives forces.
        batchnorm, dropout, dropout_rate, activation, initialization: see :class:`MLP`.
        name: part of the configuration's section, not used here.
        get_stress: whether ``forward`` gives stresses too.
        dtype: of the parameters.
        element_mask: "trained", where the shares that networks have in the energies of elements are
            trained too, or "fixed": each element has its network, and nothing of the others.
    """

    def __init__(
        self,
        elements: Sequence[str | int],
        input_dim: int,
        num_nodes: int = 20,
        num_layers: int = 5,
        hidden_layers: Sequence[int] | None = None,
        get_forces: bool = True,
        batchnorm: bool = False,
        dropout: bool = False,
        dropout_rate: float = 0.5,
        activation: Activation = nn.Tanh,
        initialization: str = "xavier",
        name: str | None = None,
        get_stress: bool = False,
        dtype: torch.dtype = torch.float64,
        element_mask: str = "trained",
    ) -> None:
        super().__init__(get_forces, get_stress)
        widths = list(hidden_layers or [num_nodes] * num_layers)
        # What makes the same network but for its weights.
        self.arguments: dict[str, Any] = {
            "elements": list(elements),
            "input_dim": int(input_dim),
            "hidden_layers": widths,
            "num_layers": len(widths),
            "get_forces": get_forces,
            "get_stress": get_stress,
            "batchnorm": batchnorm,
            "dropout": dropout,
            "dropout_rate": dropout_rate,
            "activation": activation,
            "element_mask": element_mask,
            "dtype": dtype,
        }

        def network() -> MLP:
            return MLP(
                input_dim,
                widths,
                activation=activation,
                batchnorm=batchnorm,
                dropout=dropout,
                dropout_rate=dropout_rate,
                initialization=initialization,
                dtype=dtype,
            )

        self.add_networks(elements, network)

    def add_networks(self, elements: Sequence[str | int], network: Callable[[], MLP]) -> None:
        """Make the perceptrons, each by a call of ``network``."""
        raise NotImplementedError

    def perceptrons(self) -> list[MLP]:
        """All networks."""
        raise NotImplementedError

    def shares_of_numbers(self) -> Tensor:
        """Weights [n_numbers, n_networks] of the networks in the energies of atoms of each atomic
        number."""
        raise NotImplementedError

    def shares(self, numbers: Tensor) -> Tensor:
        """Those of atoms [n_atoms, n_networks]."""
        return self.shares_of_numbers()[numbers]

    def one_network(self) -> bool:
        """Whether each atom has the share of one network at most, and that a constant."""
        return True

    def kernel_shape(self) -> networks.Shape | None:
        """What the kernel of the networks is told; None where torch's layers must run."""
        found = self.activations_of_kernel()
        perceptrons = self.perceptrons()
        widths = perceptrons[0].widths
        if found is None or not 0 < len(found) == len(widths) - 2:
            return None
        activation = networks.of_layers(found)
        return networks.Shape(widths, len(perceptrons), activation, self.one_network())

    def activations_of_kernel(self) -> list[networks.Activation] | None:
        """Those of the networks, see :meth:`MLP.activations_of_kernel`; None where they differ."""
        first, *others = (each.activations_of_kernel() for each in self.perceptrons())
        return first if all(each == first for each in others) else None

    def atomic_energies(self, fingerprint: Tensor, numbers: Tensor) -> Tensor:
        """Energies [n_atoms] of fingerprints [n_atoms, n_features]."""
        outputs = torch.cat([network(fingerprint) for network in self.perceptrons()], 1)
        return (outputs * self.shares(numbers)).sum(1)

    def atomic_energies_and_gradient(
        self, batch: AtomsBatch, gradient: bool
    ) -> tuple[Tensor, Tensor]:
        """The same as the base's, by the kernel of the networks where that does what they do."""
        with stage("amptorch::forward"):
            fingerprint, numbers = batch.fingerprint.detach(), batch.atomic_numbers
            shape = self.kernel_shape() if networks.compiled(fingerprint) else None
            if shape is None:
                return self.by_autograd(fingerprint, numbers, gradient)
            parameters = [part for each in self.perceptrons() for part in each.parameters()]
            return networks.energies_and_slopes(
                shape, fingerprint, self.shares(numbers), parameters, gradient
            )

    def force_pass(
        self, descriptor: BaseDescriptor, scaling: Scaling, numbers: Tensor
    ) -> Pass | None:
        if descriptor.kernel is not symmetry_functions:
            return None
        functions = descriptor.parameters
        parameters = [part for each in self.perceptrons() for part in each.parameters()]
        own = type(self).atomic_energies_and_gradient, type(self).atomic_energies
        ours = AtomisticModel.atomic_energies_and_gradient, AtomisticModel.atomic_energies
        shape = self.kernel_shape() if networks.compiled(parameters[0]) and own == ours else None
        if shape is None or shape.widths[0] != functions.n_features:
            return None
        return ForcePass(functions, scaling, self.shares(numbers), shape, parameters)


class BPNN(AtomisticModel):
    """Behler-Parrinello networks: one perceptron per element, in the order of ``elements``."""

    def add_networks(self, elements: Sequence[str | int], network: Callable[[], MLP]) -> None:
        self.elementwise_models = nn.ModuleList(network() for _ in elements)
        dtype = next(self.elementwise_models.parameters()).dtype
        trained = self.arguments["element_mask"] == "trained"
        self.element_mask = ElementMask(elements, dtype, trained)

    def perceptrons(self) -> list[MLP]:
        return cast("list[MLP]", list(self.elementwise_models))

    def shares_of_numbers(self) -> Tensor:
        return self.element_mask.mask.weight

    def shares(self, numbers: Tensor) -> Tensor:
        return self.element_mask(numbers)

    def one_network(self) -> bool:
        return self.element_mask.picks()

    def latent(self, fingerprint: Tensor, numbers: Tensor, layer: int) -> Tensor:
        out: Tensor | None = None
        for number, network in zip(self.element_mask.numbers, self.perceptrons(), strict=True):
            values = network.latent(fingerprint, layer)
            own = (numbers == number)[:, None]
            out = torch.where(own, values, torch.zeros_like(values) if out is None else out)
        assert out is not None
        return out


class SingleNN(AtomisticModel):
    """One perceptron for atoms of all elements."""

    def add_networks(self, elements: Sequence[str | int], network: Callable[[], MLP]) -> None:
        self.model = network()

    def perceptrons(self) -> list[MLP]:
        return [self.model]

    def shares_of_numbers(self) -> Tensor:
        return next(self.parameters()).new_ones((N_ELEMENTS, 1))

    def latent(self, fingerprint: Tensor, numbers: Tensor, layer: int) -> Tensor:
        return self.model.latent(fingerprint, layer)


def has_hooks(module: nn.Module) -> bool:
    """Whether somebody wants to see what goes through a module."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    return any(hooks) or bool(module._backward_pre_hooks)
