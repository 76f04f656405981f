"""SSPC: semantic-structure-preserving consistency (Swetha et al. 2023, arXiv:2308.13077)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.base import log_means
from lightning_modules.text_video_audio import BatchTokens, TextVideoAudio
from unlabelled.batch import Batch, Features
from unlabelled.clustering import DampedMultiSinkhorn, MultiAssignment
from unlabelled.distributed import rank, world_size
from unlabelled.encoders import StreamEncoder, masked_mean, not_finite_shares
from unlabelled.losses import StructureWeights
from unlabelled.losses.anchor_objective import AnchorObjective, Targets, usage_entropy
from unlabelled.losses.structure import Logits
from unlabelled.nn.anchors import AnchorRows, AnchorSpaces
from unlabelled.nn.queue import FillingQueue

_WITH_AUDIO = {"text-video": 1.0, "text-audio": 0.1, "video-audio": 0.1}
_WITHOUT_AUDIO = {"text-video": 1.0}


class SSPC(TextVideoAudio):
    """Contrast pairs of modalities; predict codes of anchors before the fusion from after it, and vice versa.

    Each modality has its own transformer, K anchors for the mean of its tokens and K for its projected
    feature. Codes in one space supervise similarities in the other, within and across modalities.
    :class:`callbacks.QueueUpdate` fills the queues ``input_text``, ``projected_text``, ..., whose rows take
    part in the balanced assignment of codes.

    Args:
        num_anchors: K, of each bank.
        queue_size: Rows of each queue (5500).
        lambda_nce: Weight of the contrastive loss.
        lambda_sspc: Weight of the SSPC loss; 0: it is not computed.
        structure: Terms of the SSPC loss and their weights; ``null``: the released ones.
        assignment: Computes the codes; ``null``: Multi-SK, Approach 1.
        targets: ``minmax``: codes stretched to 0 and 1, row by row; ``raw``: codes clipped to [0, 1].
        logits: ``scaled``: the similarities divided by the temperature; ``exp``: the exponential of that.
        temperature: tau_b, of the similarities.
        start: ``full``: no SSPC loss before the queues are full; ``now``: from the first step on.
        mask_empty: Leave clips without a modality out of the codes and terms of that modality. In a queue
            such a clip is a row of zeros, which takes no part in an assignment.
        raw_input_features: Use the pre-extracted features instead of the tokens in the input space. Audio
            has no such features; it keeps its tokens.
        pair_weights: ``null``: 1 for text and video, 0.1 for each pair with audio.
        **kwargs: See :class:`~lightning_modules.text_video_audio.TextVideoAudio`, except
            ``shared_transformer``.

    Raises:
        ValueError: A fused feature in a pair, a negative weight, or a SSPC loss without terms.

    Source: Swetha5/Multi_Sinkhorn_Knopp, everything_at_once/model/fusion_model.py
    (TransformerPerModalityModel2) and loss/combinatorial_loss.py (AncSimilarityLoss);
    docs/methods/sspc.md#anchors, #queues and #sspc-loss.
    """

    logs: ClassVar[tuple[str, ...]] = (
        "train/sspc",
        "train/sspc/*",
        "train/usage_entropy/*",
        "train/queue_filled",
    )

    def __init__(
        self,
        num_anchors: int = 64,
        queue_size: int = 5500,
        lambda_nce: float = 1.0,
        lambda_sspc: float = 1.0,
        structure: StructureWeights | None = None,
        assignment: MultiAssignment | None = None,
        targets: Targets = "minmax",
        logits: Logits = "exp",
        temperature: float = 0.1,
        start: Literal["full", "now"] = "full",
        mask_empty: bool = False,
        raw_input_features: bool = False,
        pair_weights: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if pair_weights is None:
            pair_weights = _WITH_AUDIO if kwargs.get("audio") is not None else _WITHOUT_AUDIO
        super().__init__(pair_weights=pair_weights, shared_transformer=False, **kwargs)
        self.save_hyperparameters()
        self.num_anchors, self.queue_size = num_anchors, queue_size
        self.lambda_nce, self.lambda_sspc = lambda_nce, lambda_sspc
        self.assignment: MultiAssignment = assignment if assignment is not None else DampedMultiSinkhorn()
        self.num_assigned = self.assignment.num_assigned(num_anchors)
        self.start, self.raw_input_features = start, raw_input_features
        terms = (structure if structure is not None else StructureWeights()).terms(list(self.encoders))
        self.objective = AnchorObjective(terms, self.assignment, targets, logits, temperature, mask_empty)
        self._check_weights()
        dims = dict.fromkeys(self.encoders, self.dim)
        if raw_input_features:
            widths = {name: cast(StreamEncoder, each).in_dim for name, each in self.encoders.items()}
            dims |= {name: width for name, width in widths.items() if width is not None}
        self.anchors = AnchorSpaces(num_anchors, dims, self.projection_dim)
        sizes = {f"input_{name}": dim for name, dim in dims.items()}
        sizes |= {f"projected_{name}": self.projection_dim for name in dims}
        self.queues = nn.ModuleDict({name: FillingQueue(queue_size, dim) for name, dim in sizes.items()})

    def _check_weights(self) -> None:
        if fused := [name for name in self.pair_weights if "+" in name]:
            raise ValueError(
                f"SSPC: pair_weights name {fused}, but transformers of single modalities have no fused "
                "features; leave them out, as the released code does silently, or train lightning_modules.EAO"
            )
        terms = self.objective.terms
        if min(self.lambda_nce, self.lambda_sspc) < 0 or (self.lambda_sspc and not terms):
            raise ValueError(
                f"SSPC: lambda_nce={self.lambda_nce}, lambda_sspc={self.lambda_sspc}, {len(terms)} terms; "
                "expected no negative weight, and lambda_sspc: 0 where structure has no term"
            )

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the weighted sum of both losses, and the rows for the queues as ``keys``."""
        encoded = self.encode_tokens(batch)
        singles, inputs = self.single_features(encoded), self.input_features(batch, encoded)
        counted = encoded.nonempty
        if not self.objective.masked:
            counted = {name: torch.ones_like(each) for name, each in counted.items()}
        rows = AnchorRows(inputs, singles, counted)
        report = self.contrast(singles, encoded) | not_finite_shares(self.encoders, batch)
        loss = self.lambda_nce * report["nce"] + self.anchors.zero_loss()
        filled = cast(FillingQueue, self.queues["input_text"]).num_filled / self.queue_size
        if self.lambda_sspc and (self.start == "now" or filled == 1):
            structure = self.objective(self.anchors, rows, self._queued_rows())
            loss = loss + self.lambda_sspc * structure.total
            terms = {f"sspc/{name}": cost for name, cost in structure.terms.items()}
            usage = {
                f"usage_entropy/{name}": usage_entropy(scores, self.num_assigned)
                for name, scores in self._anchor_scores(singles).items()
            }
            report |= {"sspc": structure.total, **terms, **usage}
        report["queue_filled"] = loss.new_full((), filled)
        log_means(self, {"loss": loss, **report}, len(encoded.nonempty["text"]))
        return {"loss": loss, "keys": self._keys(rows)}

    def input_features(self, batch: Batch, encoded: BatchTokens) -> Features:
        """Return ``{modality: (B, D)}``, the mean of the tokens before the transformer, normalised."""
        features = {}
        for name, tokens in encoded.tokens.items():
            encoder = cast(StreamEncoder, self.encoders[name])
            raw = self.raw_input_features and encoder.in_dim is not None
            values, mask = encoder.stream(batch) if raw else tokens
            features[name] = F.normalize(masked_mean(values, mask), dim=1)
        return features

    def _queued_rows(self) -> AnchorRows:
        """Return this rank's share of the rows of the queues, which are equal on all ranks."""
        filled = {name: cast(FillingQueue, queue).filled_rows for name, queue in self.queues.items()}
        shares = {name: rows.tensor_split(world_size())[rank()] for name, rows in filled.items()}
        inputs = {name: shares[f"input_{name}"] for name in self.encoders}
        projected = {name: shares[f"projected_{name}"] for name in self.encoders}
        counted = {name: rows.any(1) | (not self.objective.masked) for name, rows in projected.items()}
        return AnchorRows(inputs, projected, counted)

    def _keys(self, batch: AnchorRows) -> dict[str, list[Tensor]]:
        """Return the rows for the queues; zeros for rows that do not count."""
        keys = {}
        for name, counted in batch.counted.items():
            for space, rows in (("input", batch.inputs), ("projected", batch.projected)):
                keys[f"{space}_{name}"] = [torch.where(counted.unsqueeze(1), rows[name].detach(), 0)]
        return keys

    @torch.no_grad()
    def _anchor_scores(self, features: Features) -> dict[str, Tensor]:
        """Return ``{modality: (B, K)}``, cosines with the anchors of the modality's projected features."""
        scores = {name: self.anchors.projected[name] for name in self.encoders if name in features}
        return {name: bank(features[name]) for name, bank in scores.items()}

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features``, and ``anchor_scores`` of the modalities that the batch has."""
        features = self.embed(batch)
        return {"features": features, "anchor_scores": self._anchor_scores(features)}

    def assign_anchors(self, scores: Tensor) -> Tensor:
        """Return the soft K'-hot codes ``(n, K)`` of ``scores (n, K)``, balanced over all ranks' rows."""
        return self.assignment(scores)
