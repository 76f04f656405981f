"""Data modules of captioned tables and of the embedded features: training, evaluation sets, YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning import LightningDataModule, LightningModule, Trainer

import datamodules
import unlabelled.data.datasets as sets
from datamodules import MSRVTT, MSVD, EmbeddedFeatures, YouCook2
from datamodules.captioned_videos import CaptionedVideoModule
from tests._helpers.embedded_features import CLIPS, GENERATED_VIDEOS, write_clips, write_videos
from tests._helpers.feature_layouts import small_pipeline
from tests._helpers.feature_tables import record, write
from unlabelled.contracts import EvaluatesOnSets, TrainingSet
from unlabelled.data.datasets import OtherFeatures
from unlabelled.data.datasets.samples import SampleKey
from unlabelled.data.media.index import EmptyIndexError
from unlabelled.data.synthetic.embedded_features import EmbeddedVideos

WORDS = [["cut", "stir", "onion"], ["now"], ["the", " "]]


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three training videos with captions, one without, one without features; two test pairs."""
    folder = tmp_path_factory.mktemp("tables")
    rows = [record(n, caption=captions) for n, captions in enumerate([*WORDS, [" "], ["cut"]])]
    del rows[4]["3d"]
    write(folder / "train", rows)
    write(folder / "test", [record(n, eval_caption="stir", caption=["cut"]) for n in range(10, 12)])
    write(folder / "clip", [{"clip": row["2d"]} for row in rows])
    return folder


def module(tables: Path, **more: Any) -> MSRVTT:
    return MSRVTT(str(tables), **{"pipeline": small_pipeline(), "batch_size": 3, "num_workers": 0, **more})


def test_training_goes_through_captioned_videos_with_features(tables: Path) -> None:
    data = module(tables)
    data.setup("fit")
    assert isinstance(data, TrainingSet)
    assert isinstance(data, EvaluatesOnSets)
    assert data.num_train_samples == 3
    assert len(data.train_fingerprint) == 16
    assert data.clip_paths("train") == ["video0", "video1", "video2"]
    summary = data.find("train").summary()
    assert "3 of 5 videos; without 3D features 1 (video4); without a caption 1 (video3)" in summary
    (batch,) = data.train_dataloader()
    batch = data.on_after_batch_transfer(batch, 0)
    assert batch["video_features"].shape == (3, 48, 7)
    assert batch["audio"].shape == (3, 1, 40, 3072)
    assert (batch["label"] == -1).all()


def test_another_caption_is_drawn_in_each_epoch(tables: Path) -> None:
    data = module(tables)
    data.setup("fit")
    videos = data.dataset("train", train=True)
    draws = [[int(videos[SampleKey(row, epoch)]["text"][0, 0]) for epoch in range(40)] for row in range(3)]
    places = {"cut": 1, "the": 2, "onion": 3, "stir": 4, "now": 5}
    assert set(draws[0]) == {places[word] for word in WORDS[0]}
    assert set(draws[1]) == {places["now"]}
    assert set(draws[2]) == {places["the"]}  # never the empty one
    assert draws[0] == [int(videos[SampleKey(0, epoch)]["text"][0, 0]) for epoch in range(40)]
    fixed = data.dataset("train", train=False)
    assert {int(fixed[SampleKey(0, epoch)]["text"][0, 0]) for epoch in range(5)} == {places["cut"]}


def test_the_fingerprint_follows_videos_and_captions(tables: Path, tmp_path: Path) -> None:
    def fingerprint(*rows: dict[str, Any]) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        write(folder / "train", list(rows))
        return module(folder).find("train").fingerprint

    first, second = record(0, caption=["cut"]), record(1, caption=["stir"])
    found = [
        fingerprint(first, second),
        fingerprint(second, first),
        fingerprint(first),
        fingerprint(first, {**second, "caption": ["now"]}),
    ]
    assert len(set(found)) == 4
    assert fingerprint(first, second) == found[0]


def test_evaluation_goes_through_the_test_table_by_default(tables: Path) -> None:
    data = module(tables)
    data.setup("validate")
    (pairs,) = data.evaluation_sets("val")
    assert isinstance(pairs, sets.MSRVTT)
    assert data.evaluation_sets("test") == [pairs]
    ((batch,),) = [list(loader) for loader in data.val_dataloader()]
    assert batch["index"].tolist() == [0, 1]
    assert module(tables, evaluation=[]).evaluation_sets("val") == []


