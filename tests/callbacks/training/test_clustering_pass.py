"""The clustering pass, and its variant on the features of training steps."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from lightning import Trainer
from lightning.fabric.utilities.exceptions import MisconfigurationException
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

import cli
from callbacks import ClusteringPass, FixedClusteringPass, RememberedClusteringPass
from callbacks.shared.batches import frozen_state
from callbacks.shared.rows import RowCollection
from callbacks.training.clustering_pass import finish_pass
from callbacks.training.pass_report import PassReport
from tests._helpers.commands import command, load
from unlabelled.clustering import Every, SinkhornClusterer
from unlabelled.clustering.pseudo_labels import UNLABELLED


def test_frozen_state_restores_modes_and_random_states() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.Dropout(0.5)))
    net[1].eval()
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    statistics = net[0].running_mean.clone()
    with frozen_state(net):
        assert not net.training
        assert not torch.is_grad_enabled()
        net(torch.randn(4, 2))
    assert [part.training for part in net.modules()] == [True, True, False, False]
    assert torch.equal(net[0].running_mean, statistics)
    assert torch.equal(torch.rand(3), expected)


def add(collection: RowCollection, index: list[int], replaced: list[int], **columns: Tensor) -> None:
    batch = {"index": torch.tensor(index), "replaced": torch.tensor(replaced)}
    if "label" in columns:
        batch["label"] = columns.pop("label")
    collection.add(batch, columns)


def test_a_pass_refuses_rows_that_come_twice_and_features_that_are_not_finite() -> None:
    collection = RowCollection("clustering pass")
    video, label = torch.arange(6.0).view(3, 2), torch.tensor([0, 1, 2])
    add(collection, [4, 9, 1], [-1, 3, -1], video=video, label=label)
    index, features, labels, unread = finish_pass(collection, 6)
    assert index.tolist() == [4, 1]
    assert features["video"].tolist() == [[0, 1], [4, 5]]
    assert labels is not None
    assert labels.tolist() == [0, 2]
    assert unread == 4
    with pytest.raises(ValueError, match="no samples"):  # it has been emptied
        finish_pass(collection, 6)
    for _ in range(2):
        add(collection, [4], [-1], video=torch.zeros(1, 2))
    with pytest.raises(RuntimeError, match="row 4 was visited 2 times"):
        finish_pass(collection, 6)
    add(collection, [0], [-1], audio=torch.tensor([[float("nan")]]))
    with pytest.raises(ValueError, match="audio features are not finite"):
        finish_pass(collection, 1)


def test_a_method_without_clusters_is_refused_at_start() -> None:
    from lightning.pytorch.demos.boring_classes import BoringModel

    callback = ClusteringPass(SinkhornClusterer(), Every(epochs=1))
    trainer = Trainer(callbacks=[callback], logger=False, enable_checkpointing=False, accelerator="cpu")
    with pytest.raises(MisconfigurationException, match="which BoringModel is not"):
        trainer.fit(BoringModel())


def _with(callback: dict[str, Any], out: Path) -> str:
    """Replace the demo's clustering pass, in the overlay that ``command`` has written to ``out``."""
    path = out / "callbacks.yaml"
    content = yaml.safe_load(path.read_text())
    listed = content["trainer"]["callbacks"]
    position = next(n for n, one in enumerate(listed) if one["class_path"].endswith("ClusteringPass"))
    listed[position] = callback
    other = out / "other.yaml"
    other.write_text(yaml.safe_dump(content))
    return f"--config={other}"


CLUSTERER = {"class_path": "unlabelled.clustering.SinkhornClusterer"}
EACH_EPOCH = {"class_path": "unlabelled.clustering.Every", "init_args": {"epochs": 1}}


def test_remembered_features_need_no_further_pass(
    tiny_root: Path, tiny_overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes_over_data = []
    original = ClusteringPass._collect
    monkeypatch.setattr(
        ClusteringPass, "_collect", lambda self, *rest: passes_over_data.append(1) or original(self, *rest)
    )
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, "--trainer.max_epochs=3")
    callback = {
        "class_path": "callbacks.RememberedClusteringPass",
        "init_args": {"clusterer": CLUSTERER, "schedule": EACH_EPOCH},
    }
    assert cli.main([*arguments, _with(callback, tmp_path), "--data.init_args.batch_size=7"]) == 0
    assert len(passes_over_data) == 1
    events = EventAccumulator(str(tmp_path / "log" / "version_0"))
    events.Reload()
    passes = [(event.step, event.value) for event in events.Scalars("cluster/unread")]
    # Before the first step and after the first and second epoch of five steps; none at the very end.
    # 36 clips in batches of 7: one is dropped in each epoch and keeps its label.
    assert passes == [(0, 0), (5, 1), (10, 1)]
    assert (load(tmp_path)["pseudo_labels"] >= 0).all()


