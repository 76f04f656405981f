"""All data modules: stages and their pipelines, ranks, the bank, resuming in the middle of an epoch."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn

from datamodules import ImageFolder, VGGSound
from tests._helpers.data_layouts import Plain, Silent, loop_after, pretend_rank, rows, write_images
from unlabelled.contracts import Labelled, LabelledBank, TrainingSet
from unlabelled.data.media.mapped_index import MappedIndex
from unlabelled.data.media.pack import pack_folder
from unlabelled.pipelines import AudioVisualPipeline
from unlabelled.seeding import SEED_VARIABLE
from unlabelled.transforms import LogMel

TRAIN, VAL, TEST = 13, 5, 3


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("folder")
    for split, number in (("train", TRAIN), ("val", VAL), ("test", TEST)):
        write_images(folder, *[f"{split}/{'ab'[n % 2]}/{n}.png" for n in range(number)])
    return folder


@pytest.fixture(scope="module", params=["files", "shards"])
def root(request: pytest.FixtureRequest, files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if request.param == "files":
        return files
    out = tmp_path_factory.mktemp("packed") / "out"
    pack_folder(str(files), str(out), shard_bytes=2048, progress=False)
    return out


def folder(root: Path, **more: Any) -> ImageFolder:
    return ImageFolder(str(root), **{"pipeline": Plain(), "batch_size": 2, "num_workers": 0, **more})


def ranks(root: Path, world_size: int, stage: str = "fit", **more: Any) -> list[ImageFolder]:
    modules = []
    for rank in range(world_size):
        data = folder(root, **more)
        pretend_rank(data, rank, world_size)
        data.setup(stage)
        modules.append(data)
    return modules


def test_the_protocols_that_callbacks_require(root: Path, tiny_root: Path) -> None:
    data, clips = folder(root), VGGSound(str(tiny_root), pipeline=Silent(), num_workers=0, index_workers=0)
    for module in (data, clips):
        module.setup("fit")
        for protocol in (TrainingSet, LabelledBank, Labelled):
            assert isinstance(module, protocol)
    assert data.num_train_samples == TRAIN
    assert clips.num_train_samples == 36


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_bank_pass_and_validation_visit_each_row_once_over_all_ranks(root: Path, world_size: int) -> None:
    modules = ranks(root, world_size)
    assert sorted(row for data in modules for row in rows(data.bank_dataloader())) == list(range(TRAIN))
    assert sorted(row for data in modules for row in rows(data.pass_dataloader(3))) == list(range(TRAIN))
    assert sorted(row for data in modules for row in rows(data.fixed_pass_dataloader())) == list(range(TRAIN))
    drawn = [
        [row for data in modules for row in rows(data.shuffled_pass_dataloader(epoch))] for epoch in (3, 4, 3)
    ]
    assert sorted(drawn[0]) == sorted(drawn[1]) == list(range(TRAIN))
    assert drawn[0] == drawn[2] != drawn[1]
    assert all(batch["train"].all() for data in modules for batch in data.shuffled_pass_dataloader(3))
    assert sorted(row for data in modules for row in rows(data.val_dataloader())) == list(range(VAL))
    assert not any(batch["train"].any() for data in modules for batch in data.bank_dataloader())
    assert not any(batch["train"].any() for data in modules for batch in data.fixed_pass_dataloader())
    assert all(batch["train"].all() for data in modules for batch in data.pass_dataloader(3))


def test_ranks_share_the_batches_of_a_single_process(root: Path) -> None:
    alone, pair = folder(root, batch_size=4), ranks(root, 2, batch_size=2)
    alone.setup("fit")
    steps = zip(*[data.train_dataloader() for data in pair], strict=True)
    assert [torch.cat([part["index"] for part in step]).tolist() for step in steps] == [
        batch["index"].tolist() for batch in alone.train_dataloader()
    ]


@pytest.mark.parametrize("stage", ["validate", "test", "predict"])
def test_the_bank_finds_its_rows_where_the_stage_did_not_look(root: Path, stage: str) -> None:
    waits: list[str] = []
    modules = ranks(root, 2)
    for data in modules:
        data._indices.clear()
        data.trainer.strategy.barrier = waits.append  # type: ignore[method-assign]
        data.setup(stage)
    assert sorted(row for data in modules for row in rows(data.bank_dataloader())) == list(range(TRAIN))
    assert [rows(data.bank_dataloader()) for data in modules] == [
        list(range(0, 13, 2)),
        list(range(1, 13, 2)),
    ]
    assert len(waits) == 2  # each process once


def test_the_test_pipeline_is_for_test_and_predict_and_for_the_bank_then(root: Path) -> None:
    data = folder(root, test_pipeline=Plain("test_pipeline"))

    def finished_by(loader: Any) -> set[str]:
        batches = [data.on_after_batch_transfer(batch, 0) for batch in loader]
        assert {batch["finished"] for batch in batches} == {name for b in batches for name in b["pipeline"]}
        return {batch["finished"] for batch in batches}

    for stage, name in [
        ("fit", "pipeline"),
        ("validate", "pipeline"),
        ("test", "test_pipeline"),
        ("predict", "test_pipeline"),
        ("fit", "pipeline"),
    ]:
        data.setup(stage)
        assert finished_by(data.bank_dataloader()) == {name}
        loaders = {"fit": data.train_dataloader, "validate": data.val_dataloader}
        assert finished_by(loaders.get(stage, data.test_dataloader)()) == {name}
    without = folder(root)
    without.setup("test")
    assert {name for batch in without.test_dataloader() for name in batch["pipeline"]} == {"pipeline"}


def test_a_pass_over_a_list_that_has_changed_visits_the_new_list(files: Path, tmp_path: Path) -> None:
    """``fit``, ``test`` with another pipeline, which lists the samples again, and ``fit`` again."""
    root = shutil.copytree(files, tmp_path / "copy")
    data = folder(root, test_pipeline=Plain("test_pipeline"))
    data.setup("fit")
    before = {int(index) for batch in data.pass_dataloader(0) for index in batch["index"]}
    first = next((root / "train").rglob("*.png"))
    shutil.copy(first, first.with_name(f"added_{first.name}"))
    data.setup("test")
    data.setup("fit")
    after = {int(index) for batch in data.pass_dataloader(0) for index in batch["index"]}
    assert (len(before), len(after)) == (data.num_train_samples - 1, data.num_train_samples)


class _Recorder(LightningModule):
    """Records which pipeline finished the batches of each stage."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.finished_by: dict[str, set[str]] = {"train": set(), "val": set(), "test": set()}

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        self.finished_by["train"].add(batch["finished"])
        return self.weight * batch["image"].float().mean()

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.finished_by["val"].add(batch["finished"])

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.finished_by["test"].add(batch["finished"])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_steps_get_finished_batches(root: Path, tmp_path: Path) -> None:
    module, data = _Recorder(), folder(root, test_pipeline=Plain("test_pipeline"))
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    options: dict[str, Any] = {**quiet, "enable_checkpointing": False, "default_root_dir": tmp_path}
    trainer = Trainer(accelerator="cpu", max_epochs=1, **options)
    trainer.fit(module, datamodule=data)
    trainer.test(module, datamodule=data)
    assert module.finished_by == {"train": {"pipeline"}, "val": {"pipeline"}, "test": {"test_pipeline"}}


