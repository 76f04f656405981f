"""Protocols that evaluate an encoder with labels: linear evaluation and fine-tuning."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.cli import OptimizerCallable
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import MeanMetric, Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from lightning_modules.base import BaseModule, check_num_classes
from unlabelled.batch import Batch, Features
from unlabelled.contracts import Labelled
from unlabelled.data.datasets.clips import NOT_REPLACED
from unlabelled.encoders import Encoder
from unlabelled.encoders.evaluation_crops import embed_crops
from unlabelled.optim import batchnorm_parameters

_SCORES = "scores"  # key of the class scores, beside the features of the modalities


class Classifier(BaseModule):
    """Base of the protocols that train a linear layer with labels, on the features of one or more encoders.

    In evaluation the predictions for the crops of a sample (30 for a video) are averaged.

    Args:
        encoder: Maps ``(B, C, [T,] H, W)`` to ``(B, D)``; or a list of encoders, one per modality, whose
            features are concatenated in the order of the list (video and audio: 512 + 512).
        num_classes: C.
        optimizer: Called with the trainable parameters.
        dropout: Probability, before the linear layer.
        average: Whether the predictions for crops are averaged as ``probabilities`` or as ``logits``.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`; ``encoder_checkpoint`` is the run to
            evaluate. Without it the encoder starts from random weights.

    Raises:
        ValueError: No encoder, or two of one modality.
    """

    logs: ClassVar[tuple[str, ...]] = ("train/accuracy", "val/loss", "val/accuracy", "val/top5")

    def __init__(
        self,
        encoder: Encoder | list[Encoder],
        num_classes: int,
        optimizer: OptimizerCallable,
        dropout: float = 0.0,
        average: Literal["probabilities", "logits"] = "probabilities",
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, **kwargs)
        self.num_classes, self.average = num_classes, average
        encoders = encoder if isinstance(encoder, list) else [encoder]
        self.encoders = nn.ModuleDict(_by_modality(encoders))
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(sum(each.dim for each in encoders), num_classes)
        self._initialise(self.classifier)
        # validate_args=False: reading the labels would wait for the device at each step.
        self.train_accuracy = MulticlassAccuracy(num_classes, average="micro", validate_args=False)
        self.scores = nn.ModuleDict({stage: _scores(num_classes) for stage in ("val", "test")})

    def _initialise(self, layer: nn.Linear) -> None:
        nn.init.normal_(layer.weight, std=0.01)  # eztorch/models/heads/linear3d.py, init_std
        nn.init.zeros_(layer.bias)

    def setup(self, stage: str) -> None:
        """Compare ``num_classes`` with the number of classes of the data.

        Raises:
            MisconfigurationException: They differ, or the data have no labels.
        """
        super().setup(stage)
        data = getattr(self.trainer, "datamodule", None)
        if isinstance(data, Labelled) and not data.class_names:
            raise MisconfigurationException(
                f"{type(self).__name__} learns from labels, but {type(data).__name__} has none; give class "
                "folders or a table with the column label, or take a method that needs no labels"
            )
        check_num_classes(self.trainer, self.num_classes)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the fold of the data on which the classifier is trained, if the data has folds."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["fold"] = getattr(getattr(self.trainer, "datamodule", None), "fold", None)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the fold of the data is the fold of training.

        Raises:
            ValueError: The fold of the data differs from the fold of the checkpoint.
        """
        super().on_load_checkpoint(checkpoint)
        fold = getattr(getattr(self.trainer, "datamodule", None), "fold", None)
        if checkpoint.get("fold") != fold:
            raise ValueError(
                f"the checkpoint was trained on fold {checkpoint.get('fold')}, but the data is fold {fold}: "
                f"its test clips would be known; set --data.init_args.fold {checkpoint.get('fold')}"
            )

    def on_test_start(self) -> None:
        """Warn if no trained classifier is loaded."""
        if self.trainer.ckpt_path is None:
            rank_zero_warn(f"{type(self).__name__} is tested untrained: give --ckpt_path")

    def _encode(self, batch: Batch) -> Features:
        return {name: encoder(batch[name]) for name, encoder in self.encoders.items()}

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the cross-entropy with the labels."""
        labels = self._labels(batch, batch_idx)
        logits = self.classifier(self.dropout(_concatenated(self.embed(batch)))).float()
        loss = F.cross_entropy(logits, labels)
        self.train_accuracy(logits.detach(), labels)
        self.log("train/loss", loss, prog_bar=True, batch_size=len(labels))
        self.log("train/accuracy", self.train_accuracy, batch_size=len(labels))
        return {"loss": loss}

    def _labels(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the labels; check only those of the first batch, as a check waits for the device."""
        labels: Tensor = batch["label"]
        if missing := [name for name in self.encoders if name not in batch]:
            raise ValueError(
                f"{type(self).__name__} needs one {missing[0]} of a sample; set --data.init_args.pipeline to "
                "LabelledImages, LabelledClips, FrameAndAudio or another pipeline that returns it"
            )
        if batch_idx == 0 and bool((labels < 0).any()):
            raise ValueError(
                f"{type(self).__name__} learns from labels, but training samples have none; choose another "
                "split (STL10: --data.init_args.train_split train)"
            )
        return labels

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features`` and ``log_probs (B, C)``, averaged over the crops of each sample."""
        outputs = embed_crops(self._predict, batch)
        scores = outputs.pop(_SCORES)
        return {"features": outputs, "log_probs": self._log_probs(scores)}

    def _predict(self, batch: Batch) -> Features:
        features = self.embed(batch)
        logits = self.classifier(_concatenated(features)).float()
        scores = logits.softmax(1) if self.average == "probabilities" else logits
        return {**features, _SCORES: scores}

    def _log_probs(self, scores: Tensor) -> Tensor:
        if self.average == "logits":
            return scores.log_softmax(1)
        return scores.clamp_min(
            torch.finfo(scores.dtype).tiny
        ).log()  # else one certain error has an infinite loss

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Score a batch of the validation split."""
        return self._score(batch, "val")

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> dict[str, Any]:
        """Score a batch of the test split."""
        return self._score(batch, "test")

    def _score(self, batch: Batch, stage: str) -> dict[str, Any]:
        outputs = self.evaluation_step(batch)
        original = batch["replaced"] == NOT_REPLACED  # a replacement is scored in its own row
        log_probs, labels = outputs["log_probs"][original], batch["label"][original]
        if len(labels) > 0:
            scores = cast(nn.ModuleDict, self.scores[stage])
            cast(MetricCollection, scores["accuracies"]).update(log_probs, labels)
            cast(MeanMetric, scores["loss"]).update(F.nll_loss(log_probs, labels), weight=len(labels))
        return outputs

    def on_validation_epoch_end(self) -> None:
        """Log loss and accuracies over all ranks."""
        self._log_scores("val")

    def on_test_epoch_end(self) -> None:
        """Log loss and accuracies over all ranks."""
        self._log_scores("test")

    def _log_scores(self, stage: str) -> None:
        scores = cast(nn.ModuleDict, self.scores[stage])
        accuracies, loss = cast(MetricCollection, scores["accuracies"]), cast(MeanMetric, scores["loss"])
        values = {"loss": loss.compute(), **accuracies.compute()}
        named = {f"{stage}/{name}": value for name, value in values.items()}
        self.log_dict(named, prog_bar=True, sync_dist=True)  # equal on all ranks; without it Lightning warns
        accuracies.reset()
        loss.reset()


def _by_modality(encoders: list[Encoder]) -> dict[str, Encoder]:
    by_modality = {encoder.modality: encoder for encoder in encoders}
    if len(by_modality) != len(encoders) or not by_modality:
        names = ", ".join(encoder.modality for encoder in encoders) or "nothing"
        raise ValueError(
            f"encoder: got encoders for {names}; expected one, or a list with one for each modality"
        )
    return by_modality


def _concatenated(features: Features) -> Tensor:
    return torch.cat(list(features.values()), 1)


def _scores(num_classes: int) -> nn.ModuleDict:
    accuracies: dict[str, Metric | MetricCollection] = {
        "accuracy": MulticlassAccuracy(num_classes, average="micro"),
        "top5": MulticlassAccuracy(num_classes, top_k=min(5, num_classes), average="micro"),
    }
    return nn.ModuleDict({"accuracies": MetricCollection(accuracies), "loss": MeanMetric()})


class LinearProbe(Classifier):
    """Linear evaluation: train a linear layer on the frozen encoder, with BatchNorm's running statistics.

    Args:
        **kwargs: See :class:`Classifier`.

    Source: SCE appendices D.1 to D.3; docs/methods/sce.md#linear-evaluation-on-images.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.save_hyperparameters()
        self.encoders.requires_grad_(False)
        self.encoders.eval()  # Lightning keeps the mode of each module

    def train(self, mode: bool = True) -> LinearProbe:
        """Set the mode of the layer; the encoder stays in evaluation mode."""
        super().train(mode)
        self.encoders.eval()
        return self

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``, without a gradient."""
        with torch.no_grad():
            return self._encode(batch)


class FineTune(Classifier):
    """Fine-tuning: train the linear layer and the encoder.

    Args:
        encoder_lr_factor: Learning rate of the encoder, as a multiple of that of the layer.
        orthogonal: Initialise the layer by an orthogonal matrix, as SeLaVi does.
        decay_batchnorm: Whether the optimiser's weight decay includes scale and shift of BatchNorm.
        **kwargs: See :class:`Classifier`.

    Source: SCE appendix D.3; docs/methods/sce.md#fine-tuning. The factor and ``orthogonal``: the protocol
    of SeLaVi and GDT; docs/methods/selavi.md. ``decay_batchnorm``: SlowFast's;
    docs/methods/sce.md#something-something-v2.
    """

    def __init__(
        self,
        encoder_lr_factor: float = 1.0,
        orthogonal: bool = False,
        decay_batchnorm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.save_hyperparameters()
        self.encoder_lr_factor, self.decay_batchnorm = encoder_lr_factor, decay_batchnorm
        if orthogonal:
            nn.init.orthogonal_(self.classifier.weight)

    def embed(self, batch: Batch) -> Features:
        """Return ``{modality: (B, D)}``."""
        return self._encode(batch)

    def build_optimizer(self) -> Optimizer:
        """Return the optimiser, with the encoder's own learning rate."""
        norms = [] if self.decay_batchnorm else batchnorm_parameters(self.encoders)
        without = {id(parameter) for parameter in norms}
        encoder = [parameter for parameter in self.encoders.parameters() if id(parameter) not in without]
        groups: list[dict[str, Any]] = [
            {"params": list(self.classifier.parameters())},
            {"params": encoder},
            *([{"params": norms, "weight_decay": 0.0}] if norms else []),
        ]
        optimizer: Optimizer = self.optimizer(groups)
        for group in optimizer.param_groups[1:]:
            group["lr"] *= self.encoder_lr_factor
        self._scale_learning_rate(optimizer)
        return optimizer
