"""A clustering pass without a trainer."""

from __future__ import annotations

from typing import Any

import torch

from lightning_modules.self_labelled import SelfLabelled
from unlabelled.batch import Batch
from unlabelled.clustering import Assignment, ClusterContext, Clusterer
from unlabelled.contracts import LearnsFromAssignments

SIZE = 24


def batch(size: int = SIZE, side: int = 16) -> Batch:
    """Return samples of each modality."""
    generator = torch.Generator().manual_seed(1)
    return {
        "image": torch.randn(size, 3, side, side, generator=generator),
        "audio": torch.randn(size, 1, side, side, generator=generator),
        "index": torch.arange(size),
    }


@torch.no_grad()
def one_pass(
    method: SelfLabelled, clusterer: Clusterer, data: Batch, pass_index: int = 0
) -> list[Assignment]:
    """Renew all pseudo-labels of ``method`` from ``data``; return what the clusterer returned."""
    training = method.training
    features = method.eval().embed(data)
    rows = data["index"]
    method.pseudo_labels.allocate(len(rows))
    method.prepare_clustering(features, pass_index, seed=0)
    assignments = []
    for head in range(method.num_clusterings):
        context = ClusterContext(head, method.num_clusters, method.num_modalities(head), 0, pass_index)
        assignments.append(clusterer(method.cluster_scores(features, head), context))
        method.pseudo_labels.publish(head, rows, assignments[-1].labels)
        if isinstance(method, LearnsFromAssignments):
            method.use_assignment(head, assignments[-1])
    method.train(training)
    return assignments


def silent(method: SelfLabelled) -> SelfLabelled:
    """Replace the logging of a method, so that it can step without a trainer."""
    method.log = lambda *args, **kwargs: None  # type: ignore[method-assign]
    return method


def checkpoint_of(method: SelfLabelled) -> dict[str, Any]:
    """Return the checkpoint that a run would save."""
    checkpoint: dict[str, Any] = {"state_dict": method.state_dict()}
    method.on_save_checkpoint(checkpoint)
    return checkpoint


def resume(method: SelfLabelled, checkpoint: dict[str, Any]) -> None:
    """Load a checkpoint into ``method``."""
    method.on_load_checkpoint(checkpoint)
    method.load_state_dict(checkpoint["state_dict"])
