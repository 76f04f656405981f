"""Update of memory queues after each step."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

from callbacks.training.divergence_checks import left_out_step
from unlabelled.contracts import HasQueues
from unlabelled.distributed import broadcast_, gather_equal_rows
from unlabelled.nn.queue import FeatureQueue

Keys = dict[str, list[Tensor]]


class QueueUpdate(Callback):
    """Push the keys of each optimiser step, of all ranks, into the queues of the method on each rank.

    The keys of a step are ordered by view, and within a view by rank. Under gradient accumulation the keys of
    all batches of a step are pushed together, after the step; no batch is contrasted with another one of its
    step. The keys of a step that ``DivergenceChecks`` leaves out are not pushed.

    The queues are buffers of the module, thus part of each checkpoint. As they are the same on all ranks,
    they are excluded from DDP's broadcast of buffers.

    Args:
        allow_uneven: Whether the size of a queue may differ from a multiple of the number of keys that a step
            pushes. The queue then still has the latest keys, but a step may replace a part of the keys of an
            earlier step.

    Raises:
        MisconfigurationException: The method has no queues (:class:`unlabelled.contracts.HasQueues`).
        ValueError: The size of a queue is no multiple of the number of keys that a step pushes, and
            ``allow_uneven`` is false.

    Source: SCE Algorithm 1; docs/methods/sce.md#queue-and-target-network.
    """

    serves: ClassVar[type] = HasQueues

    def __init__(self, allow_uneven: bool = False) -> None:
        self.allow_uneven = allow_uneven
        self._pending: list[Keys] = []
        self._last_step = 0
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
        self._pending, self._last_step, self._checked = [], trainer.global_step, False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Store the keys of the batch; push all stored keys after an optimiser step."""
        self._pending.append(outputs["keys"])
        if trainer.global_step == self._last_step:
            return
        self._last_step = trainer.global_step
        assert isinstance(pl_module, HasQueues)
        for name, queue in pl_module.queues.items():
            assert isinstance(queue, FeatureQueue)
            rows = torch.cat([gather_equal_rows(view) for keys in self._pending for view in keys[name]])
            self._check(name, queue, len(rows))
            queue.push(rows, unless=left_out_step(trainer))
        self._pending, self._checked = [], True

    def _check(self, name: str, queue: FeatureQueue, pushed: int) -> None:
        """Check the first step only, as the last step of an epoch may accumulate fewer batches."""
        if self._checked or self.allow_uneven or len(queue) % pushed == 0:
            return
        below = len(queue) // pushed * pushed
        raise ValueError(
            f"queue {name!r} has {len(queue)} rows, no multiple of the {pushed} keys that a step pushes "
            "(views x ranks x batch_size x accumulate_grad_batches); set --model.init_args.queue_size to "
            f"{f'{below} or ' if below else ''}{below + pushed}, or set "
            "allow_uneven: true of callbacks.QueueUpdate"
        )
