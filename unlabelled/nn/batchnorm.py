"""BatchNorm in virtual groups and on shuffled batches, against information in batch statistics.

In contrastive learning both views of a sample share the statistics of their batch, by which a network can
identify the positive pair without its content. A target whose batch has another order has other statistics.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from unlabelled.distributed import broadcast_, gather_equal_rows, rank, world_size


class SplitBatchNorm(_BatchNorm):
    """BatchNorm in G virtual groups, as in G processes without synchronisation.

    In training mode sample n is normalised by the statistics of group ``n mod G``; the running statistics
    move towards the mean over the groups. In evaluation mode, and in training with several processes, whose
    batches are groups already, it is ordinary BatchNorm. Inputs are ``(batch, C, *size)`` of any size.

    Args:
        num_features: C.
        groups: G.
        eps: Added to the variance.
        momentum: Weight of a batch in the running statistics; ``None``: their plain average over the batches.
        affine: Whether to learn a scale and a shift.
        track_running_stats: Whether to keep running statistics.

    Raises:
        ValueError: ``groups`` is below 1; on a batch that is no multiple of ``groups``.

    Source: juliendenize/eztorch, eztorch/modules/split_batch_norm.py; docs/methods/sce.md#batchnorm.
    """

    def __init__(
        self,
        num_features: int,
        groups: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        if groups < 1:
            raise ValueError(f"SplitBatchNorm: groups is {groups}, expected a number >= 1")
        super().__init__(num_features, eps, momentum, affine, track_running_stats)
        self.groups = groups

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2 or (self.training and len(input) % self._groups()):
            raise ValueError(
                f"SplitBatchNorm: the input is {tuple(input.shape)}, expected (batch, channels, ...) with a "
                f"batch that is a multiple of groups={self.groups}"
            )

    def _groups(self) -> int:
        return self.groups if world_size() == 1 else 1

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``(batch, C, *size)``."""
        groups = self._groups()
        if not self.training or groups == 1:
            return super().forward(input)
        self._check_input_dim(input)
        mean, var = _repeated(self.running_mean, groups), _repeated(self.running_var, groups)
        # Row-major: sample n = i * G + g becomes row i, and its channels the g-th block of C.
        blocks = input.reshape(-1, groups * self.num_features, *input.shape[2:])
        weight, bias = _repeated(self.weight, groups), _repeated(self.bias, groups)
        normed = F.batch_norm(blocks, mean, var, weight, bias, True, self._next_momentum(), self.eps)
        _set_to_mean(self.running_mean, mean)
        _set_to_mean(self.running_var, var)
        return normed.reshape(input.shape)

    def _next_momentum(self) -> float:
        """Count the batch, and return its weight in the running statistics."""
        if self.num_batches_tracked is None:
            return 0.0
        self.num_batches_tracked.add_(1)
        return self.momentum if self.momentum is not None else 1 / int(self.num_batches_tracked)


def _repeated(values: Tensor | None, groups: int) -> Tensor | None:
    return None if values is None else values.repeat(groups)


def _set_to_mean(statistics: Tensor | None, of_groups: Tensor | None) -> None:
    if statistics is not None and of_groups is not None:
        statistics.copy_(of_groups.view(-1, len(statistics)).mean(0))


def split_batchnorm(network: nn.Module, groups: int) -> nn.Module:
    """Replace each BatchNorm2d by :class:`SplitBatchNorm` with the same parameters and buffers.

    Changes ``network`` in place and returns it, or its replacement if it is a BatchNorm2d itself. The
    BatchNorm1d of a projector is not split, as in the released code (eztorch, modules/split_batch_norm.py).

    Raises:
        ValueError: ``groups`` is below 1, or a BatchNorm is synchronised over the processes.
    """
    if isinstance(network, nn.SyncBatchNorm):
        raise ValueError(
            "split_batchnorm: the network has SyncBatchNorm, whose group is the whole batch; use BatchNorm"
        )
    if groups < 1:
        raise ValueError(f"split_batchnorm: groups is {groups}, expected a number >= 1")
    if isinstance(network, nn.BatchNorm2d):
        return _split(network, groups)
    for name, child in network.named_children():
        setattr(network, name, split_batchnorm(child, groups))
    return network


def _split(norm: _BatchNorm, groups: int) -> SplitBatchNorm:
    split = SplitBatchNorm(
        norm.num_features, groups, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
    )
    split.weight, split.bias = norm.weight, norm.bias
    split.running_mean, split.running_var = norm.running_mean, norm.running_var
    split.num_batches_tracked = norm.num_batches_tracked
    return split.train(norm.training)


class ShuffleBatchNorm:
    """Apply a target network to its batch in a random order, so that the groups of BatchNorm2d differ.

    With several processes the batch is shuffled over all of them, and the share of each process is a group;
    a single process has ``groups`` virtual groups. The outputs are in the order of the inputs.

    Args:
        groups: G, virtual groups of a single process, by which its batch must be divisible.

    Raises:
        ValueError: ``groups`` is below 1.

    Source: He et al. 2020 (MoCo, arXiv:1911.05722), section 3.3; docs/methods/sce.md#batchnorm.
    """

    def __init__(self, groups: int = 8) -> None:
        if groups < 1:
            raise ValueError(f"ShuffleBatchNorm: groups is {groups}, expected a number >= 1")
        self.groups = groups

    def prepare(self, network: nn.Module) -> nn.Module:
        """Replace each BatchNorm2d of ``network`` by virtual groups, which are unused with several processes.

        Raises:
            ValueError: The network has none.
        """
        split = split_batchnorm(network, self.groups)
        if not any(isinstance(module, SplitBatchNorm) for module in split.modules()):
            raise ValueError(
                "ShuffleBatchNorm: the target network has no BatchNorm2d to divide into groups; set "
                "shuffle_bn: null (networks of videos are trained with sync_batchnorm: true)"
            )
        return split

    @torch.no_grad()
    def __call__(self, network: nn.Module, inputs: Tensor) -> Tensor:
        """Map ``(batch, ...)`` to the network's outputs ``(batch, ...)``, without gradients.

        Batches must have equal size on all processes, as in training. The order is drawn by the
        first process from torch's generator, which is seeded in each step.
        """
        all_inputs = gather_equal_rows(inputs)
        order = broadcast_(torch.randperm(len(all_inputs)).to(inputs.device))
        own = slice(rank() * len(inputs), (rank() + 1) * len(inputs))
        outputs = gather_equal_rows(network(all_inputs[order[own]]))
        return outputs[order.argsort()[own]]
