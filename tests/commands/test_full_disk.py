"""Files of a run on a disk that is full: an error or a warning in one line, and no part of a file."""

from __future__ import annotations

import errno
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from callbacks.training.checkpoint_files import WholeCheckpoints
from tests._helpers.data_layouts import videos
from tests._helpers.disks import fill, make_read_only, small_disk
from unlabelled.commands.errors.disk import hide_in_threads, is_disk_error, note_full
from unlabelled.commands.errors.run_errors import line_for_user
from unlabelled.commands.runs.whole import is_whole
from unlabelled.data.media import CachedReader, PyAVReader
from unlabelled.data.media.index import Entry, Requirements, index_entries
from unlabelled.data.media.storage import derived_folder, write_atomically


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", "512k") as folder:
        yield folder


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def line(error: BaseException, *folders: Path) -> str:
    note_full(error, folders)
    found = line_for_user(error)
    assert found is not None
    assert "\n" not in found
    return found


def write_events(writer: SummaryWriter) -> None:
    for number in range(2000):
        writer.add_scalar("x", number, number)
        writer.flush()


def test_a_checkpoint(disk: Path) -> None:
    content = {"state_dict": {"weight": torch.arange(20_000.0)}}
    WholeCheckpoints().save_checkpoint(content, disk / "last.ckpt")
    fill(disk, leave=8192)
    with pytest.raises(OSError, match=r"checkpoint: .*last\.ckpt cannot be written: .*") as caught:
        WholeCheckpoints().save_checkpoint(content, disk / "last.ckpt")
    assert f"no space is left in {disk}; free space or write elsewhere" in line(caught.value, disk)
    assert files(disk) == ["filling", "last.ckpt"]
    assert is_whole(disk / "last.ckpt")


def test_the_events_of_tensorboard(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    previous = threading.excepthook
    hide_in_threads()
    try:
        writer = SummaryWriter(str(disk))
        fill(disk)
        with pytest.raises(OSError, match="No space left") as caught:
            write_events(writer)
    finally:
        threading.excepthook = previous
    assert line(caught.value, disk).startswith(
        "error: [Errno 28] No space left on device; no space is left in"
    )
    assert "Traceback" not in capsys.readouterr().err


def test_the_decoded_copy_of_a_file(disk: Path, tiny_root: Path) -> None:
    fill(disk, leave=16384)
    reader = CachedReader(PyAVReader(), short_side=48, sample_rate=8000, folder=str(disk))
    with pytest.raises(OSError, match=r"cannot store the decoded copy of .*: No space left on device; free"):
        reader.info(str(videos(tiny_root)[0]))
    assert files(disk) == ["filling"]


def test_the_results_of_the_check(disk: Path, tiny_root: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(videos(tiny_root)[0], disk / "a.mp4")
    (disk / ".unlabelled").mkdir()
    fill(disk)
    index = index_entries(
        str(disk), "train", [Entry("a.mp4", 0)], Requirements(), num_workers=1, progress=False
    )
    assert len(index) == 1
    (message,) = [record.message for record in caplog.records]
    assert "will be repeated next time: cannot write its results: [Errno 28] No space left" in message
    assert files(disk) == ["a.mp4", "filling"]


def test_a_table(disk: Path) -> None:
    path = disk / "predictions.csv"
    path.write_text("old")
    fill(disk)
    with pytest.raises(OSError, match="No space left") as caught:
        write_atomically(str(path), lambda file: file.write(b"x" * 100_000))
    assert path.read_text() == "old"
    assert files(disk) == ["filling", "predictions.csv"]
    assert line(caught.value).startswith("error: [Errno 28] No space left on device; free space")


def test_a_disk_that_is_read_only(disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    make_read_only(disk)
    assert derived_folder(str(disk)).startswith(str(tmp_path / "cache"))
    with pytest.raises(OSError, match="Read-only") as caught:
        WholeCheckpoints().save_checkpoint({}, disk / "run" / "last.ckpt")
    assert "Read-only file system" in line(caught.value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(disk / "cache"))
    with pytest.raises(OSError, match=r"neither .* nor .* is writable: make one of them writable"):
        derived_folder(str(disk))


def test_errors_of_a_disk_are_found_in_those_that_follow() -> None:
    following = RuntimeError("PytorchStreamWriter failed writing file")
    following.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_disk_error(following)
    assert line(following).startswith("error: PytorchStreamWriter failed writing file; free space")
    shared: Any = RuntimeError("unable to write to file </torch_1>: No space left on device (28)")
    assert is_disk_error(shared)
    assert not is_disk_error(ValueError("No space left on device"))
    assert line_for_user(RuntimeError("a bug")) is None
