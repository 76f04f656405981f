"""Each run has a folder of its own, with everything that it writes, in the shipped configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cli
from tests._helpers.commands import DEMO, load
from tests.conftest import ROOT, environment, run_cli

NAME = "selavi_demo"
Arguments = list[str]


@pytest.fixture(scope="module")
def base(tiny_root: Path, tiny_overlay: Path) -> Arguments:
    """Return the options of a small run of the demo, without any folder."""
    return [
        f"--config={DEMO}",
        "--config=configs/data/vggsound.yaml",
        f"--config={tiny_overlay}",
        f"--data.init_args.root={tiny_root}",
        "--data.init_args.reader.init_args.short_side=20",
        "--data.init_args.reader.init_args.sample_rate=8000",
        "--trainer.max_epochs=1",
    ]


@pytest.fixture(scope="module")
def root(base: Arguments, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of two runs of the same name, a test and a prediction of the second."""
    root = tmp_path_factory.mktemp("root")
    for seed in (1, 2):
        assert run("fit", base, root, f"--seed_everything={seed}") == 0
    for command in ("test", "predict"):
        assert run(command, base, root, "--ckpt_path=last") == 0
    return root


def run(command: str, base: Arguments, root: Path, *more: str) -> int:
    return cli.main([command, *base, f"--trainer.default_root_dir={root}", *more])


def test_all_output_is_in_the_folder_of_the_run(root: Path) -> None:
    first, second = root / NAME, root / NAME / "version_1"
    assert {path.name for path in root.iterdir()} == {NAME}
    assert {path.name for path in first.iterdir()} == {"fit", "checkpoints", "version_1"}
    assert {path.name for path in second.iterdir()} == {"fit", "checkpoints", "test", "predict"}
    for folder in (first, second):
        assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
        assert (folder / "fit" / "config.yaml").is_file()
        assert {path.stem for path in (folder / "fit" / "figures").iterdir()} > {"cluster_gallery"}
    assert (second / "test" / "config.test.yaml").is_file()
    assert (second / "test" / "figures" / "degradation.png").is_file()
    assert len((second / "predict" / "predictions.csv").read_text().splitlines()) == 1 + 18


def test_a_second_run_does_not_write_over_the_first(root: Path) -> None:
    one, other = (load(folder)["state_dict"] for folder in (root / NAME, root / NAME / "version_1"))
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_tensorboard_has_one_run_for_each_command(root: Path) -> None:
    fitted, tested = (
        EventAccumulator(str(root / NAME / "version_1" / name)).Reload().Tags() for name in ("fit", "test")
    )
    assert "train/loss" in fitted["scalars"]
    assert "test/nmi" in tested["scalars"]
    assert "figures/cluster_gallery" in fitted["images"]


def test_last_resumes_the_newest_run_and_a_path_its_own(base: Arguments, root: Path) -> None:
    before = load(root / NAME)["global_step"]
    assert run("fit", base, root, "--ckpt_path=last", "--trainer.max_epochs=2") == 0
    assert load(root / NAME / "version_1")["global_step"] == 2 * before
    assert load(root / NAME)["global_step"] == before
    assert (root / NAME / "version_1" / "fit_1" / "config.yaml").is_file()
    path = root / NAME / "checkpoints" / "last.ckpt"
    assert run("test", base, root, f"--ckpt_path={path}") == 0
    assert (root / NAME / "test" / "config.test.yaml").is_file()
    assert {path.name for path in (root / NAME).glob("version_*")} == {"version_1"}


