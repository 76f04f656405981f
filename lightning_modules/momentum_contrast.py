"""Base of MoCo v2, ReSSL and SCE, which differ only in the target distribution."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn

from lightning_modules.base import BaseModule
from unlabelled.batch import Batch, Features
from unlabelled.distributed import all_reduce_sum_, gather_equal_rows, rank, world_size
from unlabelled.encoders import Encoder
from unlabelled.losses import Contrast
from unlabelled.nn.batchnorm import ShuffleBatchNorm
from unlabelled.nn.heads import MLP
from unlabelled.nn.queue import FeatureQueue
from unlabelled.nn.target import make_target


class MomentumContrast(BaseModule):
    """Contrast embeddings of an online network with those of an EMA target network and of a queue.

    The batch contains ``views``; view 0 is weakly augmented. The target network embeds view 0, the online
    network all other views (asymmetric); or the target network embeds views 0 and 1, the online network all
    views, and each view of the target is contrasted with all views but itself (symmetric). Views from 2 on
    (multi-crop) may have other sizes. The loss is the mean over these pairs of views, all with the queue as
    it is before the step, and with ``use_keys`` also with the keys of the batch (SCE Eq. 3 to 10 as printed).

    :class:`callbacks.QueueUpdate` and :class:`callbacks.TargetUpdate` update queue and target after the step.

    Args:
        encoder: Maps views ``(B, C, [T,] H, W)`` to ``(B, D)``.
        optimizer: Called with the trainable parameters.
        projector: Called with D; makes the projector on top of the encoder, in both networks.
        predictor: Called with the projector's ``out_dim``; makes the predictor of the online network.
            ``null``: there is none.
        queue_size: M, number of keys in the queue.
        symmetric: Whether the target embeds the first two views instead of the first one.
        use_keys: Whether queries are compared with the keys of the batch, of all ranks, as well as with those
            of the queue. A sample's own key is the positive alone.
        shuffle_bn: Shuffles the batch of the target's BatchNorm (for small batches on few GPUs); ``null``: no
            shuffling, for ``trainer.sync_batchnorm`` or plain BatchNorm.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Source: SCE Algorithm 1; docs/methods/sce.md#equations.
    """

    logs: ClassVar[tuple[str, ...]] = (
        "train/info_nce",
        "train/relational",
        "train/ceiling",
        "train/relation_entropy",
    )

    def __init__(
        self,
        encoder: Encoder,
        optimizer: OptimizerCallable,
        projector: Callable[[int], MLP],
        predictor: Callable[[int], MLP] | None = None,
        queue_size: int = 65536,
        symmetric: bool = False,
        use_keys: bool = False,
        shuffle_bn: ShuffleBatchNorm | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, **kwargs)
        self.modality = encoder.modality
        self.encoders = nn.ModuleDict({self.modality: encoder})
        self.projector = projector(encoder.dim)
        self.predictor = predictor(self.projector.out_dim) if predictor is not None else nn.Identity()
        self.target = make_target(self._online())
        self.shuffle_bn = shuffle_bn
        if shuffle_bn is not None:
            self.target = shuffle_bn.prepare(self.target)
        self.queues = nn.ModuleDict({self.modality: FeatureQueue(queue_size, self.projector.out_dim)})
        self.num_targets, self.use_keys = 2 if symmetric else 1, use_keys

    @abstractmethod
    def contrast(self, query: Tensor, key: Tensor, queue: Tensor, own_rows: Tensor | None = None) -> Contrast:
        """Return the loss of normalised queries and keys ``(B, D)`` with the queue ``(M, D)``.

        ``own_rows (B,)`` are the rows of the queue that are the samples' own keys, which are left out.
        """

    def _online(self) -> nn.Sequential:
        """Return encoder and projector of the online network; the target is their moving average."""
        return nn.Sequential(self.encoders[self.modality], self.projector)

    def target_pairs(self) -> Sequence[tuple[nn.Module, nn.Module]]:
        """Return the (online, target) pair of encoder and projector."""
        return [(self._online(), self.target)]

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}`` of the online encoder, without projector."""
        return {self.modality: self.encoders[self.modality](batch[self.modality])}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the mean contrast over all pairs of target view and online view."""
        views: list[Tensor] = batch.get("views", [])
        pairs = [(t, o) for t in range(self.num_targets) for o in range(len(views)) if o != t]
        if not pairs:
            raise ValueError(
                f"{type(self).__name__} needs at least two views of a sample, got {len(views)}; set "
                "--data.init_args.pipeline to ContrastiveImages or ContrastiveClips, with at least two views"
            )
        keys = [self._keys(view) for view in views[: self.num_targets]]
        queries = {online: self._queries(views[online]) for online in sorted({o for _, o in pairs})}
        queue = self.queues[self.modality].rows
        assert isinstance(queue, Tensor)
        compared = [self._compared(key, queue) for key in keys]
        terms = [self.contrast(queries[online], keys[target], *compared[target]) for target, online in pairs]
        loss = torch.stack([term.loss for term in terms]).mean()
        self._log_terms(terms, len(views[0]))
        return {"loss": loss, "keys": {self.modality: keys}}

    @torch.no_grad()
    def _compared(self, keys: Tensor, queue: Tensor) -> tuple[Tensor, ...]:
        """Return the rows to compare with, and with ``use_keys`` which of them are this rank's ``(B, D)``."""
        if not self.use_keys:
            return (queue,)
        own = rank() * len(keys) + torch.arange(len(keys), device=keys.device)
        return torch.cat([gather_equal_rows(keys), queue.to(keys)]), own

    @torch.no_grad()
    def _keys(self, view: Tensor) -> Tensor:
        """Embed a view ``(B, ...)`` by the target: ``(B, D)``, normalised, float32."""
        out = self.target(view) if self.shuffle_bn is None else self.shuffle_bn(self.target, view)
        return F.normalize(out.float(), dim=1)

    def _queries(self, view: Tensor) -> Tensor:
        """Embed a view ``(B, ...)`` by the online network: ``(B, D)``, normalised, float32."""
        out: Tensor = self.predictor(self.projector(self.encoders[self.modality](view)))
        return F.normalize(out.float(), dim=1)

    def _log_terms(self, terms: list[Contrast], batch_size: int) -> None:
        """Log the means over pairs and ranks."""
        names = [name for name in Contrast._fields if getattr(terms[0], name) is not None]
        per_pair = [torch.stack([getattr(term, name) for term in terms]).detach() for name in names]
        values = all_reduce_sum_(torch.stack(per_pair).mean(1)).div_(world_size())
        for name, value in zip(names, values, strict=True):
            self.log(f"train/{name}", value, prog_bar=name == "loss", batch_size=batch_size)

    def on_train_start(self) -> None:
        """Check that BatchNorm is either shuffled or synchronised.

        Raises:
            MisconfigurationException: Both ``shuffle_bn`` and SyncBatchNorm are set.
        """
        synced = any(isinstance(part, nn.SyncBatchNorm) for part in self.target.modules())
        if self.shuffle_bn is not None and synced:
            raise MisconfigurationException(
                "shuffle_bn has no effect under SyncBatchNorm; set --model.init_args.shuffle_bn null, or "
                "--trainer.sync_batchnorm false"
            )
        super().on_train_start()


def warn_if_target_is_less_sharp(temperature: float, target_temperature: float) -> None:
    """Warn if the target distribution is less sharp than the online one (SCE section 3.2)."""
    if target_temperature > temperature:
        rank_zero_warn(
            f"target_temperature={target_temperature} is above temperature={temperature}: the target "
            "should be sharper; lower target_temperature"
        )
