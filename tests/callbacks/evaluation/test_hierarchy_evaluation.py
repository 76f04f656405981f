"""Scores of hierarchies, compared with scikit-learn and SciPy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import TensorBoardLogger
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from sklearn import metrics as sklearn
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks.evaluation.hierarchy_evaluation import HierarchyEvaluation
from callbacks.shared.tables import format_table
from tests._helpers.embedding_modules import trainer
from tests._helpers.hierarchy_modules import (
    CLUSTERS,
    GROUPS,
    HEADS,
    NAMES,
    GroupedData,
    Hierarchical,
    HierarchyData,
    ScoredSamples,
    predicted,
)
from unlabelled.hierarchy.tree import Floats
from unlabelled.metrics import contingency, dendrogram_purity


def cut_by_scipy(
    merges: Floats,
    module: Hierarchical,
    head: int,
    samples: ScoredSamples,
    cut: int,
    by: Sequence[int] = (0, 1),
) -> Any:
    """Return the merged cluster of every sample, as modalities ``by`` predict it."""
    labels = np.full(CLUSTERS, -1)
    labels[module.trees[head].clusters] = fcluster(merges, cut, "maxclust")
    return labels[predicted(samples, head, by)]


def by_scikit_learn(truth: Any, found: Any) -> dict[str, float]:
    shares = [np.bincount(truth[found == each]).max() / (found == each).sum() for each in np.unique(found)]
    sizes = [(found == each).sum() for each in np.unique(found)]
    return {
        "nmi": sklearn.normalized_mutual_info_score(truth, found),
        "ari": sklearn.adjusted_rand_score(truth, found),
        "purity": float(np.mean(shares)),
        "weighted_purity": float(np.average(shares, weights=sizes)),
    }


def read(folder: Path) -> EventAccumulator:
    return EventAccumulator(str(folder), {"tensors": 0, "scalars": 0}).Reload()


def test_all_levels_of_all_heads_beside_linkage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, module = GroupedData(), Hierarchical()
    data.samples.replaced[5] = 0
    logger = TensorBoardLogger(tmp_path, name="", version="")
    (scores,) = trainer(HierarchyEvaluation([4, 3]), logger=logger).test(module, data, verbose=False)
    keep = torch.arange(len(data.samples)) != 5
    truth = data.samples.label.numpy()
    groups = np.array([GROUPS.index(GROUPS[label]) for label in truth])
    levels = (("", truth, 4), ("", truth, 3), ("groups_", groups, 2))
    for number, name in enumerate(NAMES):
        for (prefix, true, cut), (whose, by) in itertools.product(
            levels, (("", (0, 1)), ("alone_", (number,)))
        ):
            heads = []
            for head in range(number * HEADS, (number + 1) * HEADS):
                merges = module.trees[head].tree.to_linkage()
                found = cut_by_scipy(merges, module, head, data.samples, cut, by)
                heads.append(by_scikit_learn(true[keep], found[keep]))
            for measure in heads[0]:
                values = [head[measure] for head in heads]
                tag = f"test/hierarchy/{name}/{whose}{prefix}{measure}_cut{cut}"
                assert scores[tag] == pytest.approx(values[0], abs=1e-6)
                assert scores[f"{tag}_mean"] == pytest.approx(np.mean(values), abs=1e-6)
                assert scores[f"{tag}_std"] == pytest.approx(np.std(values), abs=1e-6)
        head0 = module.trees[number * HEADS]
        table = contingency(predicted(data.samples, number * HEADS)[keep], torch.tensor(truth)[keep], 6, 4)
        assert scores[f"test/hierarchy/{name}/dendrogram_purity"] == pytest.approx(
            dendrogram_purity(head0.tree, table[head0.clusters])
        )
        assert scores[f"test/hierarchy/{name}/leaves_mean"] == 5
    per_cut, whole = 4, 4  # measures of a level, scores of a tree
    assert len(scores) == len(NAMES) * 3 * (2 * 3 * per_cut + whole)
    _check_linkage(tmp_path, module, data)
    printed = capsys.readouterr().out
    for words in (
        "image, 4 clusters ",
        "audio, 2 clusters, groups",
        "audio, whole tree",
        "ward, mean of heads",
        "tree, own modality alone, std",
    ):
        assert words in printed


def _check_linkage(folder: Path, module: Hierarchical, data: GroupedData) -> None:
    """Compare one linkage of one head with scipy's, from the log."""
    tree, events = module.trees[HEADS], read(folder)
    unit = torch.nn.functional.normalize(tree.centroids).numpy()
    distance = 1 - (1 + unit @ unit.T) / 2
    np.fill_diagonal(distance, 0)
    merges = linkage(squareform(distance, checks=False), "average")
    keep = np.arange(len(data.samples)) != 5
    found = cut_by_scipy(merges, module, HEADS, data.samples, 3)[keep]
    expected = by_scikit_learn(data.samples.label.numpy()[keep], found)
    (event,) = events.Scalars("test/hierarchy/audio/average/nmi_cut3")
    assert event.value == pytest.approx(expected["nmi"], abs=1e-6)
    (own,) = events.Scalars("test/hierarchy/audio/dasgupta_1x")
    (other,) = events.Scalars("test/hierarchy/audio/complete/dasgupta_1x")
    assert own.value == other.value  # the trees of the toy are complete linkage
    assert {"test/hierarchy/cuts/text_summary", "test/hierarchy/trees/text_summary"} <= set(
        events.Tags()["tensors"]
    )


