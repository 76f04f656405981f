"""Base of EAO and SSPC, which contrast features of text, video and audio computed by transformers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from typing import Any, ClassVar, NamedTuple, cast

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_modules.base import BaseModule
from unlabelled.batch import Batch, Features
from unlabelled.encoders import FusionTransformer, GatedUnit, MaskingToken, TokenEncoder, Tokens, masked_mean
from unlabelled.losses import PairLoss, SymmetricNCE, weighted_pairs
from unlabelled.modalities import fused_names, mean_of_present, pair_of, parts_of

_SHARED = "shared"


class BatchTokens(NamedTuple):
    """The tokens of a batch, by modality, and the samples that have each modality.

    Attributes:
        tokens: By modality; the masking token replaces the first token of a sample without the modality.
        nonempty: ``(B,)`` bool by modality, True for samples that have it.
    """

    tokens: dict[str, Tokens]
    nonempty: dict[str, Tensor]


class TextVideoAudio(BaseModule):
    """Contrast the modalities of a clip, whose features are projected means of transformers' output tokens.

    Args:
        text: Token encoder of words.
        video: Token encoder of video features.
        optimizer: Called with the parameters.
        transformer: Called with D, the size of a token.
        audio: Token encoder of spectrograms; ``null``: a method of text and video alone.
        shared_transformer: True: one transformer for all modalities, which also computes fused features from
            the tokens of two modalities. False: one transformer per modality; a fused feature is then the
            mean of the features of two modalities.
        projection_dim: P, size of a feature.
        shared_projection: One gated projection for all modalities instead of one per modality.
        pair_weights: Weights of the contrasted pairs, ``text-video``, ``text-video+audio``, ...
        pair_loss: ``null``: :class:`~unlabelled.losses.SymmetricNCE`.
        **kwargs: See :class:`~lightning_modules.base.BaseModule`.

    Raises:
        ValueError: Tokens of different sizes, or pairs that do not fit the modalities.

    Source: ninatu/everything_at_once and its fork Swetha5/Multi_Sinkhorn_Knopp,
    everything_at_once/model/fusion_model.py; docs/methods/sspc.md#transformer and #nce-loss.
    """

    compares_samples = True
    logs: ClassVar[tuple[str, ...]] = (
        "train/nce",
        "train/nce/*",
        "train/nonempty/*",
        "train/not_finite/*",
    )

    def __init__(
        self,
        text: TokenEncoder,
        video: TokenEncoder,
        optimizer: OptimizerCallable,
        transformer: Callable[[int], FusionTransformer],
        pair_weights: dict[str, float],
        audio: TokenEncoder | None = None,
        shared_transformer: bool = True,
        projection_dim: int = 6144,
        shared_projection: bool = False,
        pair_loss: PairLoss | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(optimizer, **kwargs)
        encoders = {each.modality: each for each in (text, video, audio) if each is not None}
        self.dim, self.projection_dim = _common_dim(encoders), projection_dim
        self.encoders = nn.ModuleDict(encoders)
        self.masking_token = MaskingToken(self.dim)
        names = [_SHARED] if shared_transformer else list(encoders)
        self.transformers = nn.ModuleDict({name: transformer(self.dim) for name in names})
        names = [_SHARED] if shared_projection else list(encoders)
        self.projections = nn.ModuleDict({name: GatedUnit(self.dim, projection_dim) for name in names})
        self.pair_weights = {name: weight for name, weight in pair_weights.items() if weight}
        self.pair_loss: PairLoss = pair_loss if pair_loss is not None else SymmetricNCE()
        self._check_pairs()
        self._check_cls_token()

    @abstractmethod
    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return ``loss``, and ``keys`` where there are queues."""

    def encode_tokens(self, batch: Batch, modalities: Collection[str] | None = None) -> BatchTokens:
        """Return the tokens of the given modalities of a batch; None: of all modalities of the method."""
        names = [name for name in self.encoders if modalities is None or name in modalities]
        tokens: dict[str, Tokens] = {name: self.encoders[name](batch) for name in names}
        nonempty = {name: each.nonempty for name, each in tokens.items()}
        return BatchTokens({name: self.masking_token(each) for name, each in tokens.items()}, nonempty)

    def single_features(self, encoded: BatchTokens) -> Features:
        """Return ``{modality: (B, P)}``, normalised, float32."""
        return {name: self._features_of((name,), encoded) for name in encoded.tokens}

    def fused_feature(self, name: str, singles: Features, encoded: BatchTokens) -> Tensor:
        """Return the feature ``(B, P)`` of two modalities: a mean of normalised ones, itself not normalised.

        If a sample lacks one of the two modalities, its fused feature is the feature of the other one; the
        released EAO instead passes the masking token and the other modality through the transformer. The
        loss of a pair excludes the samples that lack one of its modalities.

        Args:
            name: The modalities, such as ``video+audio``.
            singles: See :meth:`single_features`; at least one of the modalities.
            encoded: The tokens from which they were computed.
        """
        parts = parts_of(name)
        present = [part for part in parts if part in singles]
        nonempty = [encoded.nonempty[part] for part in present]
        separate = mean_of_present([singles[part] for part in present], nonempty)
        if _SHARED not in self.transformers or len(present) < len(parts):
            return separate
        both = torch.stack(nonempty).all(0)
        return torch.where(both.unsqueeze(1), self._features_of(parts, encoded), separate)

    def _features_of(self, parts: tuple[str, ...], encoded: BatchTokens) -> Tensor:
        """Run the transformer on the tokens of all ``parts``; return the mean of their features."""
        tokens = [encoded.tokens[part] for part in parts]
        joined = Tokens(
            torch.cat([each.values for each in tokens], 1), torch.cat([each.mask for each in tokens], 1)
        )
        name = _SHARED if _SHARED in self.transformers else parts[0]
        transformer = cast(FusionTransformer, self.transformers[name])
        out = transformer(joined)
        if transformer.cls_token is not None:
            return self._project(parts[0], out[:, 0])
        outs = out.split([each.mask.shape[1] for each in tokens], 1)
        means = [masked_mean(part, each.mask).to(out.dtype) for part, each in zip(outs, tokens, strict=True)]
        return torch.stack([self._project(*each) for each in zip(parts, means, strict=True)]).mean(0)

    def _project(self, modality: str, pooled: Tensor) -> Tensor:
        """Map ``(B, D)`` to ``(B, P)``, normalised, float32 also under autocast."""
        projection = self.projections[_SHARED if _SHARED in self.projections else modality]
        return F.normalize(projection(pooled).float(), dim=1)

    def embed(self, batch: Batch) -> Features:
        """Return ``{name: (B, P)}`` of each modality of the batch and of all pairs with such a modality.

        The feature of a modality that a sample lacks is the feature of the masking token.

        Raises:
            ValueError: The batch has none of the modalities.
        """
        present = [name for name, each in self.encoders.items() if each.key in batch]
        if not present:
            keys = [each.key for each in self.encoders.values()]
            raise ValueError(
                f"{type(self).__name__}: the batch has none of {', '.join(map(str, keys))}; it has "
                f"{sorted(batch)}. Use a data module of features"
            )
        encoded = self.encode_tokens(batch, present)
        singles = self.single_features(encoded)
        fused = [name for name in fused_names(list(self.encoders)) if set(parts_of(name)) & set(singles)]
        return {**singles, **{name: self.fused_feature(name, singles, encoded) for name in fused}}

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features``."""
        return {"features": self.embed(batch)}

    def contrast(self, singles: Features, encoded: BatchTokens) -> dict[str, Tensor]:
        """Return the contrastive loss and the values to log.

        The loss of a pair is over the samples that have all modalities of the pair.

        Returns:
            ``nce``, the weighted mean of the pairs' losses; ``nce/<pair>``, the loss of each pair;
            ``nonempty/<modality>``, the share of the samples that have the modality.
        """
        features, losses = dict(singles), {}
        for name in self.pair_weights:
            first, second = pair_of(name)
            for side in (first, second):
                if side not in features:
                    features[side] = self.fused_feature(side, singles, encoded)
            valid = [encoded.nonempty[part] for part in parts_of(first) + parts_of(second)]
            losses[name] = self.pair_loss(features[first], features[second], torch.stack(valid).all(0))
        pairs = {f"nce/{name}": loss for name, loss in losses.items()}
        shares = {f"nonempty/{name}": each.float().mean() for name, each in encoded.nonempty.items()}
        return {"nce": weighted_pairs(losses, self.pair_weights), **pairs, **shares}

    def _check_pairs(self) -> None:
        named: set[str] = set()
        for name in self.pair_weights:
            named.update(*map(parts_of, pair_of(name)))
        modalities = set(self.encoders)
        if named != modalities:
            raise ValueError(
                f"{type(self).__name__}: pair_weights {sorted(self.pair_weights)} are about {sorted(named)}, "
                f"but the model has encoders of {sorted(modalities)}; give each of them a pair, and no other"
            )
        if negative := [name for name, weight in self.pair_weights.items() if weight < 0]:
            raise ValueError(f"{type(self).__name__}: the weights of {negative} are below 0")

    def _check_cls_token(self) -> None:
        with_cls = any(each.cls_token is not None for each in self.transformers.values())
        if with_cls and _SHARED not in self.projections:
            raise ValueError(
                f"{type(self).__name__}: the output of a cls_token belongs to several modalities at once; "
                "set shared_projection: true"
            )


def _common_dim(encoders: dict[str, TokenEncoder]) -> int:
    dims = {name: each.dim for name, each in encoders.items()}
    if len(set(dims.values())) > 1:
        raise ValueError(
            f"the tokens of all modalities must have one size, got {dims}; set their dim to one value"
        )
    return next(iter(dims.values()))
