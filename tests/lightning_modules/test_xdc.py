"""XDC and its siblings: who learns whose clusters."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from lightning_modules import XDC
from tests._helpers.clustering_passes import SIZE, batch, checkpoint_of, one_pass, resume, silent
from unlabelled.clustering import KMeansClusterer
from unlabelled.encoders import SmallAudioEncoder, SmallImageEncoder

K = 3
CLUSTERER = KMeansClusterer(iterations=5)
TAUGHT_BY = {  # by the modality that learns: the modalities that are clustered, head by head
    "other": {"image": [["audio"]], "audio": [["image"]]},
    "own": {"image": [["image"]], "audio": [["audio"]]},
    "both": {"image": [["image"], ["audio"]], "audio": [["image"], ["audio"]]},
    "concatenated": {"image": [["image", "audio"]], "audio": [["image", "audio"]]},
}


def xdc(**options: Any) -> XDC:
    torch.manual_seed(0)
    optimizer = partial(torch.optim.SGD, lr=0.1, momentum=0.9)
    method = XDC(SmallImageEncoder(width=2), SmallAudioEncoder(width=2), optimizer, K, **options)
    silent(method)
    return method


@pytest.mark.parametrize("teacher", TAUGHT_BY)
def test_who_learns_whose_clusters(teacher: str) -> None:
    """Loss equals that by hand: k-means of the teachers' features, each encoder's own heads."""
    method = xdc(teacher=teacher).eval()
    one_pass(method, CLUSTERER, batch())
    features = method.embed(batch())
    losses = []
    for name, teachers in TAUGHT_BY[teacher].items():
        logits = method.heads[name](features[name])
        assert logits.shape == (SIZE, len(teachers), K)
        part = []
        for head, sources in enumerate(teachers):
            column = method.sources.index(sources)
            labels = method.pseudo_labels.table[:, column].long()
            _is_clustering_of(torch.cat([_unit(features[one], len(sources)) for one in sources], 1), labels)
            each = F.cross_entropy(logits[:, head], labels, reduction="none")
            part.append(torch.stack([each[labels == cluster].mean() for cluster in labels.unique()]).mean())
        losses.append(torch.stack(part).mean())
    torch.testing.assert_close(method.training_step(batch(), 0)["loss"], torch.stack(losses).mean())
    assert method.num_clusterings == (1 if teacher == "concatenated" else 2)


def _unit(feature: torch.Tensor, sources: int) -> torch.Tensor:
    return F.normalize(feature, dim=1) if sources > 1 else feature


def _is_clustering_of(points: torch.Tensor, labels: torch.Tensor) -> None:
    """Every point is nearest to the mean of its own cluster: where k-means has come to rest."""
    means = torch.stack([points[labels == cluster].mean(0) for cluster in labels.unique()])
    assert torch.equal(
        torch.cdist(points, means).argmin(1), torch.searchsorted(labels.unique(), labels.contiguous())
    )


def test_xdc_teaches_across_and_its_sibling_does_not() -> None:
    """Other audio changes the labels of the images with "other", and those of the audio with "own"."""
    for teacher, changed in (("other", "image"), ("own", "audio")):
        columns = {}
        for sign in (1.0, -1.0):
            method, data = xdc(teacher=teacher), batch()
            data["audio"] = (
                torch.where(torch.arange(SIZE)[:, None, None, None] % 2 == 0, sign, 3.0) * data["audio"]
            )
            one_pass(method, CLUSTERER, data)
            columns[sign] = {
                name: method.labels_of(data["index"])[:, method.clusterings_of(name)]
                for name in method.encoders
            }
        same = {name: torch.equal(columns[1.0][name], columns[-1.0][name]) for name in ("image", "audio")}
        assert same == {name: name != changed for name in same}


def test_each_encoder_learns_from_its_own_loss_alone() -> None:
    method = xdc().train()
    one_pass(method, CLUSTERER, batch())
    method.pseudo_labels.table[:, 1] = -1  # the clusters of the audio, which the images learn
    method.training_step(batch(), 0)["loss"].backward()
    by_name = {
        name: sum(float(p.grad.abs().sum()) for p in method.encoders[name].parameters() if p.grad is not None)
        for name in ("image", "audio")
    }
    assert by_name["image"] == 0
    assert by_name["audio"] > 0


@pytest.mark.parametrize("teacher", TAUGHT_BY)
def test_every_head_is_new_after_a_pass(teacher: str) -> None:
    method = xdc(teacher=teacher)
    one_pass(method, CLUSTERER, batch())
    first = {name: method.heads[name].weight.clone() for name in ("image", "audio")}
    one_pass(method, CLUSTERER, batch(), 1)
    for name, before in first.items():
        after = method.heads[name].weight
        assert all(not torch.equal(old, new) for old, new in zip(before, after, strict=True))
    weights = [head for name in first for head in method.heads[name].weight]
    assert all(
        not torch.equal(one, other) for place, one in enumerate(weights) for other in weights[place + 1 :]
    )


def test_a_resumed_run_goes_on_alike() -> None:
    method, other = xdc(teacher="both"), xdc(teacher="both")
    one_pass(method, CLUSTERER, batch())
    resume(other, checkpoint_of(method))
    for each in (method, other):
        one_pass(each, CLUSTERER, batch(), 1)
    for name, value in method.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_complaints() -> None:
    with pytest.raises(ValueError, match="teacher is 'none', expected one of other, own, both, concatenated"):
        xdc(teacher="none")
    with pytest.raises(ValueError, match="different modalities"):
        XDC(SmallAudioEncoder(2), SmallAudioEncoder(2), partial(torch.optim.SGD, lr=0.1), K)
