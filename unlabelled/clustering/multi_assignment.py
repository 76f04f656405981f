"""Multi-Assignment Sinkhorn-Knopp as objects with settings, for YAML."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor

from unlabelled.clustering.multi_sinkhorn import Order, damped_multi_sinkhorn, graded_multi_sinkhorn


class MultiAssignment(ABC):
    """Assigns a soft code of several anchors to each sample.

    Args:
        fraction: Share of the anchors that is assigned to a sample.

    Raises:
        ValueError: ``fraction`` is not in (0, 1].
    """

    def __init__(self, fraction: float = 0.5) -> None:
        if not 0 < fraction <= 1:
            raise ValueError(
                f"{type(self).__name__}: fraction is {fraction}, expected above 0 and at most 1 (paper: 0.5)"
            )
        self.fraction = fraction

    def num_assigned(self, num_anchors: int) -> int:
        """Return K' for K anchors, rounded down.

        Raises:
            ValueError: K' is 0.
        """
        assigned = int(num_anchors * self.fraction)
        if assigned < 1:
            raise ValueError(
                f"{type(self).__name__}: fraction {self.fraction} of {num_anchors} anchors is less than one; "
                f"set fraction to at least {1 / max(1, num_anchors):.3g}, or take more anchors"
            )
        return assigned

    @abstractmethod
    def __call__(self, scores: Tensor) -> Tensor:
        """Return the codes T ``(..., n, K)`` for ``scores (..., n, K)``; each rank has its own n rows."""


class DampedMultiSinkhorn(MultiAssignment):
    """Approach 1 of Multi-SK, the paper's choice; see :func:`damped_multi_sinkhorn`.

    Args:
        fraction: Share of the anchors that is assigned to a sample; K' = int(fraction * K).
        damping: mu.
        epsilon: eps.
        num_iterations: Number of rounds.
        order: ``paper`` or ``code``.
        denominator_eps: 0; 1e-5 gives the numbers of the released code.

    Source: SSPC supplement, section 2.1; values from Swetha5/Multi_Sinkhorn_Knopp,
    configs/pretraining/resnet_tva.yaml; docs/methods/sspc.md#multi-sk and #hyperparameters.
    """

    def __init__(
        self,
        fraction: float = 0.5,
        damping: float = 0.25,
        epsilon: float = 0.07,
        num_iterations: int = 20,
        order: Order = "paper",
        denominator_eps: float = 0.0,
    ) -> None:
        super().__init__(fraction)
        self.damping, self.epsilon, self.num_iterations = damping, epsilon, num_iterations
        self.order, self.denominator_eps = order, denominator_eps

    def __call__(self, scores: Tensor) -> Tensor:
        """Return the codes ``(..., n, K)``; see :class:`MultiAssignment`."""
        assigned = self.num_assigned(scores.shape[-1])
        options = (self.epsilon, self.num_iterations, self.order, self.denominator_eps)
        return damped_multi_sinkhorn(scores, assigned, self.damping, *options)


class GradedMultiSinkhorn(MultiAssignment):
    """Approach 2 of Multi-SK; see :func:`graded_multi_sinkhorn`.

    Args:
        fraction: Share of the anchors that is assigned to a sample; K' = int(fraction * K).
        range_factor: eta.
        epsilon: eps.
        num_iterations: Number of rounds.
        order: ``paper`` or ``code``.
        denominator_eps: 0; 1e-5 gives the numbers of the released code.

    Source: SSPC supplement, section 2.1 and Table 7; docs/methods/sspc.md#multi-sk.
    """

    def __init__(
        self,
        fraction: float = 0.5,
        range_factor: float = 0.1,
        epsilon: float = 0.07,
        num_iterations: int = 20,
        order: Order = "paper",
        denominator_eps: float = 0.0,
    ) -> None:
        super().__init__(fraction)
        self.range_factor, self.epsilon, self.num_iterations = range_factor, epsilon, num_iterations
        self.order, self.denominator_eps = order, denominator_eps

    def __call__(self, scores: Tensor) -> Tensor:
        """Return the codes ``(..., n, K)``; see :class:`MultiAssignment`."""
        assigned = self.num_assigned(scores.shape[-1])
        options = (self.epsilon, self.num_iterations, self.order, self.denominator_eps)
        return graded_multi_sinkhorn(scores, assigned, self.range_factor, *options)
