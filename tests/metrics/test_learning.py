"""Measures of learning without labels, on constructed clusterings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_mutual_info_score

from unlabelled.metrics.input_statistics import input_statistics
from unlabelled.metrics.label_free import (
    agreement,
    clusterings_of_features,
    effective_clusters,
    explained_share,
    mean_agreement,
    neighbour_consistency,
)
from unlabelled.metrics.learning import (
    COPIES,
    HEADS,
    JOINT,
    MODALITIES,
    cluster_measures,
    copy_measures,
    label_free_clusters,
    loss_measures,
    predictions_from_features,
    score,
)

GENERATOR = torch.Generator().manual_seed(0)


def draw(rows: int, clusters: int) -> torch.Tensor:
    return torch.randint(clusters, (rows,), generator=GENERATOR)


@pytest.mark.parametrize("clusters", [2, 9, 309])
def test_agreement_is_chance_corrected(clusters: int) -> None:
    first, second = draw(400, clusters), draw(400, clusters)
    expected = adjusted_mutual_info_score(second, first)
    assert agreement(first, second) == pytest.approx(max(expected, 0), abs=1e-9)
    assert agreement(first, second) < 0.05
    permuted = torch.randperm(clusters, generator=GENERATOR)[first]
    assert agreement(first, permuted) == pytest.approx(1)


def test_mean_agreement_is_over_pairs() -> None:
    first, other = draw(300, 5), draw(300, 5)
    pair = agreement(first, other)
    assert mean_agreement(torch.stack([first, first, other], 1)) == pytest.approx((1 + 2 * pair) / 3)


def test_effective_clusters() -> None:
    assert effective_clusters(torch.tensor([3, 3, 3])) == pytest.approx(1)
    sizes = [10, 30, 60]
    labels = torch.arange(3).repeat_interleave(torch.tensor(sizes))
    shares = np.array(sizes) / 100
    assert effective_clusters(labels) == pytest.approx(math.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize("clusters", [2, 9, 309])
def test_no_share_of_random_clusters_is_explained(clusters: int) -> None:
    statistic = torch.rand(500, 3, generator=GENERATOR)
    assert explained_share(torch.stack([draw(500, clusters) for _ in range(8)], 1), statistic) < 0.03


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_clusters_that_are_a_function_of_the_statistic_are_explained(dtype: torch.dtype) -> None:
    statistic = torch.rand(500, 1, generator=GENERATOR, dtype=dtype)
    intervals = (statistic * 9).long()
    assert explained_share(intervals, statistic) > 0.95
    assert explained_share(intervals, 1000 + statistic.double()) > 0.95
    assert explained_share((statistic > 0.5).long(), torch.rand(500, 1, generator=GENERATOR)) < 0.05


def test_the_share_is_goodman_and_kruskals_tau() -> None:
    """Of two independent halves of a cluster's number, the statistic knows one."""
    known, unknown = draw(3000, 4), draw(3000, 4)
    clusters = (4 * known + unknown).unsqueeze(1)
    # Var of the 16 indicators is 1 - 1/16; given the known half, 1 - 1/4 of them is left
    expected = 1 - (1 - 1 / 4) / (1 - 1 / 16)
    assert explained_share(clusters, known.unsqueeze(1).double(), neighbours=20) == pytest.approx(
        expected, abs=0.02
    )


def test_a_constant_statistic_of_sorted_rows_explains_nothing() -> None:
    by_class = torch.arange(8).repeat_interleave(32).unsqueeze(1)
    assert explained_share(by_class, torch.full((256, 2), 0.3)) == 0
    two_values = (torch.arange(256) % 2).double().unsqueeze(1)  # many rows at the same distance
    assert explained_share(by_class, two_values) < 0.06
    assert explained_share(torch.zeros(256, 1, dtype=torch.int64), two_values) == 0
    assert explained_share(by_class[:2], two_values[:2]) == 0


