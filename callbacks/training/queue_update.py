"""Memory queue: after each step, the keys of all ranks replace the oldest ones."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from unlabelled.contracts import HasQueues
from unlabelled.distributed import broadcast_, gather_equal_rows
from unlabelled.nn.queue import FeatureQueue

Keys = dict[str, list[Tensor]]


class QueueUpdate(Callback):
    """Push the keys of each optimiser step into the method's queues, the same rows on all ranks.

    The keys of a step are ordered by view, and within a view by rank. Under gradient accumulation the keys of
    all its batches are pushed together, after the step: no batch is contrasted with another one of the same
    step.

    The queues are buffers of the module, thus part of each checkpoint. As all ranks hold the same rows, they
    are excluded from DDP's broadcast of buffers.

    Args:
        allow_uneven: Whether the size of a queue may differ from a multiple of the keys that a step pushes.
            The ring then still holds the latest keys, but a step replaces only a part of an earlier one.

    Raises:
        MisconfigurationException: The method has no queues (:class:`unlabelled.contracts.HasQueues`).
        ValueError: A queue's size is no multiple of what a step pushes, and ``allow_uneven`` is off.

    Source: SCE Algorithm 1; docs/methods/sce.md#queue-and-target-network.
    """

    serves: ClassVar[type] = HasQueues

    def __init__(self, allow_uneven: bool = False) -> None:
        self.allow_uneven = allow_uneven
        self._pending: list[Keys] = []
        self._steps = 0
        self._checked = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Check that the method has queues; exclude them from DDP's broadcast of buffers."""
        if not isinstance(pl_module, HasQueues):
            raise MisconfigurationException(
                f"QueueUpdate needs a method with queues (unlabelled.contracts.HasQueues), which "
                f"{type(pl_module).__name__} is not; take the callback out of trainer.callbacks"
            )
        ignored = getattr(pl_module, "_ddp_params_and_buffers_to_ignore", [])
        names = [f"queues.{name}" for name, _ in pl_module.queues.named_buffers()]
        ignore = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model
        ignore(pl_module, [*ignored, *names])  # type: ignore[no-untyped-call]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Copy the queues of rank 0 to all ranks."""
        assert isinstance(pl_module, HasQueues)
        with torch.no_grad():
            for buffer in pl_module.queues.buffers():
                broadcast_(buffer)
        self._pending, self._steps, self._checked = [], trainer.global_step, False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Store the keys of the batch; push them once the optimiser has stepped."""
        self._pending.append(outputs["keys"])
        if trainer.global_step == self._steps:
            return
        self._steps = trainer.global_step
        assert isinstance(pl_module, HasQueues)
        for name, queue in pl_module.queues.items():
            assert isinstance(queue, FeatureQueue)
            rows = torch.cat([gather_equal_rows(view) for keys in self._pending for view in keys[name]])
            self._check(name, queue, len(rows))
            queue.push(rows)
        self._pending, self._checked = [], True

    def _check(self, name: str, queue: FeatureQueue, pushed: int) -> None:
        """Check the first step only: at the end of an epoch a step may accumulate fewer batches."""
        if self._checked or self.allow_uneven or len(queue) % pushed == 0:
            return
        below = len(queue) // pushed * pushed
        raise ValueError(
            f"queue {name!r} has {len(queue)} rows, no multiple of the {pushed} keys that a step pushes "
            "(views x ranks x batch_size x accumulate_grad_batches); set --model.init_args.queue_size to "
            f"{f'{below} or ' if below else ''}{below + pushed}, or let it be with "
            "callbacks.QueueUpdate's allow_uneven: true"
        )