def test_a_saved_configuration_is_a_run_of_its_own(root: Path) -> None:
    file = root / NAME / "fit" / "config.yaml"
    content = yaml.safe_load(file.read_text())
    assert content["run"] == NAME
    assert content["trainer"]["logger"]["init_args"]["save_dir"] == ""
    written = (root / NAME / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    other = root / "other"
    assert cli.main(["fit", f"--config={file}", f"--trainer.default_root_dir={other}"]) == 0
    assert (other / NAME / "checkpoints" / "last.ckpt").is_file()
    assert (root / NAME / "checkpoints" / "last.ckpt").stat().st_mtime_ns == written


def test_a_csv_log_has_figures_as_png_files(base: Arguments, tmp_path: Path) -> None:
    assert run("fit", base, tmp_path, "--run=own/name", "--trainer.logger=CSVLogger") == 0
    output = tmp_path / "own" / "name" / "fit"
    assert "val/loss" in (output / "metrics.csv").read_text()
    assert (output / "figures" / "cluster_gallery.png").is_file()
    assert not list(tmp_path.rglob("events.out*"))
    assert (tmp_path / "own" / "name" / "checkpoints" / "best.ckpt").is_file()


def test_a_file_that_names_all_folders_is_followed(base: Arguments, tmp_path: Path) -> None:
    """Such files were needed before ``--run``."""
    callbacks = yaml.safe_load(Path(DEMO).read_text())["trainer"]["callbacks"]
    for callback in callbacks:
        if callback["class_path"].endswith("ModelCheckpoint"):
            callback["init_args"]["dirpath"] = str(tmp_path / "checkpoints")
    tensorboard = "lightning.pytorch.loggers.TensorBoardLogger"
    options = {"save_dir": str(tmp_path), "name": "log", "default_hp_metric": False}
    trainer = {
        "default_root_dir": str(tmp_path),
        "logger": {"class_path": tensorboard, "init_args": options},
        "callbacks": callbacks,
    }
    (tmp_path / "old.yaml").write_text(yaml.safe_dump({"trainer": trainer}))
    for more in ([], ["--ckpt_path=last", "--trainer.max_epochs=2"]):
        assert cli.main(["fit", *base, f"--config={tmp_path / 'old.yaml'}", *more]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"old.yaml", "log", "checkpoints"}
    assert {path.name for path in (tmp_path / "log").iterdir()} == {"version_0", "version_1"}
    assert load(tmp_path)["epoch"] == 1


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (["--trainer.logger=WandbLogger"], "WandbLogger requires the package wandb"),
        (["--trainer.logger=MLFlowLogger"], "MLFlowLogger requires the package mlflow"),
        (["--trainer.accelerator=gpu"], "trainer.accelerator: 'gpu', but torch finds no GPU"),
        (["--run=../neighbour"], "run: expected a name, got '../neighbour'"),
        (
            ["--trainer.callbacks+=ModelCheckpoint", "--trainer.callbacks.monitor=val/los"],
            "ModelCheckpoint monitors 'val/los', which this run does not log; did you mean val/loss?",
        ),
        (
            ["--trainer.callbacks+=EarlyStopping", "--trainer.callbacks.monitor=accuracy"],
            "EarlyStopping monitors 'accuracy', which this run does not log; did you mean ",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_line_before_the_data_are_read(
    more: Arguments,
    line: str,
    base: Arguments,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    capsys.readouterr()
    assert run("fit", [*base, "--data.init_args.root=no/such/folder"], tmp_path, *more) == 1
    errors = [each for each in capsys.readouterr().err.splitlines() if each.startswith("error")]
    assert len(errors) == 1
    assert line in errors[0]
    assert not list(tmp_path.iterdir())


def test_a_run_that_cannot_begin_leaves_no_folder(base: Arguments, tmp_path: Path) -> None:
    environ = dict(os.environ)
    assert run("fit", [*base, "--data.init_args.root=no/such/folder"], tmp_path) == 1
    assert not list(tmp_path.iterdir())
    assert not {name for name in os.environ.keys() - environ if str(tmp_path) in os.environ[name]}


def test_a_run_that_fails_before_its_first_step_leaves_no_folder(
    base: Arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fit", [*base, "--data.init_args.batch_size=1000"], tmp_path) == 1
    assert "do not fill one batch of batch_size=1000" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_last_of_a_run_without_checkpoints(
    base: Arguments, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("test", base, tmp_path, "--ckpt_path=last", "--run=nothing") == 1
    assert "nothing/checkpoints has no last.ckpt; train first" in capsys.readouterr().err


def test_two_processes_share_the_folder_of_a_run(base: Arguments, tmp_path: Path) -> None:
    """``fit`` starts the second process itself; torchrun starts both at once."""
    (tmp_path / NAME / "checkpoints").mkdir(parents=True)
    (tmp_path / NAME / "checkpoints" / "last.ckpt").touch()  # of an earlier run
    two = [*base, f"--trainer.default_root_dir={tmp_path}", "--config=configs/trainer/cpu_ddp2.yaml"]
    run_cli("fit", *two, "--trainer.max_epochs=1")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, "cli.py", "predict", *two, "--ckpt_path=last"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        timeout=240,
        check=False,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / NAME).iterdir()} == {"checkpoints", "version_1"}
    second = tmp_path / NAME / "version_1"
    assert {path.name for path in second.iterdir()} == {"fit", "checkpoints", "predict"}
    assert {path.name for path in (second / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert len((second / "predict" / "predictions.csv").read_text().splitlines()) - 1 == 18