def test_other_features_are_trained_on(tables: Path) -> None:
    pipeline = small_pipeline(stream_3d=None)
    data = module(tables, pipeline=pipeline, other=OtherFeatures("clip"))
    data.setup("fit")
    (batch,) = data.train_dataloader()
    assert batch["video_features"].shape == (3, 48, 3)
    assert batch["video_mask"].sum(1).tolist() == [6, 6, 6]
    broken = module(tables, other=OtherFeatures("clip"))
    broken.setup("fit")
    with pytest.raises(ValueError, match="has no rows_3d, but"):
        broken.train_dataloader()


def test_a_table_without_captions_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "train", [record(0, caption=[" "])])
    with pytest.raises(EmptyIndexError, match=r"MSRVTT: no usable video in .*train: .*without a caption 1"):
        module(tmp_path).find("train")


@pytest.mark.parametrize(
    ("kind", "tokens", "frames", "size"),
    [(MSRVTT, 48, 3072, 1000), (YouCook2, 72, 4608, 3350), (MSVD, 48, 3072, 670)],
)
def test_each_data_set_has_its_lengths(kind: type[MSRVTT], tokens: int, frames: int, size: int) -> None:
    data = kind("nowhere", small_pipeline())
    assert isinstance(data, CaptionedVideoModule)
    assert (data.budget.video_tokens, data.budget.audio_frames, data.budget.max_words) == (tokens, frames, 20)
    (pairs,) = data.evaluation_sets("test")
    assert isinstance(pairs, sets.TableRetrievalSet)
    assert pairs.complete_size == size
    assert pairs.budget == data.budget
    assert pairs.path == "nowhere/test"


YAML = """
class_path: datamodules.EmbeddedFeatures
init_args:
  batch_size: 3
  clips_per_video: 2
  audio_shift: none
  evaluation:
    - class_path: unlabelled.data.synthetic.embedded_features.EmbeddedVideos
      init_args: {root: elsewhere, name: other}
    - class_path: unlabelled.data.datasets.MSRVTT
      init_args: {table: t, other: {table: c}, budget: {video_tokens: 5, audio_frames: 64, max_words: 3}}
"""


def test_yaml_sets_all_options() -> None:
    parser = ArgumentParser()
    parser.add_subclass_arguments(LightningDataModule, "data")
    data = parser.instantiate(
        parser.parse_string(f"data:\n  {YAML.strip().replace(chr(10), chr(10) + '  ')}")
    ).data
    assert isinstance(data, datamodules.EmbeddedFeatures)
    videos, pairs = data.evaluation_sets("val")
    assert isinstance(videos, EmbeddedVideos)
    assert isinstance(pairs, sets.MSRVTT)
    assert (videos.name, videos.path) == ("other", "elsewhere/films")
    assert pairs.other == OtherFeatures("c", "clip")
    assert pairs.budget.video_tokens == 5


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded_features")
    write_videos(folder / "films", write_clips(folder / "clips"))
    return folder


def embedded(generated: Path, **more: Any) -> EmbeddedFeatures:
    options = {"batch_size": 4, "num_workers": 0, "clips_per_video": 3, **CLIPS, **GENERATED_VIDEOS, **more}
    return EmbeddedFeatures(f"{generated}/films", clips_root=f"{generated}/clips", **options)


def test_embedded_features_are_howto100m_with_sets_of_their_own(generated: Path) -> None:
    data = embedded(generated)
    data.setup("fit")
    assert data.num_train_samples == GENERATED_VIDEOS["train_videos"]
    assert set(data.class_names) <= {"drum", "siren", "string"}
    batches = [data.on_after_batch_transfer(batch, 0) for batch in data.train_dataloader()]
    assert len(batches) == 3
    assert batches[0]["video_features"].shape == (12, 12, 32)
    assert batches[0]["text"].shape == (12, 20, 8)
    assert (torch.cat([batch["replaced"] for batch in batches]) == -1).all()
    assert [each.name for each in data.evaluation_sets("val")] == ["films", "scenes"]
    assert [len(loader.dataset) for loader in data.test_dataloader()] == [20, 27]


class Nothing(LightningModule):
    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.seen = (*getattr(self, "seen", ()), (dataloader_idx, len(batch["index"])))


def test_prepare_data_writes_what_is_missing(generated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    monkeypatch.setattr("datamodules.embedded_features.write_embedded", lambda *args: written.append(args))
    data, model = embedded(generated, eval_batch_size=32), Nothing()
    (generated / "films" / "COMPLETE.json").unlink()
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
    trainer.validate(model, datamodule=data, verbose=False)
    assert written == [(f"{generated}/clips", 0, CLIPS["train_per_class"], CLIPS["test_per_class"])]
    assert (generated / "films" / "COMPLETE.json").exists()
    assert model.seen == ((0, 20), (1, 27))