def test_a_run_resumed_mid_epoch_still_has_the_features_of_the_epoch(
    tiny_root: Path, tiny_overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback = {
        "class_path": "callbacks.RememberedClusteringPass",
        "init_args": {"clusterer": CLUSTERER, "schedule": EACH_EPOCH},
    }
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, "--trainer.max_epochs=3")
    arguments.append(_with(callback, tmp_path))
    middle = tmp_path / "middle"
    each_step = [
        "--trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint",
        f"--trainer.callbacks.dirpath={middle}",
        "--trainer.callbacks.filename={step}",
        "--trainer.callbacks.every_n_train_steps=1",
        "--trainer.callbacks.save_top_k=-1",
        "--trainer.max_steps=10",
    ]
    assert cli.main([*arguments, *each_step]) == 0
    passes_over_data = []
    original = ClusteringPass._collect
    monkeypatch.setattr(
        ClusteringPass, "_collect", lambda self, *rest: passes_over_data.append(1) or original(self, *rest)
    )
    assert cli.main([*arguments, f"--ckpt_path={middle / 'step=9.ckpt'}"]) == 0
    assert not passes_over_data
    assert (load(tmp_path)["pseudo_labels"] >= 0).all()


def test_a_method_that_restores_no_labels_is_refused_on_resume(
    tiny_root: Path,
    tiny_overlay: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It would train on no labels at all until the next pass."""
    from lightning_modules import BaseModule
    from lightning_modules.self_labelled import SelfLabelled

    arguments = command("fit", tiny_root, tiny_overlay, tmp_path)
    assert cli.main([*arguments, "--trainer.max_epochs=1"]) == 0
    monkeypatch.setattr(SelfLabelled, "on_load_checkpoint", BaseModule.on_load_checkpoint)
    resumed = [*arguments, "--trainer.max_epochs=2", f"--ckpt_path={tmp_path / 'checkpoints' / 'last.ckpt'}"]
    capsys.readouterr()
    assert cli.main(resumed) == 1
    assert "SeLaVi restored no pseudo-labels from the checkpoint" in capsys.readouterr().err


def test_a_finished_run_that_is_made_longer_first_makes_up_for_the_pass_at_its_end(
    tiny_root: Path, tiny_overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callback = {
        "class_path": "callbacks.RememberedClusteringPass",
        "init_args": {"clusterer": CLUSTERER, "schedule": EACH_EPOCH},
    }
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path)
    arguments.append(_with(callback, tmp_path))
    assert cli.main([*arguments, "--trainer.max_epochs=1"]) == 0
    passes_over_data = []
    original = ClusteringPass._collect
    monkeypatch.setattr(
        ClusteringPass, "_collect", lambda self, *rest: passes_over_data.append(1) or original(self, *rest)
    )
    last = next(tmp_path.rglob("last.ckpt"))
    assert cli.main([*arguments, "--trainer.max_epochs=3", f"--ckpt_path={last}"]) == 0
    assert len(passes_over_data) == 1


def test_groups_of_heads_see_the_data_under_other_augmentations(
    tiny_root: Path, tiny_overlay: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collections = []
    original = ClusteringPass._collect

    def collect(self: ClusteringPass, *rest: Any) -> RowCollection:
        collection = original(self, *rest)
        collections.append(copy.deepcopy(collection))  # the pass empties its own
        return collection

    monkeypatch.setattr(ClusteringPass, "_collect", collect)
    callback = {
        "class_path": "callbacks.ClusteringPass",
        "init_args": {"clusterer": CLUSTERER, "schedule": EACH_EPOCH, "groups": 2},
    }
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, "--trainer.max_steps=1")
    assert cli.main([*arguments, _with(callback, tmp_path)]) == 0
    one, other = (finish_pass(each, 36) for each in collections)
    assert torch.equal(one[0], other[0])
    assert not torch.allclose(one[1]["video"], other[1]["video"])
    assert (load(tmp_path)["pseudo_labels"] >= 0).all()


def test_more_groups_than_heads_are_refused(
    tiny_root: Path, tiny_overlay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    callback = {
        "class_path": "callbacks.ClusteringPass",
        "init_args": {"clusterer": CLUSTERER, "schedule": EACH_EPOCH, "groups": 3},
    }
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path)
    assert cli.main([*arguments, _with(callback, tmp_path)]) == 1
    assert "groups=3 must be at most the number of heads, 2" in capsys.readouterr().err


def test_remembering_is_a_clustering_pass_without_groups() -> None:
    assert issubclass(RememberedClusteringPass, ClusteringPass)
    with pytest.raises(TypeError):
        RememberedClusteringPass(SinkhornClusterer(), Every(epochs=1), groups=2)  # type: ignore[call-arg]


def test_the_first_pass_aligns_audio_with_video(tiny_root: Path, tiny_overlay: Path, tmp_path: Path) -> None:
    from lightning_modules import SeLaVi
    from unlabelled.clustering import alignment_cost
    from unlabelled.encoders import SmallAudioEncoder, SmallVideoEncoder

    torch.manual_seed(0)
    module = SeLaVi(SmallVideoEncoder(2), SmallAudioEncoder(2), torch.optim.AdamW, 5, 2, 8).eval()
    with torch.no_grad():  # both modalities predict the same, up to a permutation of clusters
        module.heads["audio"].load_state_dict(module.heads["video"].state_dict())
        shuffle = torch.tensor([3, 0, 4, 1, 2])
        for head in range(2):
            module.heads["audio"].permute_outputs(head, shuffle)
        features = {name: torch.randn(50, 16) for name in ("video",)}
        features["audio"] = features["video"]
        module.prepare_clustering(features, pass_index=0, seed=0)
        for head in range(2):
            video, audio = module.log_probs(features, head).values()
            torch.testing.assert_close(video, audio)
            assert alignment_cost(video.exp(), audio.exp()).diagonal().sum() < 1e-4
        before = module.heads["audio"].weight2.clone()
        module.prepare_clustering(features, pass_index=1, seed=0)
        assert torch.equal(module.heads["audio"].weight2, before)


def test_an_empty_data_set_is_refused(
    tiny_root: Path, tiny_overlay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "empty"
    root.mkdir()
    shutil.copy(tiny_root / "vggsound.csv", root)
    assert cli.main(command("fit", root, tiny_overlay, tmp_path / "out")) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error:")
    assert "missing" in last


def test_a_fixed_pass_clusters_samples_as_they_look_in_evaluation() -> None:
    class Data:
        def pass_dataloader(self, epoch: int) -> str:
            return f"random {epoch}"

        def fixed_pass_dataloader(self) -> str:
            return "fixed"

    data: Any = Data()
    usual = ClusteringPass(SinkhornClusterer(), Every(epochs=1), groups=2)
    fixed = FixedClusteringPass(SinkhornClusterer(), Every(epochs=1))
    assert usual.loader(data, 1) == "random -2"
    assert fixed.loader(data, 0) == "fixed"
    assert issubclass(FixedClusteringPass, ClusteringPass)
    with pytest.raises(TypeError):  # all groups would see the same
        FixedClusteringPass(SinkhornClusterer(), Every(epochs=1), groups=2)  # type: ignore[call-arg]


def test_the_report_compares_with_the_classes_that_there_are() -> None:
    clusters = torch.tensor([0, 0, 1, 1, 2])
    for truth, expected in (
        (torch.tensor([1, 1, 0, 0, -1]), [1.0]),
        (torch.tensor([-1] * 5), None),
        (torch.tensor([[0, 1]] * 5), None),  # several labels per sample
    ):
        report = PassReport()
        report.compare(clusters, truth, 3)
        assert report._values.get("nmi_truth") == expected
    clusters[2] = UNLABELLED  # its modalities are missing
    report = PassReport()
    report.compare(clusters, torch.tensor([1, 1, 1, 0, 2]), 3)
    assert report._values["nmi_truth"] == [1.0]
