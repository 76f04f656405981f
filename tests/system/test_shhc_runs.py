"""The demo of sHHC: tables, figures and recognition; an interrupted run; two processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cli
from tests._helpers.commands import EVERY_EPOCH, save_encoders
from tests._helpers.shrink import shrink
from tests._helpers.two_processes import cli_in_processes
from tests.conftest import ROOT
from unlabelled.encoders import SmallAudioEncoder, SmallImageEncoder

DEMO = ROOT / "configs" / "demo" / "shhc.yaml"
RECOGNITION = ROOT / "configs" / "demo" / "recognition.yaml"
NAMES = ("image", "audio", "image+audio")


@pytest.fixture(autouse=True)
def _existing_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tiny clips: the data module would replace them by more clips."""
    monkeypatch.setattr("datamodules.embedded.write_embedded", lambda *arguments: None)


def _command(verb: str, path: Path, root: Path, out: Path, *more: str) -> list[str]:
    return [
        verb,
        f"--config={path}",
        f"--config={shrink(path, out, 9)}",
        f"--data.init_args.root={root}",
        "--data.init_args.reader.init_args.short_side=20",
        "--data.init_args.reader.init_args.sample_rate=8000",
        *more,
    ]


def _load(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("warm") / "last.ckpt"
    save_encoders(path, SmallImageEncoder(2), SmallAudioEncoder(2))
    return path


def test_the_demo_draws_trees_and_its_encoders_are_evaluated(
    tiny_root: Path, warm: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    start = f"--model.init_args.encoder_checkpoint={warm}"
    assert cli.main(_command("fit", DEMO, tiny_root, tmp_path, start, "--trainer.max_epochs=1")) == 0
    state = _load(checkpoint)
    assert [tree is not None for tree in state["hierarchies"]] == [True] * 6
    capsys.readouterr()
    assert cli.main(_command("test", DEMO, tiny_root, tmp_path, start, f"--ckpt_path={checkpoint}")) == 0
    printed = capsys.readouterr().out
    drawn = {path.name for path in tmp_path.rglob("*.png")}
    for name in NAMES:
        assert f"{name}, whole tree" in printed
        for figure in ("disk_classes", "disk_groups", "dendrogram", "similarity"):
            assert f"hierarchy_{name}_{figure}.png" in drawn
    scalars, images = _tags(tmp_path)
    assert {f"test/hierarchy/{name}/groups_nmi_cut3" for name in NAMES} <= scalars
    assert {f"test/hierarchy/{name}/average/dasgupta_1x" for name in NAMES} <= scalars
    assert any("dendrogram" in tag for tag in images)
    out = tmp_path / "recognition"
    judged = f"--model.init_args.encoder_checkpoint={checkpoint}"
    assert cli.main(_command("fit", RECOGNITION, tiny_root, out, judged, "--trainer.max_epochs=1")) == 0
    found = next(out.rglob("last.ckpt"))
    assert cli.main(_command("test", RECOGNITION, tiny_root, out, f"--ckpt_path={found}")) == 0
    for name, value in _load(found)["state_dict"].items():
        if name.startswith("encoders.") and value.is_floating_point():
            assert torch.equal(value, state["state_dict"][name])


def _tags(out: Path) -> tuple[set[str], set[str]]:
    scalars, images = set[str](), set[str]()
    for folder in {path.parent for path in out.rglob("events.*")}:
        events = EventAccumulator(str(folder))
        events.Reload()
        scalars |= set(events.Tags()["scalars"])
        images |= set(events.Tags()["images"])
    return scalars, images


def test_a_resumed_run_equals_an_uninterrupted_one(tiny_root: Path, warm: Path, tmp_path: Path) -> None:
    def fit(out: Path, *more: str) -> None:
        each = {"filename": "{step}", "every_n_train_steps": 1, "save_top_k": -1}
        options = [
            f"--model.init_args.encoder_checkpoint={warm}",
            "--data.init_args.batch_size=12",
            "--trainer.max_epochs=3",
            _lean(out, {"dirpath": str(out), **each}),
        ]
        assert cli.main(_command("fit", DEMO, tiny_root, out, *options, *more)) == 0

    fit(tmp_path / "uninterrupted")
    alone = _load(tmp_path / "uninterrupted" / "step=9.ckpt")
    fit(
        tmp_path / "resumed", f"--ckpt_path={tmp_path / 'uninterrupted' / 'step=4.ckpt'}"
    )  # between two passes
    resumed = _load(tmp_path / "resumed" / "step=9.ckpt")
    early = _load(tmp_path / "uninterrupted" / "step=4.ckpt")["state_dict"]["prototypes"]
    assert not torch.equal(early.nan_to_num(9), alone["state_dict"]["prototypes"].nan_to_num(9))
    _assert_same(alone, resumed)
    for name, value in alone["state_dict"].items():
        torch.testing.assert_close(resumed["state_dict"][name], value, atol=0, rtol=0, equal_nan=True)


def test_two_processes_compute_the_leaves_of_one(tiny_root: Path, warm: Path, tmp_path: Path) -> None:
    """Both start from one checkpoint, with a learning rate of 0: BatchNorm differs between processes."""

    def options(out: Path, batch_size: int) -> list[str]:
        each = {"filename": "{step}", "every_n_train_steps": 1, "save_top_k": -1}
        return [
            f"--model.init_args.encoder_checkpoint={warm}",
            "--model.init_args.optimizer.init_args.lr=0",
            "--trainer.max_epochs=2",
            "--config=configs/data/vggsound.yaml",  # the same clips; this class does not write data
            f"--data.init_args.root={tiny_root}",
            f"--data.init_args.batch_size={batch_size}",
            _lean(out, {"dirpath": str(out), **each}),
        ]

    one, two = tmp_path / "one", tmp_path / "two"
    assert cli.main(_command("fit", DEMO, tiny_root, one, *options(one, 12))) == 0
    spread = ["--config=configs/trainer/cpu_ddp2.yaml", f"--ckpt_path={one / 'step=3.ckpt'}"]
    fit = _command("fit", DEMO, tiny_root, two, *options(two, 6), *spread)
    assert cli_in_processes(fit, tmp_path / "ranks", 2) == [0, 0]
    before, alone = _load(one / "step=3.ckpt"), _load(one / "step=6.ckpt")
    spread_out = _load(two / "step=6.ckpt")
    assert not torch.equal(before["pseudo_labels"], alone["pseudo_labels"])
    _assert_same_leaves(alone, spread_out)


def _lean(out: Path, saving: dict[str, Any]) -> str:
    """Write the callbacks for training in every epoch and for checkpoints only."""
    content = yaml.safe_load(shrink(DEMO, out, 9).read_text())
    keep = ("ClusteringPass", "ModelCheckpoint", "CPUThreads")
    callbacks = [each for each in content["trainer"]["callbacks"] if each["class_path"].endswith(keep)]
    for callback in callbacks:
        if callback["class_path"].endswith("ClusteringPass"):
            callback["init_args"]["schedule"] = EVERY_EPOCH
    callbacks[-1]["init_args"] = saving
    path = out / "lean.yaml"
    path.write_text(yaml.safe_dump({"trainer": {"callbacks": callbacks, "limit_val_batches": 0}}))
    return f"--config={path}"


def _assert_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert torch.equal(one["pseudo_labels"], other["pseudo_labels"])
    for tree, other_tree in zip(one["hierarchies"], other["hierarchies"], strict=True):
        assert torch.equal(tree["merges"], other_tree["merges"])
        assert torch.equal(tree["clusters"], other_tree["clusters"])
        assert torch.equal(tree["points"], other_tree["points"])


def _assert_same_leaves(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Compare labels, leaves and costs: the order of children depends on the rounding of centroids."""
    assert torch.equal(one["pseudo_labels"], other["pseudo_labels"])
    pairs = zip(one["hierarchies"], other["hierarchies"], strict=True)
    for head, (tree, other_tree) in enumerate(pairs):
        assert torch.equal(tree["clusters"], other_tree["clusters"])
        assert torch.equal(tree["counts"], other_tree["counts"])
        torch.testing.assert_close(tree["centroids"], other_tree["centroids"], atol=1e-5, rtol=0)
        costs = [state["report"]["dasgupta_1x"] for state in (tree, other_tree)]
        assert costs[0] == pytest.approx(costs[1], rel=1e-5)
        prototypes = other["state_dict"]["prototypes"][head]
        assert torch.equal(prototypes[other_tree["clusters"]], other_tree["points"])
