"""A killed and resumed run ends bit-equal to an uninterrupted one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cli
from tests._helpers.commands import assert_same_run, command, load
from tests.conftest import ROOT, environment


def _kill_when(process: subprocess.Popen[bytes], checkpoint: Path, epoch: int) -> None:
    """Send SIGKILL as soon as a checkpoint of ``epoch`` or later exists."""
    import torch

    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it was killed"
        if checkpoint.is_file():
            try:
                if torch.load(checkpoint, weights_only=True)["epoch"] >= epoch:
                    break
            except (RuntimeError, EOFError, OSError):
                pass  # the file is incomplete
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def options() -> list[str]:
    return ["--trainer.max_epochs=12", "--trainer.check_val_every_n_epoch=2"]


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
    arguments = command("fit", tiny_root, tiny_overlay, tmp_path, *options)
    process = subprocess.Popen(
        [sys.executable, "cli.py", *arguments],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    _kill_when(process, tmp_path / "checkpoints" / "last.ckpt", epoch=2)
    assert load(tmp_path)["epoch"] < 11
    assert cli.main([*arguments, "--ckpt_path=last"]) == 0
    assert_same_run(load(tmp_path), load(uninterrupted))


def test_resume_from_the_middle_of_an_epoch(
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
    assert cli.main([*arguments, f"--ckpt_path={checkpoint}"]) == 0
    assert_same_run(load(tmp_path), load(uninterrupted))


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
    arguments = command("fit", fewer, tiny_overlay, tmp_path / "out", "--trainer.max_epochs=13", checkpoint)
    assert cli.main(arguments) == 1
    assert "belong to another list of training clips" in capsys.readouterr().err