def test_what_a_clip_must_have_depends_on_the_pipeline_of_the_stage(tiny_root: Path) -> None:
    options: dict[str, Any] = {"num_workers": 0, "index_workers": 0}
    data = VGGSound(str(tiny_root), pipeline=Silent(1.0), test_pipeline=Silent(1.4), **options)
    data.setup("fit")
    assert {float(x) for batch in data.val_dataloader() for x in batch["asked"]} == {1.0}
    data.setup("test")
    assert {float(x) for batch in data.bank_dataloader() for x in batch["asked"]} == {1.4}
    long = VGGSound(str(tiny_root), pipeline=Silent(1.0), test_pipeline=Silent(99.0), **options)
    long.setup("fit")
    with pytest.raises(ValueError, match="no usable clip in split 'test'"):
        long.setup("test")


def test_a_run_goes_on_in_the_middle_of_an_epoch(root: Path) -> None:
    (data,) = ranks(root, 1, batch_size=3)
    whole = rows(data.train_dataloader())

    def resumed(done: int, limit: int | float) -> list[int]:
        data.trainer.fit_loop, data.trainer.limit_train_batches = loop_after(done), limit
        return rows(data.train_dataloader())

    assert len(whole) == 12
    assert resumed(1, 1.0) == whole[3:]
    assert resumed(4, 1.0) == whole  # the epoch was over
    assert resumed(2, 2) == whole  # so was a shorter one
    assert resumed(1, 0.5) == whole[3:]


