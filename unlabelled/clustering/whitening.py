"""Principal components of rows that are sharded over the ranks, scaled to equal variance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.distributed import all_reduce_sum_, broadcast_

_CHUNK = 4096  # rows that are converted to float64 at once
_SMALLEST, _LARGEST = 1e-30, 1e30  # of features whose standard deviations have a reciprocal in float32
_ROUNDING = 1e-12  # deviations below this share of the mean are rounding in float64


@dataclass(frozen=True)
class Whitening:
    """Maps features to their principal components, scaled to unit variance and then to unit length.

    Attributes:
        mean: ``(D,)`` float32.
        projection: ``(D, d)`` float32, the components divided by their standard deviations.
        variances: ``(d,)`` float64, variances of the components, the largest first.
        floored: Number of components whose variance was raised to the floor.
    """

    mean: Tensor
    projection: Tensor
    variances: Tensor
    floored: int

    @torch.no_grad()
    def __call__(self, features: Tensor) -> Tensor:
        """Return ``(n, d)`` float32 unit rows for ``features (n, D)``."""
        white = torch.empty(len(features), self.projection.shape[1], device=features.device)
        with torch.autocast(features.device.type, enabled=False):
            for rows in _chunks(len(features)):
                centred = features[rows].detach().float() - self.mean
                white[rows] = F.normalize(centred @ self.projection, dim=1)
        return white


@torch.no_grad()
def fit_whitening(features: Tensor, dim: int, floor: float = 1e-6) -> Whitening:
    """Fit PCA-whitening to the rows of all ranks, in float64.

    Ranks exchange sums of D x D numbers, so the result equals that of one process with all rows.

    Args:
        features: ``(n_local, D)`` floating point; a shard may be empty.
        dim: d, components to keep, at most D.
        floor: Smaller variances are raised to this share of the largest one. Without it, noise in directions
            of almost no variance, of which a network has many, would weigh as much as all others.

    Returns:
        The whitening, equal on all ranks.

    Raises:
        ValueError: Wrong shape or sizes, NaN or infinity in a row, or equal rows only.

    Source: Caron et al. 2018 (arXiv:1807.05520); facebookresearch/deepcluster, clustering.py;
    docs/methods/selavi.md#deepcluster.
    """
    if features.ndim != 2 or not features.is_floating_point() or not 1 <= dim <= features.shape[1]:
        raise ValueError(
            f"whitening: features are {features.dtype} of shape {tuple(features.shape)}, expected floating "
            f"point of shape (samples, dimensions) with at least dim={dim} of them, and dim at least 1"
        )
    with torch.autocast(features.device.type, enabled=False):
        mean, covariance = _moments(features.detach())
    if not bool(covariance.isfinite().all()) or float(mean.abs().amax()) > _LARGEST:
        raise ValueError(
            "whitening: features are too large for float32; check the checkpoint and the input data"
        )
    values, vectors = torch.linalg.eigh(covariance.cpu())
    variances, components = values.flip(0)[:dim].clamp(min=0), vectors.flip(1)[:, :dim]
    if not variances[0].sqrt() > max(_SMALLEST, _ROUNDING * float(mean.abs().amax())):
        raise ValueError("whitening: all samples have the same features; the network has collapsed")
    least = floor * variances[0]
    projection = components * _signs(components) / variances.clamp(min=least).sqrt()
    floored = int((variances < least).sum())
    device_projection = broadcast_(projection.to(features.device, torch.float32).contiguous())
    return Whitening(mean.float(), device_projection, variances, floored)


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean ``(D,)`` and the covariance ``(D, D)`` of the rows of all ranks, float64."""
    dim = features.shape[1]
    sums = torch.zeros(dim + 1, dtype=torch.float64, device=features.device)
    sums[-1] = len(features)
    for rows in _chunks(len(features)):
        sums[:-1] += features[rows].double().sum(0)
    all_reduce_sum_(sums)
    if sums[-1] < 1:
        raise ValueError("whitening: there is no sample on any rank; check the data")
    if not bool(sums.isfinite().all()):
        raise ValueError(
            f"whitening: some of {int(sums[-1])} samples hold NaN or infinity; check the checkpoint and the "
            "input data"
        )
    mean = sums[:-1] / sums[-1]
    products = torch.zeros(dim, dim, dtype=torch.float64, device=features.device)
    for rows in _chunks(len(features)):
        centred = features[rows].double() - mean
        products.addmm_(centred.T, centred)
    return mean, all_reduce_sum_(products) / sums[-1]


def _signs(components: Tensor) -> Tensor:
    """Return signs ``(d,)`` that make the largest entry of each component positive, on any LAPACK."""
    largest = components.abs().argmax(0, keepdim=True)
    return components.gather(0, largest)[0].sign()


def _chunks(num_rows: int) -> Iterator[slice]:
    return (slice(start, start + _CHUNK) for start in range(0, num_rows, _CHUNK))
