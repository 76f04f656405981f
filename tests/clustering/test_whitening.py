"""PCA-whitening against scikit-learn's, and what it promises."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from sklearn.decomposition import PCA
from torch import Tensor

from unlabelled.clustering import fit_whitening


def correlated(count: int = 6000, dim: int = 7, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(dim, dim, generator=generator)
    return torch.randn(count, dim, generator=generator) @ mixing + 100


def test_equals_scikit_learns() -> None:
    features = correlated()
    white = fit_whitening(features, 4)
    theirs = PCA(4, whiten=True, svd_solver="full").fit(features.double().numpy())
    components = F.normalize(torch.from_numpy(theirs.transform(features.double().numpy())), dim=1)
    signs = (components * white(features)).sum(0).sign()
    torch.testing.assert_close(white(features).double(), components * signs, atol=1e-4, rtol=0)
    variances = torch.from_numpy(theirs.explained_variance_) * (len(features) - 1) / len(features)
    torch.testing.assert_close(white.variances, variances)
    assert white.floored == 0


def test_components_have_equal_variance_and_rows_length_one() -> None:
    features = correlated()
    white = fit_whitening(features, 7)
    components = (features.double() - white.mean) @ white.projection.double()
    torch.testing.assert_close(components.T.cov(correction=0), torch.eye(7).double(), atol=1e-3, rtol=0)
    rows = white(features)
    assert rows.shape == (6000, 7)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(6000))
    assert torch.equal(rows[4000:], white(features[4000:]))


def test_directions_that_hardly_vary_are_not_blown_up() -> None:
    features = correlated(dim=3)
    noise = 1e-5 * torch.randn(6000, 2, generator=torch.Generator().manual_seed(1))
    everything = torch.cat([features, noise], 1)
    white, careless = fit_whitening(everything, 5), fit_whitening(everything, 5, floor=1e-20)
    assert (white.floored, careless.floored) == (2, 0)
    rms = [float(one(everything)[:, 3:].square().mean().sqrt()) for one in (white, careless)]
    assert rms[0] < 0.02
    assert rms[1] > 0.4
    assert fit_whitening(features[:2], 3).floored == 2  # two rows span one direction


def test_half_precision_and_autocast_do_not_matter() -> None:
    features = correlated().bfloat16()
    expected = fit_whitening(features.float(), 4)(features.float())
    with torch.autocast("cpu", torch.bfloat16):
        found = fit_whitening(features, 4)(features)
    assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("features", "dim", "message"),
    [
        (torch.rand(4, 3), 4, "at least dim=4"),
        (torch.rand(4, 3), 0, "dim at least 1"),
        (torch.rand(4), 1, "shape"),
        (torch.rand(0, 3), 1, "no sample on any rank"),
        (torch.full((4, 3), torch.nan), 1, "of 4 samples hold NaN"),
        (torch.ones(4, 3), 1, "collapsed"),
    ],
)
def test_errors(features: Tensor, dim: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_whitening(features, dim)
