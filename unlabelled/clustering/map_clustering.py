"""Soft clustering of a map's local descriptors in subspaces that all modalities share (DMC)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_CENTRE_EPS = 1e-12  # smallest squared norm: descriptors may cancel
_SQUASH_EPS = 1e-7


class MapClusters(NamedTuple):
    """The clusters of the maps of a batch.

    Attributes:
        centres: ``(batch, clusters, dim)``, sums of the projected descriptors by their assignments; only
            their directions matter.
        assignments: ``(batch, clusters, positions)``, the weights of the last sum. Over the clusters they sum
            to 1, or to 0 where a position is masked.
        objective: ``(passes, batch)``, the smooth objective at the unit centres of each pass; it does not
            increase.
    """

    centres: Tensor
    assignments: Tensor
    objective: Tensor


class SharedProjection(nn.Module):
    """One linear map into the subspace of each cluster, shared by all positions and modalities.

    Args:
        in_dim: C, channels of the maps.
        num_clusters: K.
        dim: D, of each subspace.

    Source: Hu et al. 2019; DTaoo/DMC, cluster/clustering_layer.py; docs/methods/dmc.md#notation.
    """

    def __init__(self, in_dim: int, num_clusters: int, dim: int) -> None:
        super().__init__()
        self.num_clusters = num_clusters
        self.linear = nn.Linear(in_dim, num_clusters * dim, bias=False)
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, descriptors: Tensor) -> Tensor:
        """Map ``(batch, positions, C)`` to ``(batch, K, positions, D)``."""
        packed: Tensor = self.linear(descriptors)
        return packed.view(*packed.shape[:2], self.num_clusters, -1).transpose(1, 2)


class MapClustering(nn.Module):
    """Soft clustering of the positions of a map, in a few unrolled passes, for any modality.

    Runs in float32 or wider, outside autocast.

    Args:
        in_dim: C, channels of the maps.
        num_clusters: K.
        dim: D, of each cluster's subspace.
        iterations: T, passes.
        sharpness: z of the soft assignment; larger values give harder assignments.
        squash: Scale the descriptors to a norm of almost 1, as the released code does; those near zero stay
            near zero.
        detach_passes: Stop the gradient through the assignments, so that it only flows through the last sum.

    Source: Hu et al. 2019, supplement Eq. 7 to 12; docs/methods/dmc.md#clustering-of-maps.
    """

    def __init__(
        self,
        in_dim: int = 512,
        num_clusters: int = 10,
        dim: int = 16,
        iterations: int = 3,
        sharpness: float = 1.0,
        squash: bool = True,
        detach_passes: bool = False,
    ) -> None:
        super().__init__()
        for name, value in {"num_clusters": num_clusters, "dim": dim, "iterations": iterations}.items():
            if value < 1:
                raise ValueError(f"MapClustering: {name}={value}; expected at least 1")
        if not 0 < sharpness < math.inf:
            raise ValueError(f"MapClustering: sharpness={sharpness}; expected a positive, finite number")
        self.in_dim, self.num_clusters, self.dim = in_dim, num_clusters, dim
        self.iterations, self.sharpness = iterations, sharpness
        self.squash, self.detach_passes = squash, detach_passes
        self.projection = SharedProjection(in_dim, num_clusters, dim)

    def forward(self, descriptors: Tensor, mask: Tensor | None = None) -> MapClusters:
        """Cluster ``descriptors (batch, positions, C)``.

        Args:
            descriptors: Local descriptors in any order.
            mask: ``(batch, positions)``, False at positions to ignore, such as padded audio.

        Raises:
            ValueError: Wrong shapes.
        """
        projected = self.project(descriptors)
        with torch.autocast(descriptors.device.type, enabled=False):
            return cluster_maps(projected, self.iterations, self.sharpness, mask, self.detach_passes)

    def project(self, descriptors: Tensor) -> Tensor:
        """Map ``(batch, positions, C)`` to each cluster's subspace, ``(batch, K, positions, D)``.

        Raises:
            ValueError: The number of channels is not C.
        """
        if descriptors.ndim != 3 or descriptors.shape[2] != self.in_dim:
            raise ValueError(
                f"MapClustering: descriptors have shape {tuple(descriptors.shape)}; expected (batch, "
                f"positions, {self.in_dim}); set in_dim to the encoders' dim, or map them to one dimension"
            )
        with torch.autocast(descriptors.device.type, enabled=False):
            wide = descriptors.to(torch.promote_types(descriptors.dtype, torch.float32))
            projected: Tensor = self.projection(squash(wide) if self.squash else wide)
            return projected


def cluster_maps(
    projected: Tensor,
    iterations: int = 3,
    sharpness: float = 1.0,
    mask: Tensor | None = None,
    detach_passes: bool = False,
) -> MapClusters:
    """Assign each position softly to the clusters and update the centres, ``iterations`` times.

    Each pass first sums the projected descriptors, weighted by the assignments, and then assigns positions by
    the scalar product with the direction of the sum. The softmax is the gradient of the smooth minimum, so no
    pass increases the objective ``-1/z sum_p log sum_k exp(z <u_kp, c_k>)``.

    Args:
        projected: ``(batch, K, positions, D)`` floating point.
        iterations: T.
        sharpness: z.
        mask: ``(batch, positions)``, False at positions to ignore.
        detach_passes: See :class:`MapClustering`.

    Source: Hu et al. 2019, supplement sections 1 and 2; docs/methods/dmc.md#clustering-of-maps.

    Example:
        >>> projected = torch.arange(24.0).view(1, 2, 4, 3).sin()  # clusters, positions, dimensions
        >>> clusters = cluster_maps(projected)
        >>> clusters.centres.shape, clusters.assignments.sum(1).round(decimals=3).tolist()
        (torch.Size([1, 2, 3]), [[1.0, 1.0, 1.0, 1.0]])
        >>> bool((clusters.objective.diff(dim=0) <= 0).all())
        True
    """
    present = _present(projected, mask)  # (batch, 1, positions)
    logits = torch.zeros_like(projected[..., 0])
    objectives = []
    for last in (False,) * (iterations - 1) + (True,):
        assignments = F.softmax(sharpness * logits, 1) * present
        centres = torch.einsum("bkp,bkpd->bkd", assignments, projected)
        source = projected.detach() if detach_passes else projected
        direction = unit(centres.detach() if detach_passes else centres)
        if last:
            direction, source = direction.detach(), source.detach()
        logits = torch.einsum("bkd,bkpd->bkp", direction, source)
        objectives.append(smooth_objective(logits.detach(), sharpness, present[:, 0]))
    return MapClusters(centres, assignments, torch.stack(objectives))


def smooth_objective(products: Tensor, sharpness: float, present: Tensor) -> Tensor:
    """Return the smooth sum of distances to the nearest centre, ``(batch,)``.

    Args:
        products: ``(batch, K, positions)``, scalar products with the unit centres, which are negated
            distances.
        sharpness: z.
        present: ``(batch, positions)``, 0 at positions to ignore.

    Source: Hu et al. 2019, supplement Eq. 1 and 7; docs/methods/dmc.md#clustering-of-maps.
    """
    nearest = torch.logsumexp(sharpness * products, 1) / sharpness
    return -(nearest * present).sum(1)


def squash(descriptors: Tensor, gain: float = 10.0) -> Tensor:
    """Scale ``(..., C)`` to norm ``tanh(gain * norm)``, almost 1 unless the norm is near 0.

    Source: DTaoo/DMC, cluster/clustering_layer.py, ``tanh``.
    """
    length = (descriptors.square().sum(-1, keepdim=True) + _SQUASH_EPS).sqrt()
    return descriptors * (torch.tanh(gain * length) / length)


def unit(vectors: Tensor) -> Tensor:
    """Return ``(..., D)`` with norm 1; a zero vector stays zero, with a finite gradient."""
    return vectors * vectors.square().sum(-1, keepdim=True).clamp_min(_CENTRE_EPS).rsqrt()


def _present(projected: Tensor, mask: Tensor | None) -> Tensor:
    batch, _, positions, _ = projected.shape
    if mask is None:
        return projected.new_ones(batch, 1, positions)
    if mask.shape != (batch, positions):
        raise ValueError(
            f"map clustering: the mask has shape {tuple(mask.shape)}; expected {(batch, positions)}, a truth "
            "value per position"
        )
    return mask[:, None].to(projected.dtype)
