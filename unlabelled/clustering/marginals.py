"""The share of the samples that each cluster receives.

SeLaVi draws cluster sizes from a Gaussian (arXiv:2006.13662, section 3 and appendix A.2), because classes are
seldom of equal size; docs/methods/selavi.md#cluster-sizes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from unlabelled.clustering.base import ClusterContext
from unlabelled.seeding import torch_generator

MIN_SIZE = 0.1  # a drawn size is at least this fraction of the mean size N/K


class Marginals(ABC):
    """Chooses the column sums of the transport plan; its result must be the same on all ranks."""

    @abstractmethod
    def __call__(self, column_mass: Tensor, context: ClusterContext, num_samples: int) -> Tensor:
        """Return the share of each cluster, ``(K,)`` float64, positive, summing to 1.

        Args:
            column_mass: ``(K,)`` float64, ``sum_i prod_m p_m(k | i)``: the present mass of each cluster.
            context: The head and the pass.
            num_samples: N, the number of samples over all ranks.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint, made of tensors and builtins."""

    @abstractmethod
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the result of ``state_dict``."""


class UniformMarginals(Marginals):
    """The same share 1/K for every cluster."""

    def __call__(self, column_mass: Tensor, context: ClusterContext, num_samples: int) -> Tensor:
        """Return ``(K,)`` equal shares; see ``Marginals``."""
        return torch.full_like(column_mass, 1 / column_mass.numel(), dtype=torch.float64)

    def state_dict(self) -> dict[str, Any]:
        """Return an empty dictionary: there is no state."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Accept the empty state."""
        if state_dict:
            raise ValueError(
                f"UniformMarginals got a state with keys {sorted(state_dict)}, expected none: the checkpoint "
                "was made with other marginals. Configure those, or start a new run."
            )


class _DrawnSizes(Marginals):
    """Base of marginals with cluster sizes that are drawn once per head and kept for the whole run.

    Sizes are relative to the mean size N/K.
    """

    def __init__(self, std: float = 0.1) -> None:
        if not std >= 0:
            raise ValueError(f"{type(self).__name__}: std is {std}, expected a number >= 0 (paper: 0.1)")
        self.std = std
        self._sizes: dict[int, Tensor] = {}

    def _drawn(self, num_clusters: int, context: ClusterContext) -> Tensor:
        if context.head not in self._sizes:
            self._sizes[context.head] = self._draw(num_clusters, context)
        sizes = self._sizes[context.head]
        if sizes.shape != (num_clusters,):
            raise ValueError(
                f"{type(self).__name__}: head {context.head} has {num_clusters} clusters, but its sizes "
                f"were drawn for {sizes.numel()}: the checkpoint was made with another number of clusters"
            )
        return sizes

    def _draw(self, num_clusters: int, context: ClusterContext) -> Tensor:
        # One generator per head: a draw depends neither on the order of the heads nor on other draws.
        generator = torch_generator("marginals", context.seed, context.head)
        normal = torch.randn(num_clusters, generator=generator, dtype=torch.float64)
        return (1 + self.std * normal).clamp_(min=MIN_SIZE)

    def state_dict(self) -> dict[str, Any]:
        """Return ``{"sizes": {head: (K,) float64}}``."""
        return {"sizes": {head: sizes.clone() for head, sizes in self._sizes.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the sizes.

        Raises:
            ValueError: Sizes are not vectors of positive numbers.
        """
        sizes: Mapping[int, Any] = state_dict["sizes"]
        loaded = {
            int(head): torch.as_tensor(value, dtype=torch.float64).cpu() for head, value in sizes.items()
        }
        for head, value in loaded.items():
            if value.ndim != 1 or not bool((value > 0).all()):
                raise ValueError(
                    f"{type(self).__name__}: sizes of head {head} must be a vector of positive numbers"
                )
        self._sizes = {head: value.clone() for head, value in loaded.items()}


class GaussianMarginals(_DrawnSizes):
    """Gaussian cluster sizes as described in the paper: the largest size goes to the cluster of largest mass.

    Each head has its own sizes ``d ~ N(1, std)``. They are drawn from the run's seed at its first clustering,
    kept for the whole run, and sorted by the clusters' present masses in each pass. The shares are ``r = d /
    sum d``.

    Args:
        std: Standard deviation relative to the mean size. Draws below 0.1 are raised to 0.1 of the mean size
            (nine standard deviations away at the paper's 0.1), since each share must be positive.
    """

    def __call__(self, column_mass: Tensor, context: ClusterContext, num_samples: int) -> Tensor:
        """Return ``(K,)`` shares that increase with the masses; see ``Marginals``."""
        sizes = self._drawn(column_mass.numel(), context).to(column_mass.device)
        matched = torch.empty_like(sizes)
        matched[torch.argsort(column_mass, stable=True)] = sizes.sort().values
        return matched / matched.sum()


class ReleasedGaussianMarginals(_DrawnSizes):
    """Gaussian cluster sizes as computed by the released code (facebookresearch/selavi, src/sk_utils.py).

    There the sort runs along an axis of length 1 and has no effect, so the order of the masses only permutes
    the sizes; they are permuted in place, hence further in each call; and ``r ~ 1 / d`` instead of ``d``.

    Args:
        std: Standard deviation relative to the mean size; draws below 0.1 are raised to 0.1 of the mean size.
    """

    def __call__(self, column_mass: Tensor, context: ClusterContext, num_samples: int) -> Tensor:
        """Return ``(K,)`` shares and permute the stored draw; see ``Marginals``."""
        sizes = self._drawn(column_mass.numel(), context)
        permuted = torch.empty_like(sizes)
        permuted[torch.argsort(column_mass.cpu(), stable=True)] = sizes
        self._sizes[context.head] = permuted
        inverse = permuted.reciprocal().to(column_mass.device)
        return inverse / inverse.sum()
