"""Folders that the package fills, also when several calls fill the same one."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unlabelled.data.synthetic.generated_folder import GeneratedFolder


def test_calls_at_the_same_time_write_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    started, go_on = threading.Event(), threading.Event()
    folders: list[Path] = []

    def write(folder: Path) -> None:
        folders.append(folder)
        started.set()
        assert go_on.wait(30)
        (folder / "part").write_text("whole")

    def fill() -> str:
        GeneratedFolder(str(tmp_path), {"seed": 0}, ["part"], "write_it").fill(write)
        return (tmp_path / "part").read_text()

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(fill)
        assert started.wait(30)
        others = [pool.submit(fill) for _ in range(2)]
        with pytest.raises(TimeoutError):
            others[0].result(timeout=0.3)  # it waits
        go_on.set()
        assert [each.result(30) for each in (first, *others)] == ["whole"] * 3
    assert len(folders) == 1
    assert f"{tmp_path}: waiting for another process that writes to it" in caplog.messages


def test_a_call_that_fails_leaves_what_there_was(tmp_path: Path) -> None:
    def fill(seed: int, fails: bool) -> None:
        def write(folder: Path) -> None:
            (folder / "part").write_text(str(seed))
            if fails:
                raise KeyError("no room")

        GeneratedFolder(str(tmp_path), {"seed": seed}, ["part"], "write_it").fill(write)

    fill(1, fails=False)
    with pytest.raises(KeyError):
        fill(2, fails=True)
    assert (tmp_path / "part").read_text() == "1"
    fill(1, fails=True)  # nothing to do
    fill(2, fails=False)
    assert (tmp_path / "part").read_text() == "2"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".it", ".lock", "COMPLETE.json", "part"]


def test_one_of_other_arguments_comes_after(tmp_path: Path) -> None:
    def fill(seed: int) -> None:
        GeneratedFolder(str(tmp_path), {"seed": seed}, ["part"], "write_it").fill(
            lambda folder: (folder / "part").write_text(str(seed)) and None
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(fill, range(8)))
    stored = (tmp_path / "COMPLETE.json").read_text()
    assert f'"seed": {(tmp_path / "part").read_text()}\n' in stored
    assert not list(tmp_path.glob(".partial*"))
