"""HowTo100M as a data module: loaders of training clips and of each evaluation set, ranks, resume, YAML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning import LightningDataModule, LightningModule, Trainer

import datamodules
from datamodules import HowTo100M, TextVideoDataModule
from tests._helpers.data_layouts import loop_after, pretend_rank, rows
from tests._helpers.feature_layouts import small_pipeline, write_root
from unlabelled.contracts import EvaluatesOnSets, Labelled, TrainingSet
from unlabelled.data.datasets.evaluation_sets import EvaluationSet
from unlabelled.data.datasets.howto100m_categories import HowTo100MCategories
from unlabelled.data.features.word_vectors import write_word2vec
from unlabelled.data.media.index import EmptyIndexError

VIDEOS = 6


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("howto100m")
    write_root(folder, VIDEOS)
    return folder


def sets(root: Path, *sizes: int) -> list[EvaluationSet]:
    return [
        HowTo100MCategories(str(root), "train.csv", max_videos=size, name=f"first{size}") for size in sizes
    ]


def module(root: Path, evaluation: Sequence[EvaluationSet] = (), **more: Any) -> HowTo100M:
    options = {"pipeline": small_pipeline(), "batch_size": 2, "num_workers": 0, "clips_per_video": 3}
    return HowTo100M(str(root), evaluation=evaluation, **{**options, **more})


def test_the_protocols_that_callbacks_require(root: Path) -> None:
    data = module(root, sets(root, 2))
    data.setup("fit")
    for protocol in (TrainingSet, Labelled, EvaluatesOnSets):
        assert isinstance(data, protocol)
    assert data.num_train_samples == VIDEOS
    assert len(data.train_fingerprint) == 16
    assert list(data.class_names) == ["art", "food"]
    assert data.clip_paths("train")[1] == "food/v_1/id1"
    assert isinstance(data, TextVideoDataModule)


def test_training_batches_have_each_clip_in_a_place_of_its_own(root: Path) -> None:
    data = module(root)
    data.setup("fit")
    (batch, *_) = list(data.train_dataloader())
    assert batch["audio"].shape == (2, 3, 1, 40, 768)
    flat = data.on_after_batch_transfer(batch, 0)
    assert flat["audio"].shape == (6, 1, 40, 768)
    assert flat["counts"].shape == (6, 6)
    assert torch.equal(flat["audio"][3], batch["audio"][1, 0])
    assert flat["index"].tolist() == batch["index"].repeat_interleave(3).tolist()


def test_each_set_has_a_loader_of_its_own(root: Path) -> None:
    evaluation = sets(root, 2, 5)
    data = module(root, evaluation)
    data.setup("fit")
    assert list(data.evaluation_sets("val")) == list(data.evaluation_sets("test")) == evaluation
    assert [rows(loader) for loader in data.val_dataloader()] == [[0, 1], [0, 1, 2, 3, 4]]
    data.setup("test")
    assert len(data.test_dataloader()) == len(data.predict_dataloader()) == 2
    batch = next(iter(data.test_dataloader()[1]))
    assert data.on_after_batch_transfer(batch, 1)["audio"].shape == (4, 1, 40, 768)
    assert data.clip_paths("val") == ["id0", "id5", "id0", "id1", "id2", "id4", "id5"]


def test_other_sets_for_the_test(root: Path) -> None:
    data = module(root, sets(root, 2), test_evaluation=sets(root, 3, 4))
    assert [each.name for each in data.evaluation_sets("val")] == ["first2"]
    assert [each.name for each in data.evaluation_sets("test")] == ["first3", "first4"]
    data.setup("test")
    assert [len(rows(loader)) for loader in data.test_dataloader()] == [3, 4]
    assert module(root, sets(root, 2), test_evaluation=[]).test_dataloader() == []
    assert module(root).val_dataloader() == []


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_sets_and_passes(root: Path, world_size: int) -> None:
    modules = []
    for rank in range(world_size):
        data = module(root, sets(root, 5, 3))
        pretend_rank(data, rank, world_size)
        data.setup("fit")
        modules.append(data)
    for place, size in enumerate((5, 3)):
        assert sorted(row for data in modules for row in rows(data.val_dataloader()[place])) == list(
            range(size)
        )
    assert sorted(row for data in modules for row in rows(data.pass_dataloader(0))) == list(range(VIDEOS))
    few = module(root, sets(root, 1))
    pretend_rank(few, 0, 2)
    few.setup("fit")
    with pytest.raises(ValueError, match="HowTo100M: the 1 first1 samples are fewer than the 2 processes"):
        few.val_dataloader()


def test_ranks_share_the_batches_of_a_single_process(root: Path) -> None:
    alone = module(root, batch_size=2)
    alone.setup("fit")
    pair = [module(root, batch_size=1) for _ in range(2)]
    for rank, data in enumerate(pair):
        pretend_rank(data, rank, 2)
        data.setup("fit")
    for whole, parts in zip(
        alone.train_dataloader(), zip(*[data.train_dataloader() for data in pair], strict=True), strict=True
    ):
        for key in ("index", "audio", "text", "video_features", "counts"):
            assert torch.equal(whole[key], torch.cat([part[key] for part in parts]))


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_resumed_run_sees_the_same_clips(root: Path, num_workers: int) -> None:
    data = module(root, num_workers=num_workers)
    pretend_rank(data, 0, 1)
    data.setup("fit")
    whole = list(data.train_dataloader())
    again = module(root)
    pretend_rank(again, 0, 1)
    again.setup("fit")
    assert again.trainer is not None
    again.trainer.fit_loop = loop_after(batches=1)
    resumed = list(again.train_dataloader())
    assert len(resumed) == len(whole) - 1
    for before, after in zip(whole[1:], resumed, strict=True):
        assert all(torch.equal(before[key], after[key]) for key in before)


class _Recorder(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.batches: list[tuple[str, int, int]] = []

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.batches.append(("train", len(batch["text"]), 0))
        return self.weight * batch["audio"].mean()

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.batches.append(("val", len(batch["text"]), dataloader_idx))

    def test_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.batches.append(("test", len(batch["text"]), dataloader_idx))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("sizes", [(), (3,), (3, 2)])
def test_a_trainer_goes_through_all_of_them(root: Path, tmp_path: Path, sizes: tuple[int, ...]) -> None:
    recorder, data = _Recorder(), module(root, sets(root, *sizes))
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    options: dict[str, Any] = {**quiet, "enable_checkpointing": False, "default_root_dir": tmp_path}
    trainer = Trainer(accelerator="cpu", max_epochs=1, num_sanity_val_steps=0, **options)
    trainer.fit(recorder, datamodule=data)
    expected = [("train", 6, 0)] * 3 + [("val", size, place) for place, size in enumerate(sizes)]
    assert recorder.batches == expected
    if sizes:
        trainer.test(recorder, datamodule=data)
        assert recorder.batches[len(expected) :] == [("test", size, n) for n, size in enumerate(sizes)]


YAML = """
class_path: datamodules.HowTo100M
init_args:
  root: {root}
  list_file: train.csv
  captions: captions
  files: {{spectrogram: ["audio/{{path}}/{{id}}_spec.npz"]}}
  clips_per_video: 2
  audio_shift: random
  batch_size: 3
  pipeline:
    class_path: unlabelled.pipelines.FeaturePipeline
    init_args:
      text:
        class_path: unlabelled.data.features.WordVectors
        init_args: {{path: {root}/w.bin}}
      stream_2d: {{dim: 3, fps: 1.0}}
      stream_3d: {{dim: 4, fps: 1.5}}
  evaluation:
    - class_path: unlabelled.data.datasets.HowTo100MCategories
      init_args: {{root: {root}, list_file: train.csv, max_videos: 4}}
