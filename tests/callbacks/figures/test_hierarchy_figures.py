"""Figures of hierarchies: which are drawn, of which clips, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from callbacks.figures import cluster_figures, hierarchy_figures
from callbacks.figures.clip_figures import clip_images
from callbacks.figures.cluster_figures import ClusterFigures
from callbacks.figures.hierarchy_figures import HierarchyFigures
from tests._helpers.embedding_modules import trainer
from tests._helpers.hierarchy_modules import (
    CLASSES,
    HEADS,
    NAMES,
    GroupedData,
    Hierarchical,
    HierarchyData,
    predicted,
)
from unlabelled.visualization.clusters import cluster_gallery
from unlabelled.visualization.dendrogram import dendrogram

DRAWN = ["disk_classes", "dendrogram", "similarity"]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the figures, which are not written."""
    written: list[str] = []
    for module in (hierarchy_figures, cluster_figures):
        monkeypatch.setattr(module, "publish", lambda trainer, name, figure: written.append(name))
    return written


def test_all_hierarchies_are_drawn(published: list[str]) -> None:
    trainer(HierarchyFigures()).test(Hierarchical(), GroupedData(), verbose=False)
    kinds = [*DRAWN, "disk_groups"]
    assert sorted(published) == sorted(f"hierarchy_{name}_{each}" for name in NAMES for each in kinds)


@pytest.fixture
def trees(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Return the arguments of all dendrograms."""
    drawn: list[tuple[Any, ...]] = []
    monkeypatch.setattr(
        hierarchy_figures, "dendrogram", lambda *arguments: drawn.append(arguments) or dendrogram(*arguments)
    )
    return drawn


def best_shades(samples: Any, head: int) -> dict[int, float]:
    """Return the shade of the most confident clip of each cluster that has any."""
    scores = samples.scores[:, :, head].log_softmax(2).sum(0)
    scores[:, 2] = -torch.inf
    confidence, found = scores.softmax(1).max(1).values, predicted(samples, head)
    return {
        cluster: float(samples.shade[(confidence * (found == cluster)).argmax()])
        for cluster in found.unique().tolist()
    }


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("visual", ["image", "video"])
def test_a_leaf_shows_its_most_confident_clip(visual: str, trees: list[tuple[Any, ...]]) -> None:
    data, module = HierarchyData(visual, size=12), Hierarchical()
    trainer(HierarchyFigures()).test(module, data, verbose=False)
    for number, (tree, classes, counts, leaf_names, images, *_) in enumerate(trees):
        head = module.trees[number * HEADS]
        assert tree is head.tree
        assert counts.tolist() == head.counts.tolist()
        found = predicted(data.samples, number * HEADS)
        shades = best_shades(data.samples, number * HEADS)
        assert images.shape == (5, 6, 8, 3)
        for leaf, cluster in enumerate(head.clusters.tolist()):
            labels = data.samples.label[found == cluster]
            assert classes.table[leaf].tolist() == labels.bincount(minlength=len(CLASSES)).tolist()
            assert leaf_names[leaf].split()[0] == str(cluster)
            if cluster in shades:
                value = shades[cluster] if visual == "image" else shades[cluster] * 0.225 + 0.45
                assert images[leaf].min() == images[leaf].max() == pytest.approx(255 * value, abs=1)
            else:
                assert images[leaf].min() == images[leaf].max() == 240
                assert leaf_names[leaf] == str(cluster)
    assert len(trees) == len(NAMES)


def test_audio_alone_has_no_images(published: list[str], trees: list[tuple[Any, ...]]) -> None:
    callbacks = [HierarchyFigures(), ClusterFigures()]
    trainer(*callbacks).test(Hierarchical(), HierarchyData(None), verbose=False)
    assert [images for *_, images, _, _ in trees] == [None, None]
    assert set(published) == {
        "cluster_class_matrix",
        *(f"hierarchy_{name}_{what}" for name in NAMES for what in DRAWN),
    }


def test_clusters_of_image_data_have_a_gallery(
    published: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    galleries: list[Any] = []
    monkeypatch.setattr(
        cluster_figures, "cluster_gallery", lambda *rest: galleries.append(rest) or cluster_gallery(*rest)
    )
    data, logger = HierarchyData(), TensorBoardLogger(tmp_path, name="", version="")
    trainer(ClusterFigures(max_clips=20), logger=logger).test(Hierarchical(), data, verbose=False)
    assert published == ["cluster_class_matrix", "cluster_gallery"]
    ((images, clusters, *_),) = galleries
    rows = torch.arange(0, len(data.samples), 3)
    assert clusters.tolist() == predicted(data.samples, 0)[rows].tolist()
    expected = data.samples.shade[rows].mul(255).to(torch.uint8)
    np.testing.assert_array_equal(images[:, 0, 0, 0], expected)
    assert (tmp_path / "projector_config.pbtxt").is_file()


def test_it_draws_when_due_and_logs_once_that_there_are_no_trees(
    tmp_path: Path, published: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    callback, module = HierarchyFigures(every_n_epochs=2), Hierarchical(clustered=False)
    options: dict[str, Any] = {"default_root_dir": tmp_path, "limit_train_batches": 1}
    with caplog.at_level("INFO"):
        trainer(callback, max_epochs=3, **options).fit(module, datamodule=HierarchyData())
    assert not published
    assert caplog.text.count("no trees to draw before the first clustering pass") == 1
    module.clustered = True
    epochs: list[int] = []
    run = trainer(callback, max_epochs=5, **options)
    callback.draw = lambda *_: epochs.append(run.current_epoch)  # type: ignore[method-assign]
    run.fit(module, datamodule=HierarchyData())
    assert epochs == [1, 3, 4]


def test_clip_images_are_small_and_of_the_middle_crop() -> None:
    run = trainer()
    run.datamodule = HierarchyData()  # type: ignore[attr-defined]
    images = torch.zeros(2, 3, 3, 300, 200)
    images[:, 1] = 1
    small = clip_images(run, {"image": images})
    assert small is not None
    assert small.shape == (2, 3, 128, 85)
    assert int(small.min()) == 255
    assert clip_images(run, {"audio": Tensor()}) is None


def test_mistakes_are_named() -> None:
    for options in ({"every_n_epochs": 0}, {"max_clips": 0}, {"num_branches": 0}, {"num_blocks": 0}):
        with pytest.raises(ValueError, match=r"HierarchyFigures: .*must be at least 1"):
            HierarchyFigures(**options)
    with pytest.raises(MisconfigurationException, match="the method is BoringModel"):
        trainer(HierarchyFigures()).test(BoringModel(), HierarchyData(), verbose=False)
    with pytest.raises(MisconfigurationException, match="class_names"):
        trainer(HierarchyFigures()).test(Hierarchical(), HierarchyData().test_dataloader(), verbose=False)
