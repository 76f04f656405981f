"""A killed and resumed run ends bit-equal to an uninterrupted one, with any number of processes that read.

``make kill-test`` has more of them; see docs/reliability.md.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from tests._helpers import dataset_folders as layouts
from tests._helpers.commands import assert_same_run, command, load
from tests._helpers.shrink import shrink
from tests.conftest import ROOT, environment
from unlabelled.data.media.pack import pack_folder


@pytest.fixture(scope="module")
def options() -> list[str]:
    return ["--trainer.max_epochs=8", "--trainer.check_val_every_n_epoch=2"]


@pytest.fixture(scope="module")
def uninterrupted(
    tiny_root: Path, tiny_overlay: Path, options: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("uninterrupted")
    assert cli.main(command("fit", tiny_root, tiny_overlay, out, *options)) == 0
    return out


def test_sigkill_and_resume(
    tiny_root: Path, tiny_overlay: Path, options: list[str], uninterrupted: Path, tmp_path: Path
) -> None:
    reads_ahead = "--data.init_args.num_workers=1"  # the uninterrupted run has none
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, *options, reads_ahead)
    kill_at = ["--trainer.callbacks+=tools.kill_test.places.KillAt", "--trainer.callbacks.place=step"]
    killed = subprocess.run(
        [sys.executable, "cli.py", *arguments, *kill_at, "--trainer.callbacks.step=20"],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        timeout=240,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-3000:]
    assert load(tmp_path)["global_step"] == 18
    assert cli.main([*arguments, "--ckpt_path=last"]) == 0
    assert_same_run(load(tmp_path), load(uninterrupted))


def test_resume_from_the_middle_of_an_epoch_with_shards_in_place_of_files(
    tiny_root: Path, tiny_overlay: Path, options: list[str], uninterrupted: Path, tmp_path: Path
) -> None:
    middle = tmp_path / "middle"
    each_step = [
        "--trainer.callbacks+=lightning.pytorch.callbacks.ModelCheckpoint",
        f"--trainer.callbacks.dirpath={middle}",
        "--trainer.callbacks.filename={step}",
        "--trainer.callbacks.every_n_train_steps=1",
        "--trainer.callbacks.save_top_k=-1",
        "--trainer.max_steps=16",
    ]
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, *options)
    assert cli.main([*arguments, *each_step]) == 0
    checkpoint = middle / "step=15.ckpt"  # the third of six steps of an epoch
    pack_folder(str(tiny_root), str(tmp_path / "packed"), progress=False)
    others = ["--data.init_args.num_workers=2", f"--data.init_args.shards={tmp_path / 'packed'}"]
    assert cli.main([*arguments, *others, f"--ckpt_path={checkpoint}"]) == 0
    assert_same_run(load(tmp_path), load(uninterrupted))


@pytest.mark.parametrize(
    ("name", "code", "step", "workers", "more"),
    [
        ("SIGTERM", 143, 14, 4, []),  # within an epoch
        ("SIGINT", 130, 5, 1, ["--trainer.max_steps=48"]),  # its last step; such a run counted an epoch twice
    ],
)
def test_a_run_that_a_signal_stops_goes_on(
    name: str,
    code: int,
    step: int,
    workers: int,
    more: list[str],
    tiny_root: Path,
    tiny_overlay: Path,
    options: list[str],
    uninterrupted: Path,
    tmp_path: Path,
) -> None:
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, *options, *more)
    arguments.append(f"--data.init_args.num_workers={workers}")
    signal_at = ["--trainer.callbacks+=tools.kill_test.places.KillAt", f"--trainer.callbacks.place={name}"]
    assert cli.main([*arguments, *signal_at, f"--trainer.callbacks.step={step}"]) == code
    assert load(tmp_path)["global_step"] == step + 1
    assert cli.main([*arguments, "--ckpt_path=last"]) == 0
    assert_same_run(load(tmp_path), load(uninterrupted))


def test_a_checkpoint_has_the_features_that_its_epoch_remembers(tmp_path: Path) -> None:
    recipe = ROOT / "configs" / "recipes" / "deepcluster_v2_imagenet.yaml"
    images = layouts.image_folders(tmp_path / "images", classes=3, per_class=8)

    def fit(out: Path, *more: str) -> int:
        overlay = f"--config={shrink(recipe, out, 3)}"
        data = ["--data=datamodules.ImageFolder", f"--data.init_args.root={images}"]
        lengths = ["--trainer.max_epochs=4", "--data.init_args.num_workers=1"]
        return cli.main(["fit", f"--config={recipe}", *data[:1], overlay, *data[1:], *lengths, *more])

    assert fit(tmp_path / "whole") == 0
    stopped = tmp_path / "stopped"
    signal_at = ["--trainer.callbacks+=tools.kill_test.places.KillAt", "--trainer.callbacks.place=SIGTERM"]
    assert fit(stopped, *signal_at, "--trainer.callbacks.step=14") == 143
    (states,) = [state for name, state in load(stopped)["callbacks"].items() if "Remembered" in name]
    assert states["remembered"]["num_batches"] == 3
    assert fit(stopped, "--ckpt_path=last") == 0
    assert_same_run(load(stopped), load(tmp_path / "whole"))


def test_a_requeued_job_goes_on(
    tiny_root: Path,
    tiny_overlay: Path,
    options: list[str],
    uninterrupted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/requeued\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{scontrol.parent}:{os.environ['PATH']}")
    job = {"JOB_ID": "7", "NTASKS": "1", "JOB_NAME": "job", "PROCID": "0", "LOCALID": "0", "NODEID": "0"}
    for name, value in job.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path / "run", *options)
    signal_at = ["--trainer.callbacks+=tools.kill_test.places.KillAt", "--trainer.callbacks.place=SIGUSR1"]
    assert cli.main([*arguments, *signal_at, "--trainer.callbacks.step=20"]) == 128 + signal.SIGUSR1
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert cli.main(arguments) == 0
    assert_same_run(load(tmp_path / "run"), load(uninterrupted))


def test_another_batch_is_refused(
    tiny_root: Path,
    tiny_overlay: Path,
    uninterrupted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkpoint = f"--ckpt_path={uninterrupted / 'checkpoints' / 'last.ckpt'}"
    larger = ["--data.init_args.batch_size=12", "--trainer.max_epochs=9", checkpoint]
    assert cli.main(command("fit", tiny_root, tiny_overlay, tmp_path, *larger)) == 1
    assert "with 6 samples in a step, this run has 12" in capsys.readouterr().err


def test_another_training_list_is_refused(
    tiny_root: Path,
    tiny_overlay: Path,
    uninterrupted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    (fewer / "video").symlink_to(tiny_root / "video")
    rows = (tiny_root / "vggsound.csv").read_text().splitlines(keepends=True)
    dropped = next(n for n, row in enumerate(rows) if row.strip().endswith("train"))
    (fewer / "vggsound.csv").write_text("".join(rows[:dropped] + rows[dropped + 1 :]))
    checkpoint = f"--ckpt_path={uninterrupted / 'checkpoints' / 'last.ckpt'}"
    arguments = command("fit", fewer, tiny_overlay, tmp_path / "out", "--trainer.max_epochs=9", checkpoint)
    assert cli.main(arguments) == 1
    assert "belong to another list of training clips" in capsys.readouterr().err