"""


def instantiated(text: str) -> HowTo100M:
    parser = ArgumentParser()
    parser.add_subclass_arguments(LightningDataModule, "data")
    config = parser.parse_object({"data": __import__("yaml").safe_load(text)})
    found = parser.instantiate(config).data
    assert isinstance(found, HowTo100M)
    return found


def test_it_is_made_from_yaml(root: Path) -> None:
    write_word2vec(str(root / "w.bin"), ["cut", "onion"], torch.eye(2).numpy())
    data = instantiated(YAML.format(root=root))
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    assert {key: tuple(value.shape) for key, value in batch.items()} == {
        "text": (6, 20, 2),
        "text_mask": (6, 20),
        "video_features": (6, 12, 7),
        "video_mask": (6, 12),
        "audio": (6, 1, 40, 768),
        "audio_mask": (6, 768),
        "counts": (6, 6),
        "label": (6,),
        "index": (6,),
        "replaced": (6,),
    }
    assert data.files.key_2d == "features"
    assert len(next(iter(data.val_dataloader()[0]))["index"]) == 4
    without = instantiated(YAML.format(root=root).replace("{dim: 4, fps: 1.5}", "null"))
    assert without.pipeline.stream_3d is None


def test_mistakes(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="HowTo100M: clips_per_video=0 must be at least 1"):
        module(root, clips_per_video=0)
    with pytest.raises(ValueError, match="HowTo100M: min_time=0 must be above 0"):
        module(root, min_time=0)
    with pytest.raises(ValueError, match="two evaluation sets are called 'first2'; give one of them another"):
        module(root, sets(root, 2, 2))
    with pytest.raises(FileNotFoundError, match=r"root='.*none' is not a folder; set --data.init_args.root"):
        module(tmp_path / "none").setup("fit")
    with pytest.raises(
        FileNotFoundError, match=r"no table of captions in .*none; make it .* unlabelled convert"
    ):
        module(root, captions="none").setup("fit")
    with pytest.raises(FileNotFoundError, match=r"there is no list .*none\.csv"):
        module(root, list_file="none.csv").setup("fit")
    (root / "empty.csv").write_text("path\na/b/c\n")
    with pytest.raises(EmptyIndexError, match=r"no usable video below root=.* in train: 0 of 1 videos have"):
        module(root, list_file="empty.csv").setup("fit")
    assert "HowTo100M" in datamodules.__all__
