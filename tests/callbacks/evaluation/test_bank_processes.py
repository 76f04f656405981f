"""Evaluations with a bank, and exports: two processes give the results of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from callbacks.evaluation.hierarchy_evaluation import HierarchyEvaluation
from callbacks.evaluation.kmeans_evaluation import KMeansEvaluation
from callbacks.evaluation.knn_evaluation import KNNEvaluation
from callbacks.evaluation.retrieval_evaluation import PooledFeatures, RetrievalEvaluation
from callbacks.evaluation.svm_evaluation import SVMEvaluation
from callbacks.export.export_features import ExportFeatures
from tests._helpers.embedding_modules import ColourData, Embedder, trainer
from tests._helpers.hierarchy_modules import GroupedData, Hierarchical
from tests._helpers.two_processes import in_two_processes


class Frozen(Embedder):
    """Method with learning rate 0."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.0)


def run(folder: Path, **options: Any) -> dict[str, float]:
    """Fit without learning, test, and export; return all scores."""
    knn = KNNEvaluation([5, 20])
    svm = SVMEvaluation([3, "full"], [0.1, 1.0], draws=2)
    callbacks = [knn, RetrievalEvaluation([1, 5], PooledFeatures("image")), svm, KMeansEvaluation()]
    data = ColourData()
    data.splits["train"].labels[4:9] = -1
    data.splits["test"].replaced[[1, 3]] = 0
    module = Frozen()
    trainer(*callbacks, max_steps=1, num_sanity_val_steps=1, **options).fit(module, datamodule=data)
    (scores,) = trainer(*callbacks, **options).test(module, data, verbose=False)
    assert knn.before
    trainer(ExportFeatures(str(folder), ["test", "bank"]), **options).predict(
        module, datamodule=data, return_predictions=False
    )
    with pytest.raises(ValueError, match="has 14 labelled training"):
        trainer(SVMEvaluation(15), **options).test(module, data, verbose=False)
    (trees,) = trainer(HierarchyEvaluation([3]), **options).test(Hierarchical(), GroupedData(), verbose=False)
    return {**scores, **trees, **{f"before {row}": values["accuracy"] for row, values in knn.before.items()}}


def _process(folder: str) -> Any:
    return run(Path(folder) / "two", devices=2, strategy="ddp")


def test_two_processes_score_and_export_like_one(tmp_path: Path) -> None:
    processes = in_two_processes(_process, tmp_path)
    alone = run(tmp_path / "one")
    assert {"test/knn_accuracy/k5", "test/recall@5", "test/svm_map_3shot", "before image, k=5"} < set(alone)
    assert {"test/kmeans/nmi_image", "test/hierarchy/audio/nmi_cut3"} < set(alone)
    for found in processes:
        assert found == pytest.approx(alone)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        other = tmp_path / "two" / path.relative_to(tmp_path / "one")
        if path.suffix == ".npy":
            np.testing.assert_allclose(np.load(other), np.load(path), rtol=1e-6)
        else:
            assert other.read_text() == path.read_text()
