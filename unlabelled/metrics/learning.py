"""Measures without labels, on a sample of the data, of what a run has learned; and one score of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from math import isnan, log, nan, sqrt

import torch
import torch.nn.functional as F
from torch import Tensor

from unlabelled.metrics.label_free import (
    agreement,
    clusterings_of_features,
    effective_clusters,
    explained_share,
    mean_agreement,
    neighbour_consistency,
)

Measures = dict[str, float]
"""The measures by name, as in TensorBoard but for the first part, ``learning``."""

JOINT = "joint"
"""Name of the prediction of all modalities together."""
SHORTCUT, LOSS, CONSISTENCY = "shortcut", "loss_over_log_k", "knn_consistency"
MODALITIES, HEADS, COPIES, PASSES = (
    f"agreement/{between}" for between in ("modalities", "heads", "copies", "passes")
)
EFFECTIVE, QUEUE_LOSS, SCORE = "effective_clusters", "loss_over_log_queue", "score"
_HEADS = 4  # heads that are compared: the time of all pairs grows with their square


def cluster_measures(
    predictions: Mapping[str, Tensor], statistics: Mapping[str, Mapping[str, Tensor]]
) -> Measures:
    """Return the agreements, the effective number of clusters and the shortcuts of predicted clusters.

    Args:
        predictions: ``(n, H)`` integer by modality, and :data:`JOINT`. The first four heads are used.
        statistics: ``(n, s)`` by modality, or :data:`JOINT`, and by name; see
            :func:`~unlabelled.metrics.input_statistics.input_statistics`.

    Returns:
        ``agreement/modalities``, the mean over all pairs of modalities and over heads;
        ``agreement/heads``, the mean over all pairs of heads of the joint prediction;
        ``effective_clusters`` of the joint prediction, the mean over heads;
        ``shortcut/<modality>/<statistic>`` and ``shortcut/joint/<statistic>``, the share of the clusters of
        the modality, and of the joint prediction, that the statistic explains, the mean over heads.
    """
    heads = {name: each[:, :_HEADS].cpu() for name, each in predictions.items()}
    joint, modalities = heads[JOINT], [name for name in heads if name != JOINT]
    measures = {EFFECTIVE: _mean(effective_clusters(each) for each in joint.unbind(1))}
    if len(modalities) > 1:
        pairs = combinations(modalities, 2)
        measures[MODALITIES] = _mean(agreement_by_head(heads[one], heads[two]) for one, two in pairs)
    if joint.shape[1] > 1:
        measures[HEADS] = mean_agreement(joint)
    for source, by_name in statistics.items():
        for name, statistic in by_name.items():
            for clusters in {source, JOINT} & set(heads):
                share = explained_share(heads[clusters], statistic)
                key = f"{SHORTCUT}/{clusters}/{name}"
                measures[key] = max(share, measures.get(key, 0.0))
    return measures


def agreement_by_head(first: Tensor, second: Tensor) -> float:
    """Return the mean agreement of each head ``(n, H)`` with the same head of another ``(n, H)``."""
    columns = zip(first[:, :_HEADS].unbind(1), second[:, :_HEADS].unbind(1), strict=True)
    return _mean(agreement(*pair) for pair in columns)


def loss_measures(losses: Mapping[str, Tensor], num_clusters: int) -> Measures:
    """Return the mean of each modality's cross-entropies ``(n,)`` over log K; 1 if it predicts nothing."""
    return {
        f"{LOSS}/{name}": float(loss.double().mean()) / log(num_clusters) for name, loss in losses.items()
    }


def copy_measures(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> Measures:
    """Return ``knn_consistency/<modality>`` of the features ``(n, D)`` of two copies of each sample."""
    return {
        f"{CONSISTENCY}/{name}": neighbour_consistency(first[name], second[name]) for name in alone(first)
    }


def predictions_from_features(
    features: Mapping[str, Tensor], num_clusters: int, seed: int
) -> dict[str, Tensor]:
    """Cluster the features of each modality, and of all together, by k-means.

    Args:
        features: ``(n, D)`` by modality; those of several modalities (``video+audio``) are not used.
        num_clusters: K.
        seed: Seed of the first centroids.

    Returns:
        ``(n, 3)`` by modality and :data:`JOINT`: clusterings from three starts, in place of those of heads.
    """
    single = {name: features[name] for name in alone(features)}
    joint = torch.cat([F.normalize(each.float(), dim=1) for each in single.values()], 1)
    named = {**single, JOINT: joint}
    return {name: clusterings_of_features(each, num_clusters, seed) for name, each in named.items()}


def score(measures: Mapping[str, float]) -> float:
    """Return one number from 0 to 1 that ranks runs: stable clusters that more than one modality has.

    It is the product of three factors, each as far as it was measured: the smaller one of
    ``agreement/heads`` and ``agreement/copies``; ``(1 + sqrt(agreement/modalities)) / 2``; and, where a
    statistic explains more than half of the joint clusters, twice the share that it does not explain. It is
    NaN if a measure is, and 0 if neither of the first two was measured.
    """
    if any(map(isnan, measures.values())):
        return nan
    stable = min((measures[name] for name in (HEADS, COPIES) if name in measures), default=0.0)
    start = f"{SHORTCUT}/{JOINT}/"
    followed = max((value for name, value in measures.items() if name.startswith(start)), default=0.0)
    shared = (1 + sqrt(measures.get(MODALITIES, 1.0))) / 2
    return stable * shared * min(2 * (1 - followed), 1.0)


def label_free_clusters(num_rows: int, num_clusters: int | None) -> int:
    """Return K for k-means of a sample: the method's, or sqrt(n / 2) for None; at least 8 rows each.

    >>> label_free_clusters(512, None), label_free_clusters(512, 10_000), label_free_clusters(512, 9)
    (16, 64, 9)
    """
    chosen = round((num_rows / 2) ** 0.5) if num_clusters is None else num_clusters
    return max(2, min(chosen, num_rows // 8))


def alone(names: Iterable[str]) -> list[str]:
    """Return the names of single modalities."""
    return [name for name in names if "+" not in name]


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)