def test_validations_log_the_tree_alone_and_groups_only_where_there_are_any() -> None:
    run = trainer(HierarchyEvaluation([6]))
    (scores,) = run.validate(Hierarchical(), HierarchyData(), verbose=False)
    assert {name.split("/")[1] for name in scores} == {"hierarchy"}
    assert not any("groups" in name or "average" in name for name in scores)
    assert len(scores) == len(NAMES) * 3 * (2 * 4 + 3)


def test_no_modality_alone_predicts_a_hierarchy_of_several() -> None:
    module = Hierarchical()
    module.clustering_names = ("image", "image+audio")
    (scores,) = trainer(HierarchyEvaluation([6])).validate(module, HierarchyData(), verbose=False)
    assert "val/hierarchy/image/alone_nmi_cut6_mean" in scores
    assert "val/hierarchy/image+audio/nmi_cut6_mean" in scores
    assert not any("image+audio/alone" in name for name in scores)


def test_before_the_first_pass_there_are_no_scores(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    callback, module = HierarchyEvaluation([2]), Hierarchical(clustered=False)
    run = trainer(callback, max_epochs=2, default_root_dir=tmp_path, limit_train_batches=1)
    with caplog.at_level("INFO"):
        run.fit(module, datamodule=HierarchyData())
        (scores,) = trainer(callback).test(module, HierarchyData(), verbose=False)
    assert not scores
    assert not run.callback_metrics
    assert caplog.text.count("before the first clustering pass") == 1
    assert "clusters" not in capsys.readouterr().out
    module.clustered = True
    (scores,) = trainer(callback).validate(module, HierarchyData(), verbose=False)
    assert "val/hierarchy/image/nmi_cut2" in scores


def test_mistakes_are_named() -> None:
    for cuts in ([], [0, 3], [3, 3]):
        with pytest.raises(ValueError, match="expected different numbers"):
            HierarchyEvaluation(cuts)
    with pytest.raises(ValueError, match=r"cuts=\[2, 7\] must be at most num_clusters=6"):
        trainer(HierarchyEvaluation([2, 7])).test(Hierarchical(), HierarchyData(), verbose=False)
    with pytest.raises(MisconfigurationException, match="which BoringModel is not"):
        trainer(HierarchyEvaluation([2])).test(BoringModel(), HierarchyData(), verbose=False)
    loader = HierarchyData().test_dataloader()
    with pytest.raises(MisconfigurationException, match="class_names"):
        trainer(HierarchyEvaluation([2])).test(Hierarchical(), loader, verbose=False)


def test_tables_are_as_wide_as_their_numbers() -> None:
    rows = {"tree": {"nmi": 0.5, "dasgupta_1x": 6.62e14}, "a": {"nmi": -1.0, "dasgupta_1x": 999999.0}}
    assert format_table({"title": rows}).splitlines() == [
        "title           nmi  dasgupta_1x",
        "  tree        0.500  6.62000e+14",
        "  a          -1.000   999999.000",
    ]