@pytest.mark.parametrize("workers", [0, 1, 2, 4])
def test_the_first_epoch_is_that_of_the_run_however_many_processes_read_ahead(
    root: Path, workers: int
) -> None:
    def epoch(number: int, workers: int) -> list[int]:
        (data,) = ranks(root, 1, batch_size=3, num_workers=workers)
        data.trainer.fit_loop = loop_after(epochs=number)
        loader = data.train_dataloader()
        batches = iter(loader)  # the trainer opens the loader before it sets the epoch
        loader.sampler.set_epoch(number)  # type: ignore[attr-defined]
        return [row for batch in batches for row in batch["index"].tolist()]

    assert epoch(5, workers) == epoch(5, 0) != epoch(0, 0)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_samples_do_not_depend_on_how_processes_are_started(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch, method: Any
) -> None:
    monkeypatch.setenv(SEED_VARIABLE, "3")
    audio = LogMel(sample_rate=8000, num_filters=16, num_frames=40)
    sizes: dict[str, Any] = {"crop": 16, "train_short_side": (18, 20), "eval_short_side": 18}
    pipeline = AudioVisualPipeline(num_frames=2, fps=4.0, audio=audio, **sizes)
    batches = []
    for workers in (0, 1):
        options = {"num_workers": workers, "multiprocessing_context": method}
        data = VGGSound(str(tiny_root), pipeline=pipeline, batch_size=18, index_workers=0, **options)
        data.setup("fit")
        batches.append(list(data.train_dataloader()))
    for alone, other in zip(*batches, strict=True):
        assert alone.keys() == other.keys()
        assert all(torch.equal(alone[name], other[name]) for name in alone)


class _Sent:
    """Values that a first rank broadcasts, for another one that comes later."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def send(self, value: Any) -> Any:
        self.values.append(value)
        return value

    def receive(self, value: Any) -> Any:
        return self.values.pop(0)


def test_other_ranks_map_the_clips_that_the_first_one_has_found(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, other = (VGGSound(str(tiny_root), pipeline=Silent(), index_workers=0) for _ in range(2))
    pretend_rank(first, 0, 2)
    sent = _Sent()
    monkeypatch.setattr(first.trainer.strategy, "broadcast", sent.send)
    first.setup("fit")
    pretend_rank(other, 1, 2)
    monkeypatch.setattr(other.trainer.strategy, "broadcast", sent.receive)
    monkeypatch.setattr(VGGSound, "listing", None)  # no further rank lists the files
    other.setup("fit")
    assert sent.values == []
    for split in ("train", "val"):
        found = other._indices[split]
        assert isinstance(found, MappedIndex)
        assert found.entries == first._indices[split].entries
        assert found.fingerprint == first._indices[split].fingerprint


def test_all_ranks_raise_the_error_of_the_comparison(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: VGGSound, train: str) -> None:
        raise ValueError("a file is in both")

    monkeypatch.setattr(VGGSound, "compare", fail)
    sent = _Sent()
    for rank in range(2):
        data = VGGSound(str(tiny_root), pipeline=Silent(), index_workers=0)
        pretend_rank(data, rank, 2)
        monkeypatch.setattr(data.trainer.strategy, "broadcast", sent.receive if rank else sent.send)
        with pytest.raises(ValueError, match="a file is in both"):
            data.setup("fit")


def test_too_few_samples(root: Path) -> None:
    with pytest.raises(
        ValueError, match=r"ImageFolder: 13 training samples on 2 process\(es\) do not fill one"
    ):
        ranks(root, 2, batch_size=7)[0].train_dataloader()
    with pytest.raises(ValueError, match="ImageFolder: the 5 val samples are fewer than the 6 processes"):
        ranks(root, 6)[0].val_dataloader()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for data in (folder(tmp_path / "none"), VGGSound(str(tmp_path / "none"))):
        with pytest.raises(
            FileNotFoundError, match=r"root='.*none' is not a folder; set --data.init_args.root"
        ):
            data.setup("fit")


def test_files_are_checked_before_the_setup(tiny_root: Path) -> None:
    data = VGGSound(str(tiny_root), pipeline=Silent(), test_pipeline=Silent(1.2), index_workers=0)
    pretend_rank(data, 0, 1)
    data.trainer.state = SimpleNamespace(fn=TrainerFn.TESTING)
    data.prepare_data()
    assert set(data._indices) == {"test"}
    found = data._indices["test"]
    data.setup("test")
    assert data._indices["test"] is found
