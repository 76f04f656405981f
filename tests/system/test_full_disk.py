"""A run whose disk becomes full ends with one line, and goes on when there is space."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

import cli
from tests._helpers.commands import command, load
from tests._helpers.disks import fill, small_disk
from tests.commands.runs.test_lock import holder


def test_a_full_disk_and_a_second_run(
    tiny_root: Path, tiny_overlay: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fit(epochs: int) -> tuple[int, list[str]]:
        options = [f"--trainer.max_epochs={epochs}", "--ckpt_path=last"]
        code = cli.main(command("fit", tiny_root, tiny_overlay, out, *options))
        return code, capsys.readouterr().err.strip().splitlines()

    with small_disk(tmp_path / "disk", "64m") as disk:
        out = disk / "run"
        assert fit(1)[0] == 0
        stored = (out / "checkpoints" / "last.ckpt").read_bytes()
        process = holder(out / "checkpoints")
        code, lines = fit(2)
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        assert (code, f"another training writes its checkpoints there (process {process}" in lines[-1]) == (
            1,
            True,
        )
        filling = fill(disk, leave=64 * 1024)
        code, lines = fit(2)
        assert code == 1
        assert lines[-1].startswith("error: ")
        assert "No space left on device" in lines[-1]
        assert f"no space is left in {out}" in lines[-1]
        assert not any("Traceback" in each for each in lines)
        assert (out / "checkpoints" / "last.ckpt").read_bytes() == stored
        filling.unlink()
        assert fit(2)[0] == 0
        assert load(out)["epoch"] == 1
