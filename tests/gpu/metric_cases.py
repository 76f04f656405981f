"""Metrics that are computed where the features are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.gpu.inputs import Cases, Inputs
from unlabelled.metrics import (
    ClusteringMetrics,
    agreement,
    average_precision,
    centred,
    contingency,
    cosine_pair,
    effective_clusters,
    eleven_point_precision,
    euclidean_pair,
    explained_share,
    fit_logistic_regression,
    in_top,
    input_statistics,
    knn_accuracy,
    knn_predict,
    listed_ties_scores,
    mean_agreement,
    mean_by_id,
    mean_class_accuracy,
    neighbour_consistency,
    pair_ranks,
    recall_at_k,
    retrieval_scores,
    sharded_top_k,
)
from unlabelled.metrics.action_detection import correct_actions
from unlabelled.metrics.correspondence import pair_contest
from unlabelled.metrics.linear import one_vs_rest, unit_rows
from unlabelled.metrics.localisation import (
    broken_maps,
    consensus_iou,
    consensus_map,
    detected,
    normalised_maps,
    success_area,
    success_rates,
)
from unlabelled.metrics.multi_source import class_maps, class_overlap, match_clusters, silent_area
from unlabelled.metrics.ranks import count_duplicates, row_codes


def _neighbours(x: Inputs) -> tuple[Tensor, Tensor]:
    rows = torch.arange(30, device=x.device)
    found = sharded_top_k(x.unit(12, 8), x.unit(30, 8), rows % 4, rows, 5)
    return found.similarities, found.labels


def _predicted(x: Inputs) -> Tensor:
    return knn_predict(*_neighbours(x), num_classes=4)


def _counted(x: Inputs) -> Any:
    metrics = x.placed(ClusteringMetrics(num_heads=2, num_clusters=5, num_classes=4))
    metrics.update(x.integers(5, 40, 2), x.integers(4, 40))
    return metrics.compute()


def _classifier(x: Inputs) -> Any:
    features = x.groups(30, 6, 3)
    fitted = fit_logistic_regression(features, torch.arange(30, device=x.device) % 3, 3, cost=1.0)
    return fitted.scores(features)


def _statistics(x: Inputs) -> Any:
    video, audio = x.uniform(4, 3, 2, 8, 8), x.normal(4, 1, 6, 9)
    return input_statistics({"video": video, "audio": audio, "text_mask": x.mask(4, 5)})


def _contest(x: Inputs) -> Any:
    return pair_contest(lambda v, a: (v * a).sum(1), x.unit(12, 8), x.unit(12, 8), 4, threshold=0.0)


def _actions(x: Inputs) -> Tensor:
    boxes, truth = (torch.cat([corner, corner + 0.5], 1) for corner in (x.uniform(12, 2), x.uniform(4, 2)))
    return correct_actions(boxes, x.uniform(12, 3), truth, x.mask(4, 3), threshold=0.1)


def _overlap(x: Inputs) -> float:
    boxes = torch.tensor([[0.1, 0.1, 0.6, 0.6], [0.2, 0.2, 0.9, 0.8]])
    return class_overlap(x.uniform(3, 8, 8), {0: boxes, 2: boxes[:1]}, 0.5)


METRICS: Cases = {
    "sharded_top_k": _neighbours,
    "knn_predict": _predicted,
    "knn_accuracy": lambda x: knn_accuracy(*_neighbours(x), x.integers(4, 12), num_classes=4),
    "in_top": lambda x: in_top(_predicted(x), x.integers(4, 12), 2),
    "recall_at_k": lambda x: recall_at_k(_neighbours(x)[1], x.integers(4, 12), (1, 5)),
    "pair_ranks": lambda x: pair_ranks(x.unit(20, 8), x.unit(20, 8)),
    "row_codes": lambda x: row_codes(x.integers(3, 20, 4).to(x.dtype)) == 0,
    "count_duplicates": lambda x: count_duplicates(x.integers(5, 20)),
    "retrieval_scores": lambda x: retrieval_scores(pair_ranks(x.unit(20, 8), x.unit(20, 8)).averaged),
    "listed_ties_scores": lambda x: listed_ties_scores(pair_ranks(x.unit(20, 8), x.unit(20, 8))),
    "mean_by_id": lambda x: mean_by_id(x.normal(20, 8), torch.arange(20, device=x.device) // 3),
    "centred": lambda x: centred(x.normal(20, 8)),
    "cosine_pair": lambda x: cosine_pair(x.normal(20, 8), x.normal(20, 8)),
    "euclidean_pair": lambda x: euclidean_pair(x.normal(20, 8), x.normal(20, 8)),
    "contingency": lambda x: contingency(x.integers(5, 40), x.integers(4, 40), 5, 4),
    "ClusteringMetrics": _counted,
    "agreement": lambda x: agreement(x.integers(5, 40), x.integers(5, 40)),
    "mean_agreement": lambda x: mean_agreement(x.integers(5, 40, 3)),
    "effective_clusters": lambda x: effective_clusters(x.integers(5, 40)),
    "explained_share": lambda x: explained_share(x.integers(5, 40, 2), x.normal(40, 2)),
    "neighbour_consistency": lambda x: neighbour_consistency(x.normal(20, 8), x.normal(20, 8)),
    "input_statistics": _statistics,
    "fit_logistic_regression": _classifier,
    "average_precision": lambda x: average_precision(x.normal(20), x.mask(20)),
    "eleven_point_precision": lambda x: eleven_point_precision(x.normal(20), x.mask(20)),
    "mean_class_accuracy": lambda x: mean_class_accuracy(x.integers(4, 40), x.integers(4, 40)),
    "one_vs_rest": lambda x: one_vs_rest(x.integers(4, 40), 4),
    "unit_rows": lambda x: unit_rows(x.normal(20, 8)),
    "pair_contest": _contest,
    "consensus_map": lambda x: consensus_map(x.uniform(3, 4).sort(1).values, (8, 8)),
    "broken_maps": lambda x: broken_maps(x.normal(4, 8, 8) / x.mask(4, 1, 1)),
    "correct_actions": _actions,
    "normalised_maps": lambda x: normalised_maps(x.normal(4, 8, 8)),
    "detected": lambda x: detected(x.normal(4, 8, 8)),
    "consensus_iou": lambda x: consensus_iou(x.mask(4, 8, 8), x.uniform(4, 8, 8)),
    "success_rates": lambda x: success_rates(x.uniform(20)),
    "success_area": lambda x: success_area(x.uniform(20)),
    "match_clusters": lambda x: match_clusters(x.uniform(3, 5)),
    "class_maps": lambda x: class_maps(x.uniform(4, 5, 8, 8), x.integers(4, 5) - 1, 3),
    "class_overlap": _overlap,
    "silent_area": lambda x: silent_area(x.uniform(3, 8, 8), [1]),
}
