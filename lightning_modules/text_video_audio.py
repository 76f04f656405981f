"""Base of EAO and SSPC: tokens of text, video and audio, transformers, projections, contrast of pairs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

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


class Seen(NamedTuple):
    """A batch after the token encoders.

    Attributes:
        tokens: By modality; the masking token replaces the first token of an empty modality.
        nonempty: ``(B,)`` bool by modality: whether the item has any token.
    """

    tokens: dict[str, Tokens]
    nonempty: dict[str, Tensor]


class TextVideoAudio(BaseModule):
    """Contrast of the modalities of a clip, as projected means of the output tokens of transformers.

    Args:
        text: Token encoder of words.
        video: Token encoder of video features.
        optimizer: Called with the parameters.
        transformer: Called with D, the size of a token.
        audio: Token encoder of spectrograms; ``null``: a method of text and video alone.
        shared_transformer: One transformer for all modalities, which also takes two together; else one per
            modality, and a fused feature is the mean of two.
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

    def see(self, batch: Batch, modalities: Collection[str] | None = None) -> Seen:
        """Return the tokens of all streams of a batch, or of the given modalities."""
        names = [name for name in self.encoders if modalities is None or name in modalities]
        tokens: dict[str, Tokens] = {name: self.encoders[name](batch) for name in names}
        nonempty = {name: each.nonempty for name, each in tokens.items()}
        return Seen({name: self.masking_token(each) for name, each in tokens.items()}, nonempty)

    def single_features(self, seen: Seen) -> Features:
        """Return ``{modality: (B, P)}``, normalised, float32."""
        return {name: self._features_of((name,), seen) for name in seen.tokens}

    def fused_feature(self, name: str, singles: Features, seen: Seen) -> Tensor:
        """Return the feature ``(B, P)`` of two modalities: a mean of normalised ones, itself not normalised.

        If one part of an item is empty, it is the feature of the other part; the released EAO mixes the other
        part with the masking token in the transformer. Such items are in the loss of no pair with that part.
        """
        parts = parts_of(name)
        present = [part for part in parts if part in singles]
        nonempty = [seen.nonempty[part] for part in present]
        apart = mean_of_present([singles[part] for part in present], nonempty)
        if _SHARED not in self.transformers or len(present) < len(parts):
            return apart
        both = torch.stack(nonempty).all(0)
        return torch.where(both.unsqueeze(1), self._features_of(parts, seen), apart)

    def _features_of(self, parts: tuple[str, ...], seen: Seen) -> Tensor:
        """Run the transformer on the tokens of all ``parts``; return the mean of their features."""
        tokens = [seen.tokens[part] for part in parts]
        joined = Tokens(
            torch.cat([each.values for each in tokens], 1), torch.cat([t.mask for t in tokens], 1)
        )
        transformer = self._transformer(parts[0])
        out = transformer(joined)
        if transformer.cls_token is not None:
            return self._project(parts[0], out[:, 0])
        outs = out.split([each.mask.shape[1] for each in tokens], 1)
        means = [masked_mean(part, each.mask).to(out.dtype) for part, each in zip(outs, tokens, strict=True)]
        return torch.stack([self._project(*each) for each in zip(parts, means, strict=True)]).mean(0)

    def _transformer(self, modality: str) -> FusionTransformer:
        transformer = self.transformers[_SHARED if _SHARED in self.transformers else modality]
        assert isinstance(transformer, FusionTransformer)
        return transformer

    def _project(self, modality: str, pooled: Tensor) -> Tensor:
        """Map ``(B, D)`` to ``(B, P)``, normalised, float32 also under autocast."""
        projection = self.projections[_SHARED if _SHARED in self.projections else modality]
        return F.normalize(projection(pooled).float(), dim=1)

    def embed(self, batch: Batch) -> Features:
        """Return ``{name: (B, P)}`` of each modality of the batch and of all pairs with such a modality.

        For an item without a modality it is the feature of the masking token.

        Raises:
            ValueError: The batch has none of the modalities.
        """
        seen = self._see_present(batch)
        return self._all_features(seen)

    def _see_present(self, batch: Batch) -> Seen:
        present = [name for name, each in self.encoders.items() if each.key in batch]
        if not present:
            keys = [each.key for each in self.encoders.values()]
            raise ValueError(
                f"{type(self).__name__}: the batch has none of {', '.join(map(str, keys))}; it has "
                f"{sorted(batch)}. Use a data module of features"
            )
        return self.see(batch, present)

    def _all_features(self, seen: Seen) -> Features:
        singles = self.single_features(seen)
        fused = [name for name in fused_names(list(self.encoders)) if set(parts_of(name)) & set(singles)]
        return {**singles, **{name: self.fused_feature(name, singles, seen) for name in fused}}

    def evaluation_step(self, batch: Batch) -> dict[str, Any]:
        """Return ``features``."""
        return {"features": self.embed(batch)}

    def contrast(self, singles: Features, seen: Seen) -> dict[str, Tensor]:
        """Return the loss of each pair, over the items that have all modalities of the pair."""
        features, losses = dict(singles), {}
        for name in self.pair_weights:
            for side in pair_of(name):
                if side not in features:
                    features[side] = self.fused_feature(side, singles, seen)
            first, second = pair_of(name)
            valid = torch.stack([seen.nonempty[part] for part in parts_of(first) + parts_of(second)]).all(0)
            losses[name] = self.pair_loss(features[first], features[second], valid)
        return losses

    def contrast_report(self, losses: dict[str, Tensor], seen: Seen) -> dict[str, Tensor]:
        """Return the values to log: losses of the pairs and shares of non-empty items."""
        shares = {f"nonempty/{name}": there.float().mean() for name, there in seen.nonempty.items()}
        pairs = {f"nce/{name}": loss for name, loss in losses.items()}
        return {"nce": weighted_pairs(losses, self.pair_weights), **pairs, **shares}

    def _check_pairs(self) -> None:
        named: set[str] = set()
        for name in self.pair_weights:
            named.update(*map(parts_of, pair_of(name)))
        here = set(self.encoders)
        if named != here:
            raise ValueError(
                f"{type(self).__name__}: pair_weights {sorted(self.pair_weights)} are about {sorted(named)}, "
                f"but the model has encoders of {sorted(here)}; each must take part in a pair, and no other"
            )
        if negative := [name for name, weight in self.pair_weights.items() if weight < 0]:
            raise ValueError(f"{type(self).__name__}: the weights of {negative} are below 0")

    def _check_cls_token(self) -> None:
        with_cls = any(self._transformer(name).cls_token is not None for name in self.encoders)
        if with_cls and _SHARED not in self.projections:
            raise ValueError(
                f"{type(self).__name__}: a transformer with cls_token speaks for several modalities at once; "
                "set shared_projection: true"
            )


def _common_dim(encoders: dict[str, TokenEncoder]) -> int:
    dims = {name: each.dim for name, each in encoders.items()}
    if len(set(dims.values())) > 1:
        raise ValueError(f"the tokens of all modalities must have one size, got {dims}; set their dim alike")
    return next(iter(dims.values()))