def test_neighbour_consistency() -> None:
    features = torch.randn(200, 16, generator=GENERATOR)
    assert neighbour_consistency(features, features + 0.05 * torch.randn(200, 16, generator=GENERATOR)) == 1
    assert neighbour_consistency(features, torch.randn(200, 16, generator=GENERATOR)) < 0.05
    assert copy_measures({"audio": features, "video+audio": features}, {"audio": features}) == {
        "knn_consistency/audio": 1
    }


def test_measures_of_predictions() -> None:
    video, audio = draw(400, 4), draw(400, 4)
    predictions = {"video": video[:, None], "audio": audio[:, None], JOINT: torch.stack([video, video], 1)}
    statistics = {
        "video": {"colour": video[:, None].double()},
        "audio": {"loudness": video[:, None].double()},
    }
    measures = cluster_measures(predictions, statistics)
    assert measures[HEADS] == pytest.approx(1)
    assert measures["agreement/modalities"] < 0.05
    assert measures["effective_clusters"] == pytest.approx(4, abs=0.1)
    assert measures["shortcut/video/colour"] == measures["shortcut/joint/loudness"] == pytest.approx(1)
    assert measures["shortcut/audio/loudness"] < 0.05


def test_the_loss_of_uniform_predictions_is_log_k() -> None:
    assert loss_measures({"video": torch.full((5,), math.log(9))}, 9) == {
        "loss_over_log_k/video": pytest.approx(1)
    }


def test_clusters_of_features() -> None:
    centres = torch.eye(4)[draw(120, 4)]
    features = {name: centres + 0.01 * torch.randn(120, 4, generator=GENERATOR) for name in ("text", "video")}
    predictions = predictions_from_features({**features, "text+video": features["text"]}, 4, seed=1)
    assert predictions.keys() == {"text", "video", JOINT}
    assert agreement(predictions[JOINT][:, 0], centres.argmax(1)) > 0.6
    assert clusterings_of_features(features["text"], 4, seed=1, repeats=2).shape == (120, 2)
    assert label_free_clusters(20, 100) == 2


def test_the_score_ranks_runs() -> None:
    good = {HEADS: 0.9, COPIES: 0.8, "shortcut/joint/colour": 0.1, "shortcut/video/colour": 0.9}
    assert score(good) == pytest.approx(0.8)
    assert score({**good, "shortcut/joint/colour": 0.8}) == pytest.approx(0.8 * 0.4)
    assert score({**good, MODALITIES: 0.25}) == pytest.approx(0.8 * 0.75)
    assert score({**good, MODALITIES: 0.0}) == pytest.approx(0.4)
    assert score({**good, HEADS: 0.0}) == 0
    assert score({COPIES: 0.4}) == pytest.approx(0.4)
    assert score({}) == 0
    assert math.isnan(score({**good, "effective_clusters": math.nan}))


@pytest.mark.parametrize("crops", [0, 3])
def test_statistics_of_inputs(crops: int) -> None:
    extra = [crops] if crops else []
    video = torch.rand(2, *extra, 3, 4, 6, 6, generator=GENERATOR)
    audio = torch.rand(2, *extra, 1, 8, 5, generator=GENERATOR)
    statistics = input_statistics({"video": video, "audio": audio, "text_mask": torch.ones(2, 7).bool()})
    red = video[1, ..., 0, :, :, :].mean()
    assert statistics["video"]["colour"].shape == (2, 3)
    assert statistics["video"]["colour"][1, 0] == pytest.approx(float(red), rel=1e-5)
    assert statistics["video"]["brightness"][0, 0] == pytest.approx(float(video[0].mean()), rel=1e-5)
    assert statistics["video"]["contrast"][0, 0] == pytest.approx(float(video[0].std(correction=0)), rel=1e-5)
    assert statistics["audio"]["loudness"][1, 0] == pytest.approx(float(audio[1].mean()), rel=1e-5)
    assert statistics["text"]["length"].tolist() == [[7], [7]]
